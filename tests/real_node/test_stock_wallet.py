"""The official wallet signs: it receives units, sends, retires and asks for detokenization, and no key leaves it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from chia.wallet.util.tx_config import DEFAULT_TX_CONFIG
from chia.wallet.wallet_request_types import Addition, CATSpend, GetTransactions, LogIn
from chia_rs import SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint32, uint64

from chain.database import reading
from chain.errors import NodeDown, PushRefused
from chain.receipts import seal_for_free
from climate_wallet.certificate import certificate_of
from climate_wallet.errors import (
    KeyNotFound,
    NotEnoughFunds,
    NotEnoughUnits,
    StockWalletDown,
    UnitsScattered,
    UnknownToken,
    WalletLocked,
    WalletMismatch,
)
from climate_wallet.journal import Status, find
from climate_wallet.retire import issued_token
from climate_wallet.stock.burn import request_detokenization, retire
from climate_wallet.stock.raise_fee import raise_fee
from climate_wallet.stock.send import combine, send_units, send_xch
from climate_wallet.stock.views import balances, received
from climate_wallet.stock.wallet import StockWallet
from explorer.certificate import verify
from explorer.queries import token
from puzzles.certificate import read_certificate
from puzzles.retirement import receipt_coin, write_record
from puzzles.unit_block_tail import delta_of, retire_solution
from puzzles.units import AssetId, CoinId, Mojos, UnitBlock, units_to_mojos
from sim.errors import ProgramFailed
from sim.people import Person
from sim.programs import Actor, Daemon
from tests.real_node.ground import RealGround
from tests.real_node.node import RealNode
from tests.real_node.processes import free_ports
from tests.real_node.stock_market import Market, open_market
from tests.real_node.wallet import StockWallet as OfficialWallet
from tests.wallet.world import launch_registry

pytestmark = [pytest.mark.real_node, pytest.mark.asyncio(loop_scope="module")]

KEYS = ["abandon " * 11 + "about", "zoo " * 11 + "wrong"]
RECORD = {"beneficiary_name": "Druk Green", "beneficiary_id": "BT-77-1234"}
FEE = Mojos(50_000_000)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def market(real_node: RealNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Market]:
    home = tmp_path_factory.mktemp("stock-market")
    official = OfficialWallet.of_its_own(real_node, home, KEYS, adds_unknown_cats=False)
    official.start()
    try:
        async with open_market(real_node, official, home) as opened:
            yield opened
    finally:
        official.stop()


async def units_of(market: Market, asset_id: AssetId) -> tuple[int, int]:
    """Units confirmed and spendable, in mojos, as the official wallet's holder sees them."""
    found = await balances(market.wallet)
    (mine,) = [each for each in found.tokens if each.asset_id == asset_id]
    return int(mine.amounts.confirmed), int(mine.amounts.spendable)


async def burnt(market: Market, asset_id: AssetId) -> tuple[int, int]:
    """Units retired and detokenized, by the explorer's index."""
    with reading(await market.indexed()) as session:
        found = token(session, asset_id)
        return found.supply.retired, found.supply.detokenized


async def test_token_of_a_followed_registry_is_added_by_itself_and_no_strangers(market: Market) -> None:
    asset_id = market.token()
    ground = RealGround(real_node=market.real_node, node=market.node)
    stranger = await launch_registry(ground, "Registry of a stranger")
    block = UnitBlock(series="XX-FAKE-2021", first=1, last=1000)
    fake = await stranger.issue(block, await market.address())
    await market.block()
    found = await balances(market.wallet)
    assert asset_id in {each.asset_id for each in found.tokens}
    assert fake not in {each.asset_id for each in (*found.tokens, *found.unknown_tokens)}
    assert await units_of(market, asset_id) == (100_000, 100_000)
    assert (asset_id, 100_000) in [(each.asset_id, each.amount) for each in await received(market.wallet, limit=50)]
    with pytest.raises(UnknownToken, match="registry add"):
        await retire(market.wallet, fake, units_to_mojos(1), {})


async def test_retirement_is_sealed_certified_and_indexed_like_any_other(market: Market) -> None:
    asset_id = market.token()
    tx = await retire(market.wallet, asset_id, units_to_mojos(60), RECORD, private=["beneficiary_id"], fee=FEE)
    assert tx.status is Status.PENDING
    assert await units_of(market, asset_id) == (100_000, 0), "the official wallet knows that its coin is promised"
    await market.block()
    made = find(market.wallet.engine, tx.tx_id)
    assert made.status is Status.CONFIRMED
    assert await units_of(market, asset_id) == (40_000, 40_000)
    assert await burnt(market, asset_id) == (60, 0)
    certificate = certificate_of(market.wallet, tx.tx_id, disclosed=["beneficiary_id"])
    verdict = await verify(certificate, node=market.node, index=market.index)
    assert verdict.unit_count == 60
    assert verdict.disclosed == {"beneficiary_id": "BT-77-1234"}
    assert verdict.sealed_height == made.confirmed_height == verdict.retired_height
    assert b"BT-77-1234" not in bytes(made.bundle)


async def test_whole_coin_is_retired_with_the_fee_that_the_node_estimates(market: Market) -> None:
    asset_id = market.token()
    tx = await retire(market.wallet, asset_id, units_to_mojos(100), {})
    await market.block()
    assert find(market.wallet.engine, tx.tx_id).status is Status.CONFIRMED
    assert await burnt(market, asset_id) == (100, 0)


async def test_observer_of_the_mempool_can_change_nothing_of_a_retirement(market: Market) -> None:
    asset_id = market.token()
    tx = await retire(market.wallet, asset_id, units_to_mojos(60), RECORD, fee=FEE)
    whole = tx.bundle
    seal = next(spend for spend in whole.coin_spends if bytes(spend.coin.name()) == tx.marker)
    token_spend = next(
        spend for spend in whole.coin_spends if bytes(spend.coin.name()) == bytes(seal.coin.parent_coin_info)
    )
    payers = [spend for spend in whole.coin_spends if spend not in (seal, token_spend)]
    assert payers
    for kept in ([token_spend], [token_spend, *payers], payers, [seal, *payers]):
        with pytest.raises(PushRefused):
            await market.node.push(SpendBundle(kept, whole.aggregated_signature))
    await market.block()
    assert await burnt(market, asset_id) == (60, 0)


async def test_units_and_coins_are_sent_and_the_same_request_does_it_once(market: Market) -> None:
    asset_id = market.token()
    to = market.registry.officer.puzzle_hash
    first = await send_units(market.wallet, asset_id, units_to_mojos(30), to, fee=FEE, request_id="sale 1")
    again = await send_units(market.wallet, asset_id, units_to_mojos(30), to, fee=FEE, request_id="sale 1")
    assert again.tx_id == first.tx_id
    await market.block()
    assert await units_of(market, asset_id) == (70_000, 70_000)
    paid = await send_xch(market.wallet, Mojos(12_345), to, fee=FEE)
    await market.block()
    assert find(market.wallet.engine, paid.tx_id).status is Status.CONFIRMED
    assert paid.marker in await market.node.coins([paid.marker])


async def test_units_in_several_coins_are_combined_before_they_are_retired(market: Market) -> None:
    asset_id = market.token()
    for units in (30, 30):
        await send_units(market.wallet, asset_id, units_to_mojos(units), await market.wallet.address(), fee=Mojos(0))
        await market.block()
    await retire(market.wallet, asset_id, units_to_mojos(10), {}, fee=Mojos(0))
    await market.block()  # it leaves an empty coin behind
    with pytest.raises(UnitsScattered, match="combine"):
        await retire(market.wallet, asset_id, units_to_mojos(90), {})
    with pytest.raises(NotEnoughUnits):
        await retire(market.wallet, asset_id, units_to_mojos(91), {})
    made = await combine(market.wallet, asset_id, units_to_mojos(90), fee=FEE)
    assert made.details["coin_count"] in {3, 4}, "the empty coin as well, if the official wallet has found it by then"
    await market.block()
    tx = await retire(market.wallet, asset_id, units_to_mojos(90), {}, fee=Mojos(0))
    await market.block()
    assert find(market.wallet.engine, tx.tx_id).status is Status.CONFIRMED
    assert await burnt(market, asset_id) == (100, 0)


async def test_registry_takes_back_what_the_official_wallet_signed_for(market: Market) -> None:
    asset_id = market.token()
    request = await request_detokenization(market.wallet, asset_id, units_to_mojos(40))
    assert (request.units, request.delta) == (40, -40_000)
    assert await units_of(market, asset_id) == (100_000, 100_000), "a request locks nothing"
    with pytest.raises(PushRefused):
        await market.node.push(request.bundle)
    await market.grant(request)
    await market.seen()
    assert await units_of(market, asset_id) == (60_000, 60_000)
    assert await burnt(market, asset_id) == (0, 40)


async def test_retirement_by_the_raw_rpc_is_indexed_open_and_can_be_sealed(market: Market) -> None:
    asset_id = market.token()
    with reading(await market.indexed()) as session:
        info = token(session, asset_id)
    assert info.supply.issued == 100
    tail = issued_token(market.wallet.engine, asset_id).token.tail
    number = (await market.wallet.tokens())[asset_id]
    (coin,) = await market.wallet.spendable(number)
    record = write_record({"beneficiary_name": "by hand"})
    async with market.official.rpc() as client:
        own = Addition(amount=uint64(0), puzzle_hash=bytes32(await market.address()))
        await client.cat_spend(
            CATSpend(
                wallet_id=uint32(number),
                additions=[own],
                coins=[coin],
                extra_delta=str(delta_of(25)),
                tail_reveal=bytes(tail),
                tail_solution=bytes(retire_solution(25, record)),
                push=True,
            ),
            DEFAULT_TX_CONFIG,
        )
    await market.block(2)
    assert await burnt(market, asset_id) == (25, 0)
    receipt = CoinId(bytes(receipt_coin(CoinId(bytes(coin.name())), delta_of(25), record).name()))
    assert (await market.node.coins([receipt]))[receipt].spent_height is None
    assert (await seal_for_free(market.node, [receipt])).waiting == (receipt,)
    await market.block()
    assert (await market.node.coins([receipt]))[receipt].spent_height is not None
    assert await burnt(market, asset_id) == (25, 0)


async def test_refused_transaction_locks_no_coin(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    asset_id = market.token()

    async def refuse(bundle: SpendBundle) -> bytes:
        raise PushRefused("INVALID_FEE_LOW_FEE", "the node refuses it")

    with monkeypatch.context() as patched:
        patched.setattr(market.node, "push", refuse)
        with pytest.raises(PushRefused):
            await retire(market.wallet, asset_id, units_to_mojos(60), {}, fee=Mojos(0))
    assert await units_of(market, asset_id) == (100_000, 100_000)
    async with market.official.rpc() as client:
        number = uint32((await market.wallet.tokens())[asset_id])
        assert (await client.get_transactions(GetTransactions(wallet_id=number, confirmed=False))).transactions == []
    await retire(market.wallet, asset_id, units_to_mojos(60), {}, fee=Mojos(0))
    await market.block()
    assert await burnt(market, asset_id) == (60, 0)


async def test_what_was_journalled_before_a_crash_is_pushed_after_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = market.token()

    async def silent(bundle: SpendBundle) -> bytes:
        raise NodeDown("the node does not answer")

    async def untold(*_: Any, **__: Any) -> None:
        """The program ends before the official wallet hears of it."""

    with monkeypatch.context() as patched:
        patched.setattr(market.node, "push", silent)
        patched.setattr("climate_wallet.stock.build.tell", untold)
        tx = await retire(market.wallet, asset_id, units_to_mojos(60), RECORD, private=["beneficiary_id"], fee=FEE)
    assert await market.node.mempool_item(tx.tx_id) is None
    after = market.opened_again()
    await after.round()
    assert await market.node.mempool_item(tx.tx_id) is not None
    with pytest.raises(UnknownToken):  # its only coin is promised, whatever the official wallet thinks
        await retire(after, asset_id, units_to_mojos(1), {}, fee=Mojos(0))
    await market.block()
    assert find(after.engine, tx.tx_id).status is Status.CONFIRMED
    assert certificate_of(after, tx.tx_id, disclosed=["beneficiary_id"]).disclosed[0].value == "BT-77-1234"


async def test_nothing_is_pushed_when_another_program_switches_the_key(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    asset_id = market.token()
    build_it = market.rpc.cat_spend

    async def switched(*args: Any, **more: Any) -> Any:
        made = await build_it(*args, **more)
        await market.rpc.log_in(LogIn(fingerprint=uint32(market.other_fingerprint)))
        return made

    with monkeypatch.context() as patched:
        patched.setattr(market.rpc, "cat_spend", switched)
        with pytest.raises(WalletMismatch, match=str(market.other_fingerprint)):
            await retire(market.wallet, asset_id, units_to_mojos(60), {}, fee=Mojos(0))
    state = await market.wallet.round()
    assert not state.is_synced
    async with market.official.rpc() as client:
        now = (await client.get_logged_in_fingerprint()).fingerprint
    assert now == market.other_fingerprint, "looking does not take the key from another program"
    await market.seen()
    assert await units_of(market, asset_id) == (100_000, 100_000)


async def test_fee_of_a_waiting_retirement_is_raised(market: Market) -> None:
    asset_id = market.token()
    tx = await retire(market.wallet, asset_id, units_to_mojos(60), RECORD, fee=Mojos(0))
    raised = await raise_fee(market.wallet, tx.tx_id, Mojos(200_000_000))
    assert raised.tx_id != tx.tx_id
    assert await market.node.mempool_item(raised.tx_id) is not None
    await market.block()
    assert find(market.wallet.engine, raised.tx_id).status is Status.CONFIRMED
    assert await burnt(market, asset_id) == (60, 0)


def wait_for(daemon: Daemon) -> None:
    """Wait until the daemon listens, on a machine that is busy with other tests as well."""
    for _ in range(4):
        try:
            return daemon.ready("listens on")
        except ProgramFailed:
            if daemon.process.poll() is not None:
                raise
    raise AssertionError("the daemon does not listen")


async def test_buyer_works_from_the_command_line(market: Market) -> None:
    asset_id = market.token()
    token_id, home = f"0x{asset_id.hex()}", market.home / "buyer"
    home.mkdir()
    environment = {
        **market.real_node.environment,
        "CARBON_WALLET_SIGNER": "chia",
        "CARBON_WALLET_SIGNER_ROOT": str(market.official.home.chia_root),
        "CARBON_WALLET_FINGERPRINT": str(market.wallet.fingerprint),
        "CARBON_WALLET_HOME": str(home),
        "CARBON_WALLET_PORT": str(free_ports(1)[0]),
        "CARBON_WALLET_POLL_SECONDS": "0.5",
    }
    buyer = Actor(name="buyer", environment=environment)

    def ask(*arguments: str) -> Any:
        return buyer.ask("climate-wallet", *arguments)

    daemon = buyer.start("climate-wallet", "start", log=home / "daemon.log")
    try:
        wait_for(daemon)
        ask("registry", "add", f"0x{bytes(market.registry.id).hex()}")
        status = ask("status")
        assert (status["signer"], status["fingerprint"]) == ("chia", market.wallet.fingerprint)
        looked = {each["check"]: each["verdict"] for each in ask("doctor")["checks"]}
        assert looked["official wallet"] == looked["key"] == "ok"
        own = ask("address")["address"]
        with market.real_node.farming():
            ask("send", "50", "--token", token_id, "--to", own, "--fee-mojos", "1000000", "--wait")
            answer = buyer.run("climate-wallet", "retire", "60", "--token", token_id, "--fee-mojos", "0")
            assert answer.exit_code != 0
            assert "combine" in answer.refusal
            private = ("--private", "beneficiary_id=BT-77", "--fee-mojos", "1000000")
            made = ask("retire", "60", "--token", token_id, *private, "--combine", "--wait")
        assert made["status"] == "confirmed"
        assert await burnt(market, asset_id) == (60, 0)
        (mine,) = [each for each in ask("balances")["tokens"] if each["asset_id"] == token_id]
        assert mine["units"] == 40
        written = home / "certificate.json"
        ask("certificate", made["tx_id"], "--disclose", "beneficiary_id", "--output", str(written))
        verdict = await verify(read_certificate(written.read_bytes()), node=market.node)
        assert verdict.disclosed == {"beneficiary_id": "BT-77"}
        assert [each["kind"] for each in ask("history")["transactions"]] == ["retire", "combine", "send"]
        half = ask("detokenize-request", "40", "--token", token_id)
        assert half["kind"] == "detokenization_request"
        for refused in (("lock",), ("offer", "make", "--give", f"1 units of {token_id}", "--want", "1 XCH")):
            assert "official wallet keeps the keys" in buyer.run("climate-wallet", *refused).refusal
        assert buyer.run("climate-wallet", "--signer", "keys", "balances").exit_code != 0
    finally:
        daemon.stop()


def watch_only(market: Market, public_key: bytes) -> None:
    """Give the official wallet a key without its private half."""
    adding = f"from chia.util.keychain import Keychain; Keychain().add_key('{public_key.hex()}', private=False)"
    environment = market.official.home.environment
    subprocess.run([sys.executable, "-c", adding], env=environment, check=True, timeout=60)
    market.official.restart()


async def test_key_that_the_official_wallet_only_watches_cannot_sign(market: Market) -> None:
    watched = Person("somebody who is watched").secret_key.get_g1()
    watch_only(market, bytes(watched))
    wallet = StockWallet(
        node=market.node,
        network=market.wallet.network,
        engine=market.opened_again().engine,
        rpc=market.rpc,
        fingerprint=watched.get_fingerprint(),
    )
    await wallet.log_in()
    await market.real_node.fund(await wallet.address(), Mojos(1_000_000_000))
    async with market.official.rpc() as client:
        await market.official.synced(client)
    with pytest.raises(WalletLocked, match="only watches"):
        await send_xch(wallet, Mojos(5), market.registry.officer.puzzle_hash, fee=Mojos(0))
    await market.seen()


async def test_more_than_there_is_cannot_be_paid(market: Market) -> None:
    asset_id = market.token()
    with pytest.raises(NotEnoughFunds):
        await retire(market.wallet, asset_id, units_to_mojos(1), {}, fee=Mojos(10**15))
    with pytest.raises(NotEnoughFunds):
        await send_xch(market.wallet, Mojos(10**15), bytes(32), fee=Mojos(0))  # type: ignore[arg-type]
    with pytest.raises(NotEnoughUnits):
        await send_units(market.wallet, asset_id, units_to_mojos(101), market.registry.officer.puzzle_hash)


async def test_key_that_is_not_there_and_a_wallet_that_is_down_are_told_in_a_sentence(market: Market) -> None:
    absent = StockWallet(
        node=market.node, network=market.wallet.network, engine=market.wallet.engine, rpc=market.rpc, fingerprint=12345
    )
    with pytest.raises(KeyNotFound, match=str(market.wallet.fingerprint)):
        await absent.log_in()
    market.official.stop()
    try:
        with pytest.raises(StockWalletDown, match="no official wallet answers"):
            await balances(market.wallet)
    finally:
        market.official.start()
    await market.seen()
    assert (await balances(market.wallet)).xch.confirmed > 0
