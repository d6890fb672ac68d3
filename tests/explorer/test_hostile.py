from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256

from chia.types.blockchain_format.program import Program
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from sqlalchemy import Engine, select

from chain.database import reading, writing
from chain.node import Node
from explorer.answers import Burn, Filter, Holding, Statement, Token
from explorer.dump import dump
from explorer.events import burns, holders, statements
from explorer.follow import catch_up
from explorer.queries import registry as registry_of
from explorer.queries import supply, tokens
from explorer.registries import follow_registry
from explorer.store import RETIREMENT, FaultRow
from puzzles.cat import UNSPENDABLE, CatSpend, cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.free_serials import Taking
from puzzles.issuance import eve_inner_puzzle
from puzzles.registry_ledger import conditions_for_issuer, issue_condition
from puzzles.retirement import receipt_coin, receipt_puzzle, write_record
from puzzles.standard import quoted_solution
from puzzles.unit_block_tail import Token as UnitToken
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import Mojos, PuzzleHash, units_to_mojos
from sim.people import ALICE, BOB
from tests.explorer.world import SERIES, Registry, World, sign, unit_block


async def indexed(node: Node, index: Engine, *registries: Registry) -> None:
    for each in registries:
        await follow_registry(node, index, each.registry_id)
    await catch_up(node, index)


def faults(index: Engine) -> Sequence[str]:
    with reading(index) as session:
        return session.scalars(select(FaultRow.reason)).all()


def found_tokens(index: Engine) -> list[Token]:
    with reading(index) as session:
        return [each for each in tokens(session, Filter()).items if isinstance(each, Token)]


def found_burns(index: Engine) -> list[Burn]:
    with reading(index) as session:
        return [each for each in burns(RETIREMENT, session, Filter()).items if isinstance(each, Burn)]


async def issue_raw(registry: Registry, series: bytes, metadata: Program, units: int = 10) -> UnitToken:
    """An issue whose series and metadata no driver of ours would write; the ledger does not mind."""
    first, end = (1).to_bytes(8, "big"), (1 + units).to_bytes(8, "big")
    key = sha256(series).digest()
    free = registry.free
    leaf = free._holding(key + first, key + end)
    assert leaf is not None
    path, siblings = free._proof(leaf)
    before, after = leaf.start, leaf.end
    free.replay(start=key + first, end=key + end, before=before, path=path, place=None)
    token = UnitToken(registry=registry.registry_id, block=Program.to((series, (first, (end, metadata)))))
    amount = units_to_mojos(units)
    inner = eve_inner_puzzle(token, ALICE.puzzle_hash, amount, registry.coin.inner_puzzle_hash)
    inner_hash = PuzzleHash(bytes(inner.get_tree_hash()))
    taking = Taking(before=before, after=after, path=path, siblings=siblings, place=None)
    order = conditions_for_issuer([issue_condition(taking, inner_hash, token.block)], registry.coin.owners)
    funding = await registry.world.fund(registry.officer, amount)
    eve_hash = cat_puzzle_hash(token.asset_id, inner_hash)
    eve = Coin(funding.name(), bytes32(eve_hash), uint64(amount))
    spends = [
        registry.coin.spend_as_issuer(quoted_solution(order)),
        registry.officer.spend(funding, [Program.to([51, eve_hash, amount])]),
        *cat_ring([CatSpend(coin=eve, asset_id=token.asset_id, inner_puzzle=inner, inner_solution=Program.to(0))]),
    ]
    await registry.world.include(sign(spends, registry.officer))
    registry.coin = registry.coin.child(free.root, registry.coin.owners)
    return token


async def test_hostile_series_and_metadata_are_shown_as_hex_and_flagged(
    world: World, node: Node, index: Engine
) -> None:
    registry = await world.launch()
    odd = [b"bt-cdm2746-2021", SERIES.encode() + b" ", b"", b"\xff\x00" * 10, b"S" * 2000, b"0x4254"]
    for number, series in enumerate(odd):
        await issue_raw(registry, series, Program.to([(b"project_name", b"\xff%d" % number)]))
    await registry.issue(unit_block(1, 10))
    await indexed(node, index, registry)

    assert faults(index) == []
    found = found_tokens(index)
    assert len(found) == len(odd) + 1
    strange = [each for each in found if each.unit_block.series.startswith("0x")]
    assert {each.unit_block.series for each in strange} == {"0x" + series[:1024].hex() for series in odd}
    assert all(not each.is_canonical and each.unit_block.first_serial is None for each in strange)
    assert all("hex" in each.metadata["fields"][0] for each in strange)
    with reading(index) as session:
        assert supply(session).issued == 10 * len(found)


async def test_strangers_coins_with_hint_and_puzzle_hash_appear_nowhere(
    world: World, node: Node, index: Engine
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    await indexed(node, index, registry)
    with reading(index) as session:
        before = dump(session, [registry.registry_id])
    puzzle_hash = cat_puzzle_hash(held.token.asset_id, BOB.puzzle_hash)
    coin = await world.fund(BOB, 10**9)
    parked = [Program.to([51, puzzle_hash, 1000 * n, [BOB.puzzle_hash]]) for n in range(1, 50)]
    receipt = receipt_puzzle(delta_of(10), write_record({})).get_tree_hash()
    forged = Program.to([51, receipt, 0, [registry.registry_id]])
    await world.include(sign([BOB.spend(coin, [*parked, forged])], BOB))
    await catch_up(node, index)

    with reading(index) as session:
        assert dump(session, [registry.registry_id]) == before


async def test_wrapped_coin_that_carries_a_receipts_puzzle_is_a_holding_and_no_retirement(
    world: World, node: Node, index: Engine
) -> None:
    """An empty token coin around a receipt's puzzle: it looks like a receipt to who takes wrappers off."""
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    inner = PuzzleHash(bytes(receipt_puzzle(delta_of(50), write_record({})).get_tree_hash()))
    conditions = [payment(ALICE.puzzle_hash, Mojos(100_000)), Program.to([51, inner, 0])]
    await world.include(sign(cat_ring([held.spend(conditions)]), ALICE))
    await indexed(node, index, registry)

    assert found_burns(index) == []
    with reading(index) as session:
        assert supply(session).live == 100
        held_by = [each for each in holders(session, Filter()).items if isinstance(each, Holding)]
    assert [(each.holder, each.mojos) for each in held_by] == [(ALICE.puzzle_hash, 100_000), (inner, 0)]


async def test_coin_sent_to_an_impossible_holder_is_live_for_ever_and_nobodys(
    world: World, node: Node, index: Engine
) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    conditions = [payment(ALICE.puzzle_hash, Mojos(60_000)), Program.to([51, b"short", 40_000])]
    await world.include(sign(cat_ring([held.spend(conditions)]), ALICE))
    await indexed(node, index, registry)

    assert faults(index) == []
    with reading(index) as session:
        held_by = [each for each in holders(session, Filter()).items if isinstance(each, Holding)]
        assert supply(session).live == 100
    assert (UNSPENDABLE, 40_000) in [(each.holder, each.mojos) for each in held_by]


async def test_empty_coin_in_a_ring_carries_value_on(world: World, node: Node, index: Engine) -> None:
    """The value leaves by an empty coin of the ring: whoever follows only coins with value loses it."""
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    split = [payment(ALICE.puzzle_hash, Mojos(100_000)), payment(BOB.puzzle_hash, Mojos(0))]
    await world.include(sign(cat_ring([held.spend(split)]), ALICE))
    full, empty = held.child(ALICE, 100), held.child(BOB, 0)
    ring = cat_ring([full.spend([]), empty.spend([payment(BOB.puzzle_hash, Mojos(100_000))])])
    await world.include(sign(ring, ALICE, BOB))
    await indexed(node, index, registry)

    with reading(index) as session:
        (only,) = [each for each in holders(session, Filter()).items if isinstance(each, Holding)]
    assert (only.holder, only.mojos) == (BOB.puzzle_hash, 100_000)


async def test_delta_unrelated_to_the_coins_amount_retires_what_it_says(
    world: World, node: Node, index: Engine
) -> None:
    """An empty coin burns what another coin of the ring brings."""
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    split = [payment(ALICE.puzzle_hash, Mojos(100_000)), payment(ALICE.puzzle_hash, Mojos(0))]
    await world.include(sign(cat_ring([held.spend(split)]), ALICE))
    full, empty = held.child(ALICE, 100), held.child(ALICE, 0)
    record = write_record({"purpose": "voluntary"})
    tail = run_tail(held.token.tail, retire_solution(70, record))
    rest = payment(ALICE.puzzle_hash, Mojos(30_000))
    ring = cat_ring([full.spend([]), empty.spend([tail, rest], delta_of(70))])
    await world.include(sign(ring, ALICE))
    await indexed(node, index, registry)

    (burn,) = found_burns(index)
    assert (burn.unit_count, burn.coin_id) == (70, empty.coin_id)
    assert burn.unit_block is not None
    assert (burn.unit_block.first, burn.unit_block.last) == (1, 70)


async def test_of_two_tail_conditions_the_last_one_is_the_record(world: World, node: Node, index: Engine) -> None:
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    shown = run_tail(held.token.tail, retire_solution(100, write_record({"beneficiary_name": "First"})))
    meant = run_tail(held.token.tail, retire_solution(100, write_record({"beneficiary_name": "Last"})))
    await world.include(sign(cat_ring([held.spend([shown, meant], delta_of(100))]), ALICE))
    await indexed(node, index, registry)

    (burn,) = found_burns(index)
    assert burn.beneficiary == "Last"
    assert burn.is_sealed is False
    last = receipt_coin(held.coin_id, delta_of(100), write_record({"beneficiary_name": "Last"}))
    assert burn.receipt_id == bytes(last.name())


async def test_hostile_records_are_counted_bounded_flagged_and_shown_as_hex(
    world: World, node: Node, index: Engine
) -> None:
    deep = Program.to(b"x")
    for _ in range(300):
        deep = Program.to((deep, b""))
    records = [
        Program.to(b"just an atom"),
        Program.to([(b"beneficiary_name", b"\xff\xfe\x00")]),
        Program.to([(b"beneficiary_name", b"A"), (b"beneficiary_name", b"B")]),
        Program.to([(b"beneficiary_name", b"\x1b[2Jgone"), (b"other", [1, 2, 3])]),
        Program.to([(b"k%d" % n, b"v") for n in range(300)]),
        Program.to([(b"message", b"m" * 5000)]),
        deep,
    ]
    registry = await world.launch()
    (held,) = await registry.issue(unit_block(1, 100))
    rest = held
    for record in records:
        _, left = await world.retire(rest, 1, record)
        assert left is not None
        rest = left
    await indexed(node, index, registry)

    assert faults(index) == []
    found = found_burns(index)
    assert len(found) == len(records)
    assert [each.beneficiary for each in found] == [None] * len(records)
    assert all(each.record is not None and each.record["is_canonical"] is False for each in found)
    assert all(len(json.dumps(each.record)) < 300_000 for each in found)
    assert "\x1b" not in json.dumps([each.record for each in found], ensure_ascii=False)
    with reading(index) as session:
        assert supply(session).retired == len(records)


async def test_repeated_statement_is_marked_and_hostile_ones_stop_nothing(
    world: World, node: Node, index: Engine
) -> None:
    registry = await world.launch()
    same = Program.to([(b"kind", b"authorization")])
    await registry.say(same, Program.to(b"\xff"), Program.to([[[[]]]]), same)
    await registry.say(same)
    await indexed(node, index, registry)

    with reading(index) as session:
        said = [each for each in statements(session, Filter()).items if isinstance(each, Statement)]
    assert [each.is_repeat for each in said if each.fields["is_canonical"]] == [False, True, True]
    assert len(said) == 5
    assert faults(index) == []


async def test_registry_whose_fault_is_its_own_stops_no_other(world: World, node: Node, index: Engine) -> None:
    """A registry in trouble: its figures are refused, those of its neighbour are given."""
    sound, other = await world.launch("sound"), await world.launch("other")
    await sound.issue(unit_block(1, 100))
    await other.issue(unit_block(1, 100))
    await indexed(node, index, sound, other)
    with reading(index) as session:
        before = supply(session, sound.registry_id)
    with writing(index) as session:
        session.add(
            FaultRow(
                coin_id=b"\x01" * 32,
                registry_id=other.registry_id,
                is_of_books=False,
                reason="it does not read",
                height=world.chain.height,
            )
        )
    with reading(index) as session:
        assert supply(session, sound.registry_id) == before
        assert registry_of(session, other.registry_id).fault == "it does not read"
