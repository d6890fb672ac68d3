"""The official wallet signs: what it is asked, what is believed of its answers, and what is told of its refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from chia.wallet.wallet_request_types import SendTransaction
from chia_rs import SpendBundle

from chain.database import open_database
from chain.errors import ChainError, PushRefused, SettingsError, WrongCertificates, WrongNetwork
from chain.fees import FeeSettings
from chain.network import MAINNET, SIMULATOR0
from chain.settings import NodeSettings, load_settings
from climate_wallet.book import bind_elsewhere, bound_elsewhere, open_book
from climate_wallet.certificate import certificate_of
from climate_wallet.errors import (
    BuildError,
    HeldElsewhere,
    KeyNotFound,
    NotEnoughUnits,
    StockWalletMalformed,
    StockWalletRefused,
    UnitsScattered,
    UnknownToken,
    WalletError,
    WalletLocked,
    WalletMismatch,
    WalletNotSynced,
)
from climate_wallet.journal import Status, find, forget, newest
from climate_wallet.registries import add_registry
from climate_wallet.settings import WalletSettings
from climate_wallet.spends import Payment, pay_xch
from climate_wallet.stock.burn import request_detokenization, retire
from climate_wallet.stock.connection import FORBIDDEN, opened_stock
from climate_wallet.stock.send import combine, send_units, send_xch
from climate_wallet.stock.service import open_stock_service
from climate_wallet.stock.settings import SignerSettings
from climate_wallet.stock.views import balances
from climate_wallet.stock.wallet import StockWallet
from climate_wallet.store import MIGRATIONS
from puzzles.errors import RecordError
from puzzles.units import AssetId, Mojos, UnitBlock, units_to_mojos
from tests.wallet.official import OURS, THEIRS, Json, Official, serving_official
from tests.wallet.world import XCH, Person, Registry, World

BLOCK = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
BOB = Person("bob").puzzle_hash
FREE = Mojos(0)


def always(answer: Any) -> Callable[[Json], Any]:
    """The same answer to whatever is asked."""
    return lambda _: answer


@dataclass(kw_only=True)
class Desk:
    """Our wallet on top of an official one that holds 100 units in one coin, and XCH."""

    world: World
    official: Official
    wallet: StockWallet
    asset_id: AssetId

    async def block(self) -> None:
        await self.world.chain.farm()
        await self.wallet.round()


@pytest.fixture
async def desk(world: World, registry: Registry, tmp_path: Path) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        signer = await world.wallet("alice")
        asset_id = await registry.issue(BLOCK, signer.current_address().puzzle_hash)
        for _ in range(2):
            await world.fund(signer.current_address().puzzle_hash, XCH)
        await signer.catch_up()
        official = Official(signer=signer, strays=[asset_id])
        rpc = await stack.enter_async_context(serving_official(official))
        engine = open_database(f"sqlite:///{tmp_path}/stock.sqlite", MIGRATIONS)
        stack.callback(engine.dispose)
        await add_registry(world.node, engine, registry.coin.registry)
        wallet = StockWallet(
            node=world.node, network=SIMULATOR0, engine=engine, rpc=rpc, fingerprint=OURS, patience=0.2
        )
        await wallet.round()
        yield Desk(world=world, official=official, wallet=wallet, asset_id=asset_id)


async def test_holder_retires_through_the_official_wallet_and_no_secret_is_asked_for(desk: Desk) -> None:
    record = {"beneficiary_name": "Druk Green", "beneficiary_id": "BT-1"}
    tx = await retire(desk.wallet, desk.asset_id, units_to_mojos(60), record, private=["beneficiary_id"], fee=Mojos(9))
    assert desk.official.waiting[0].name == tx.tx_id, "the official wallet is told of the sealed transaction"
    await desk.block()
    assert find(desk.wallet.engine, tx.tx_id).status is Status.CONFIRMED
    certificate = certificate_of(desk.wallet, tx.tx_id, disclosed=["beneficiary_id"])
    assert (certificate.unit_count, certificate.disclosed[0].value) == (60, "BT-1")
    (held,) = (await balances(desk.wallet)).tokens
    assert held.amounts.confirmed == 40_000
    assert not FORBIDDEN & set(desk.official.asked)


async def test_salts_of_two_retirements_of_one_beneficiary_differ(desk: Desk) -> None:
    private = {"beneficiary_id": "BT-1"}
    salts = []
    for _ in range(2):
        tx = await retire(desk.wallet, desk.asset_id, units_to_mojos(1), private, private=private, fee=FREE)
        await desk.block()
        salts.append(tx.details["private"])
    assert salts[0] != salts[1]


async def test_stray_token_of_a_followed_registry_is_added_and_a_strangers_is_not(desk: Desk) -> None:
    fake = AssetId(b"\x07" * 32)
    desk.official.strays.append(fake)
    await desk.wallet.round()
    assert desk.official.assets == [desk.asset_id]
    with pytest.raises(UnknownToken, match="registry add"):
        await retire(desk.wallet, fake, units_to_mojos(1), {})
    with pytest.raises(UnknownToken):
        await send_units(desk.wallet, fake, units_to_mojos(1), BOB)


async def test_scattered_units_are_combined_first(desk: Desk) -> None:
    own = desk.official.signer.book.all()[0].puzzle_hash
    await send_units(desk.wallet, desk.asset_id, units_to_mojos(50), own, fee=FREE)
    await desk.block()
    with pytest.raises(UnitsScattered, match="climate-wallet combine"):
        await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
    with pytest.raises(UnitsScattered):
        await request_detokenization(desk.wallet, desk.asset_id, units_to_mojos(60))
    with pytest.raises(NotEnoughUnits):
        await retire(desk.wallet, desk.asset_id, units_to_mojos(101), {}, fee=FREE)
    asked: list[Json] = []

    def combined(body: Json) -> Any:
        asked.append(body)
        raise ValueError("seen enough")

    desk.official.answers["combine_coins"] = combined
    with pytest.raises(StockWalletRefused, match="seen enough"):
        await combine(desk.wallet, desk.asset_id, units_to_mojos(60), fee=FREE)
    assert asked[0]["number_of_coins"] == len(asked[0]["target_coin_ids"]) == 2
    assert asked[0]["push"] is False


async def test_half_of_a_detokenization_is_signed_and_locks_nothing(desk: Desk) -> None:
    request = await request_detokenization(desk.wallet, desk.asset_id, units_to_mojos(40))
    assert (request.units, request.delta, len(request.bundle.coin_spends)) == (40, -40_000, 1)
    assert newest(desk.wallet.engine, limit=5) == []
    assert "push_transactions" not in desk.official.asked


# ---- an official wallet that lies


LIES: dict[str, Callable[[Json], Json]] = {
    "another amount": lambda body: {**body, "extra_delta": "-70000"},
    "no burn at all": lambda body: {**body, "extra_delta": None, "tail_reveal": None, "tail_solution": None},
    "a higher fee": lambda body: {**body, "fee": 10_000_000},
}


@pytest.mark.parametrize("lie", sorted(LIES))
async def test_transaction_that_is_not_what_was_asked_is_thrown_away(desk: Desk, lie: str) -> None:
    honest = desk.official.cat_spend

    async def lying(body: Json) -> Json:
        return await honest(LIES[lie](body))

    desk.official.cat_spend = lying  # type: ignore[method-assign]
    with pytest.raises((BuildError, StockWalletMalformed, StockWalletRefused)):
        await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=Mojos(9))
    assert newest(desk.wallet.engine, limit=5) == []
    assert "push_transactions" not in desk.official.asked


async def test_payment_to_somebody_else_is_thrown_away(desk: Desk) -> None:
    honest = desk.official.cat_spend
    carol = SIMULATOR0.encode_address(Person("carol").puzzle_hash)

    async def lying(body: Json) -> Json:
        return await honest({**body, "inner_address": carol})

    desk.official.cat_spend = lying  # type: ignore[method-assign]
    with pytest.raises(BuildError, match="nothing was pushed"):
        await send_units(desk.wallet, desk.asset_id, units_to_mojos(60), BOB, fee=FREE)
    assert newest(desk.wallet.engine, limit=5) == []


async def test_payment_out_of_a_coin_that_our_journal_has_promised_is_thrown_away(desk: Desk) -> None:
    official = desk.official
    first_coin = official.coins_of(1)[:1]

    async def stubborn(body: Json) -> Json:
        asked = SendTransaction.from_json_dict(body)
        to = Payment(puzzle_hash=SIMULATOR0.decode_address(asked.address), amount=Mojos(asked.amount))
        spends = pay_xch(first_coin, [to], fee=FREE, change_to=official.signer.book.all()[1].puzzle_hash)
        return official.signed(1, spends, first_coin, 0, body)

    official.send_transaction = stubborn  # type: ignore[method-assign]
    first = await send_xch(desk.wallet, Mojos(5), BOB, fee=FREE)
    with pytest.raises(BuildError, match="not asked to"):
        await send_xch(desk.wallet, Mojos(6), BOB, fee=FREE)
    assert [tx.tx_id for tx in newest(desk.wallet.engine, limit=5)] == [first.tx_id]


NONSENSE: list[Any] = [
    {},
    {"transactions": []},
    {"transactions": "none"},
    {"transactions": [{"spend_bundle": 7}]},
    {"wallets": None, "fingerprint": "x", "synced": "maybe", "height": None, "address": 5, "stray_cats": 1},
    {"fingerprint": -1, "confirmed_records": [{"coin": {}}], "network_name": ["simulator0"]},
]


async def test_nonsense_is_one_of_our_errors_and_nothing_is_pushed(desk: Desk) -> None:
    for question in (
        "get_network_info",
        "get_logged_in_fingerprint",
        "get_sync_status",
        "get_height_info",
        "get_wallets",
        "get_spendable_coins",
        "get_next_address",
        "cat_spend",
    ):
        for nonsense in NONSENSE:
            desk.official.answers = {question: always(nonsense)}
            with pytest.raises((WalletError, ChainError)) as caught:
                await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
            assert "Traceback" not in str(caught.value)
    assert newest(desk.wallet.engine, limit=5) == []
    assert "push_transactions" not in desk.official.asked


async def test_answer_that_is_none_is_told_in_a_sentence(desk: Desk) -> None:
    for body in (b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}'):
        desk.official.answers["get_wallets"] = always(web.Response(body=body, content_type="application/json"))
        with pytest.raises(StockWalletMalformed):
            await balances(desk.wallet)


async def test_what_is_no_official_wallet_is_told_in_a_sentence(desk: Desk) -> None:
    desk.official.answers["get_network_info"] = lambda _: web.Response(status=404)
    with pytest.raises(StockWalletMalformed, match="HTTP status 404"):
        await balances(desk.wallet)


# ---- an official wallet that refuses


REFUSALS: dict[str, type[Exception]] = {
    "Wallet is not connected to any synced peers.": WalletNotSynced,
    "Wallet needs to be fully synced before making transactions.": WalletNotSynced,
    "Wallet is currently in observer mode and access to private key is denied": WalletLocked,
    "No pubkey found (or path hinted to) for fingerprint 7": WalletLocked,
    "keyring is locked": WalletLocked,
    "Can't select amount higher than our spendable balance.": StockWalletRefused,
    "": StockWalletRefused,
}


async def test_refusal_is_told_in_one_sentence_without_its_traceback(desk: Desk) -> None:
    for reason, kind in REFUSALS.items():

        def refuse(_: Json, reason: str = reason) -> Any:
            raise ValueError(reason)

        desk.official.answers["cat_spend"] = refuse
        with pytest.raises(kind) as caught:
            await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
        assert "secret.py" not in str(caught.value)
    assert newest(desk.wallet.engine, limit=5) == []


async def test_wallet_behind_the_node_is_waited_for_and_then_told(desk: Desk) -> None:
    desk.official.answers["get_height_info"] = lambda _: {"height": 1, "latest_timestamp": 1}
    with pytest.raises(WalletNotSynced, match="up to block 1"):
        await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)


async def test_wallet_of_another_network_is_refused(desk: Desk) -> None:
    desk.official.answers["get_network_info"] = lambda _: {"network_name": "mainnet", "network_prefix": "xch"}
    with pytest.raises(WrongNetwork, match="mainnet"):
        await balances(desk.wallet)


async def test_locked_keychain_and_absent_key_are_told(desk: Desk) -> None:
    desk.official.fingerprint = THEIRS
    desk.official.is_locked = True
    with pytest.raises(WalletLocked, match="unlock it there"):
        await balances(desk.wallet)
    desk.official.is_locked, desk.official.keys = False, (THEIRS,)
    with pytest.raises(KeyNotFound, match=str(THEIRS)):
        await balances(desk.wallet)
    assert desk.official.fingerprint == THEIRS


async def test_looking_does_not_switch_the_key_and_a_command_does(desk: Desk) -> None:
    desk.official.fingerprint = THEIRS
    state = await desk.wallet.round()
    assert not state.is_synced
    assert desk.official.fingerprint == THEIRS
    await balances(desk.wallet)
    assert desk.official.fingerprint == OURS


async def test_key_that_is_switched_while_it_builds_pushes_nothing(desk: Desk) -> None:
    honest = desk.official.cat_spend

    async def switched(body: Json) -> Json:
        made = await honest(body)
        desk.official.fingerprint = THEIRS
        return made

    desk.official.cat_spend = switched  # type: ignore[method-assign]
    with pytest.raises(WalletMismatch, match="another program"):
        await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
    assert newest(desk.wallet.engine, limit=5) == []


# ---- what was dropped, and what cannot be


async def test_dropped_transaction_is_forgotten_there_unless_others_wait_beside_it(desk: Desk) -> None:
    tx = await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
    theirs = desk.official.waiting[0]
    forget(desk.wallet.engine, tx, "its coin was spent by another transaction")
    await desk.wallet.round()
    assert desk.official.waiting == []
    again = desk.wallet.__class__(
        node=desk.wallet.node, network=SIMULATOR0, engine=desk.wallet.engine, rpc=desk.wallet.rpc, fingerprint=OURS
    )
    stranger = type(theirs).from_json_dict({**theirs.to_json_dict(), "removals": []})
    desk.official.waiting = [theirs, stranger]
    await again.round()
    assert desk.official.waiting == [theirs, stranger], "what the holder has pending there stays"


async def test_refused_push_leaves_nothing_behind(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: SpendBundle) -> bytes:
        raise PushRefused("INVALID_FEE_LOW_FEE", "the node refuses it")

    with monkeypatch.context() as patched:
        patched.setattr(desk.world.node, "push", refuse)
        with pytest.raises(PushRefused):
            await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
    assert "push_transactions" not in desk.official.asked
    tx = await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
    assert tx.status is Status.PENDING


async def test_official_wallet_that_cannot_be_told_costs_nothing(desk: Desk) -> None:
    def refuse(_: Json) -> Any:
        raise ValueError("no")

    desk.official.answers["push_transactions"] = refuse
    tx = await retire(desk.wallet, desk.asset_id, units_to_mojos(60), {}, fee=FREE)
    with pytest.raises(UnknownToken):  # its coin is promised, whatever the official wallet thinks
        await retire(desk.wallet, desk.asset_id, units_to_mojos(1), {}, fee=FREE)
    await desk.block()
    assert find(desk.wallet.engine, tx.tx_id).status is Status.CONFIRMED


async def test_record_that_is_too_long_or_strange_never_reaches_the_official_wallet(desk: Desk) -> None:
    before = list(desk.official.asked)
    for record in ({"no_such_key": "x"}, {"beneficiary_name": "x" * 1_000_000}):
        with pytest.raises(RecordError):
            await retire(desk.wallet, desk.asset_id, units_to_mojos(1), record, fee=FREE)
    assert "cat_spend" not in desk.official.asked[len(before) :]


# ---- the store, the settings and the service


def test_store_belongs_to_one_signer_and_one_key(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path}/bound.sqlite", MIGRATIONS)
    try:
        assert bound_elsewhere(engine, SIMULATOR0, OURS) is None
        bind_elsewhere(engine, SIMULATOR0, OURS)
        assert bound_elsewhere(engine, SIMULATOR0, None) == OURS
        with pytest.raises(WalletMismatch, match=str(THEIRS)):
            bound_elsewhere(engine, SIMULATOR0, THEIRS)
        with pytest.raises(WalletMismatch, match="simulator0"):
            bound_elsewhere(engine, MAINNET, OURS)
        with pytest.raises(WalletMismatch, match="--signer chia"):
            open_book(engine, SIMULATOR0)
    finally:
        engine.dispose()


async def test_store_of_our_own_keys_is_not_taken_for_the_official_wallets(world: World) -> None:
    alice = await world.wallet("alice")
    with pytest.raises(WalletMismatch, match="without --signer chia"):
        bound_elsewhere(alice.engine, SIMULATOR0, alice.book.fingerprint)


async def test_daemon_serves_the_only_key_and_refuses_what_needs_keys_of_ours(desk: Desk, tmp_path: Path) -> None:
    settings = load_settings(WalletSettings, home=tmp_path / "home", poll_seconds=60)
    common = {"settings": settings, "fees": FeeSettings(), "node": desk.world.node, "rpc": desk.wallet.rpc}
    with pytest.raises(KeyNotFound, match="2 keys"):
        async with open_stock_service(signer=SignerSettings(kind="chia"), **common):  # type: ignore[arg-type]
            pass
    desk.official.keys = (OURS,)
    async with open_stock_service(signer=SignerSettings(kind="chia"), **common) as service:  # type: ignore[arg-type]
        state = service.state()
        assert (state.signer, state.fingerprint, state.is_locked) == ("chia", OURS, False)
        for refused in (lambda: service.unlock(""), service.lock, lambda: service.wallet):
            with pytest.raises(HeldElsewhere):
                refused()
        found = await service.holder.balances()
        assert [each.asset_id for each in found.unknown_tokens] == [desk.asset_id], "its registry is not followed here"


async def test_settings_that_lead_nowhere_are_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="always encrypted"):
        load_settings(SignerSettings, url="http://127.0.0.1:9256")
    node = NodeSettings(network="simulator0")
    with pytest.raises(WrongCertificates, match="CARBON_WALLET_SIGNER_ROOT"):
        async with opened_stock(SignerSettings(chia_root=tmp_path), node):
            pass
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("self_hostname: localhost\n")
    with pytest.raises(SettingsError, match="CARBON_WALLET_SIGNER_URL"):
        async with opened_stock(SignerSettings(chia_root=tmp_path), node):
            pass
