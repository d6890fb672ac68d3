from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from puzzles.errors import RecordError, SerialError
from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from sim.people import ALICE
from tests.engine.crashes import elsewhere, reborn
from tests.engine.people import HOT_KEYS, cold_keys
from tests.engine.register.samples import imported, unit
from tokenization_engine import create, tokenize, work
from tokenization_engine.desk import Desk
from tokenization_engine.errors import JobRefused, NoRegistry, NotARegistry, OwnersInvalid, OwnersUnknown
from tokenization_engine.owners import (
    ColdKey,
    Custody,
    Governor,
    HiddenGovernor,
    OwnersInWords,
    governor_json,
    owners_json,
    parse_allotment,
    parse_key,
    read_governor,
    read_owners,
)
from tokenization_engine.register.queries import UnitFilter
from tokenization_engine.registry import FreeRun

NO_FEE = Mojos(0)
COLD = ColdKey(public_key=cold_keys(1)[0])
WORDS = OwnersInWords(issuer_key=HOT_KEYS.own.public_key, allotment=(), governor=COLD)


@pytest.fixture
def other(desk: Desk, new_register: Callable[[], str]) -> Iterator[Desk]:
    other = elsewhere(desk, new_register())
    yield other
    other.register.close()


async def tokenized(desk: Desk, chain: LocalChain, *blocks: tuple[int, int]) -> None:
    with desk.register.writing("admin") as session:
        imported(session, *(unit(first, last) for first, last in blocks))
    tokenize.start(desk, await tokenize.plan(desk, [], UnitFilter(), ALICE.puzzle_hash, fee=NO_FEE))
    await work.run(desk, wait=False)
    await chain.farm(2)
    await work.run(desk, wait=False)


async def test_new_registry_is_genuine_and_everything_in_it_is_free(desk: Desk, founded: LauncherId) -> None:
    state = await desk.look()
    assert (state.registry_id, state.name) == (founded, "Kingdom of Bhutan")
    assert state.free_runs("BT-1") == [FreeRun(first=0, last=2**64 - 2)]
    assert desk.owners(state).governor == COLD


async def test_free_runs_of_a_series_are_what_was_not_issued(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    await tokenized(desk, chain, (1, 100), (201, 300))
    assert (await desk.look()).free_runs("BT-CDM2746-2021") == [
        FreeRun(first=0, last=0),
        FreeRun(first=101, last=200),
        FreeRun(first=301, last=2**64 - 2),
    ]


async def test_free_runs_of_a_series_that_is_none_are_refused(desk: Desk, founded: LauncherId) -> None:
    with pytest.raises(SerialError):
        (await desk.look()).free_runs("bt 1")


async def test_registry_read_again_from_its_spends_is_the_same(
    desk: Desk, founded: LauncherId, chain: LocalChain, other: Desk
) -> None:
    await tokenized(desk, chain, (1, 100), (201, 300))
    seen = await desk.look()
    once_more = reborn(desk)
    for again in (await once_more.look(founded), await other.look(founded)):
        assert again.newest == seen.newest
        assert again.free.root == seen.free.root
        assert set(again.issued) == set(seen.issued)
    once_more.register.close()


async def test_idle_look_asks_the_node_twice(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    await tokenized(desk, chain, (1, 100))
    await desk.look()
    before = desk.node.calls
    await desk.look()
    assert desk.node.calls - before <= 2


async def test_reorg_takes_back_what_was_read_from_its_blocks(
    desk: Desk, founded: LauncherId, chain: LocalChain
) -> None:
    before = await desk.look()
    root = before.free.root
    await tokenized(desk, chain, (1, 100))
    assert len((await desk.look()).issued) == 1
    await chain.reorg(2, keep_transactions=False)
    for look in (desk.look, reborn(desk).look):
        after = await look()
        assert (after.issued, after.free.root) == ({}, root)


async def test_registry_opened_before_its_first_spend_needs_its_owners_told(
    desk: Desk, founded: LauncherId, other: Desk
) -> None:
    with pytest.raises(OwnersUnknown, match="shows its owners by their hash only"):
        await create.open_registry(other, founded, None)
    with pytest.raises(NoRegistry):
        other.current_registry()
    await create.open_registry(other, founded, WORDS)
    assert other.current_registry() == founded
    assert other.owners(await other.look()).governor == COLD


async def test_registry_opened_after_a_spend_shows_its_owners(
    desk: Desk, founded: LauncherId, chain: LocalChain, other: Desk
) -> None:
    await tokenized(desk, chain, (1, 100))
    state = await create.open_registry(other, founded, None)
    known = other.owners(state)
    assert other.issuer(known.owners) == HOT_KEYS.own
    assert isinstance(known.governor, HiddenGovernor)


async def test_wrong_owners_are_not_believed(desk: Desk, founded: LauncherId, other: Desk) -> None:
    narrow = OwnersInWords(issuer_key=HOT_KEYS.own.public_key, allotment=(parse_allotment("BT-1:1-5"),), governor=COLD)
    with pytest.raises(OwnersUnknown, match="has other owners than those named"):
        await create.open_registry(other, founded, narrow)


async def test_id_of_no_coin_is_no_registry(desk: Desk) -> None:
    with pytest.raises(NotARegistry, match="the node knows no such coin"):
        await create.open_registry(desk, LauncherId(b"\x07" * 32), None)


async def test_id_of_an_ordinary_coin_is_no_registry(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    launcher = (await desk.node.coins([founded]))[founded]  # type: ignore[index, list-item]
    parent = LauncherId(bytes(launcher.coin.parent_coin_info))
    with pytest.raises(NotARegistry, match="the coin launched something else"):
        await create.open_registry(desk, parent, None)


async def test_id_of_another_singleton_is_no_registry(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    custody, _ = await create.launch_governor(desk, 1, cold_keys(1), registry_id=founded, fee=NO_FEE)
    await work.run(desk, wait=False)
    await chain.farm(2)
    with pytest.raises(NotARegistry, match="the coin launched something else"):
        await create.open_registry(desk, custody.launcher_id, None)


async def test_engine_without_a_registry_says_so(desk: Desk) -> None:
    with pytest.raises(NoRegistry, match=r"another than (sqlite|postgresql):.*/\w+"):
        await desk.look()


async def test_name_that_cannot_stand_on_chain_is_refused(desk: Desk) -> None:
    wish = create.GovernorWish(public_keys=cold_keys(1))
    with pytest.raises(RecordError):
        await create.create(desk, "a\nb", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=NO_FEE)


async def test_registry_whose_funding_was_spent_elsewhere_is_dropped(desk: Desk, chain: LocalChain) -> None:
    wish = create.GovernorWish(public_keys=cold_keys(1))
    _, first = await create.create(desk, "A", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=NO_FEE)
    twin = elsewhere(desk, "sqlite://")
    _, second = await create.create(twin, "B", wish, (), issuer_key=HOT_KEYS.own.public_key, fee=NO_FEE)
    await work.run(desk, [first], wait=False)
    await chain.farm(2)
    with pytest.raises(JobRefused, match="were spent elsewhere"):
        await work.run(twin, [second], wait=False)


@pytest.mark.parametrize(
    "governor",
    [
        COLD,
        Custody(launcher_id=LauncherId(b"\x01" * 32), threshold=2, public_keys=cold_keys(3)),
        HiddenGovernor(puzzle_hash=WORDS.owners.governor_puzzle_hash),
    ],
)
def test_owners_read_back_as_they_were_written(governor: Governor) -> None:
    allotment = (parse_allotment("BT-1:1-5"), parse_allotment("BT-2:0-0"))
    words = OwnersInWords(issuer_key=HOT_KEYS.own.public_key, allotment=allotment, governor=governor)
    assert read_owners(owners_json(words)) == words
    assert read_governor(governor_json(governor)) == governor


@pytest.mark.parametrize("text", ["BT-1", "BT-1:5", "BT-1:9-1", "bt-1:1-5", "BT-1:1-5x", ":1-2"])
def test_allotment_that_does_not_read_is_refused(text: str) -> None:
    with pytest.raises(OwnersInvalid, match="is not an allotment"):
        parse_allotment(text)


@pytest.mark.parametrize("text", ["", "0x12", "zz" * 48, "c0" + "00" * 47, "0x" + "ff" * 48])
def test_public_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OwnersInvalid, match="public key"):
        parse_key(text)


@pytest.mark.parametrize("data", [{}, {"kind": "pope"}, {"kind": "key"}, {"kind": "custody", "threshold": "x"}])
def test_governor_that_does_not_read_is_refused(data: dict[str, str]) -> None:
    with pytest.raises(OwnersInvalid):
        read_governor(data)
