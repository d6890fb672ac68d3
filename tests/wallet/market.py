"""A market for tests of offers: a seller who holds units of two blocks, and a buyer who holds XCH."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia.util.bech32m import bech32_decode, bech32_encode, convertbits
from chia.wallet.util.puzzle_compression import compress_object_with_puzzles, decompress_object_with_puzzles
from chia_rs import CoinSpend, G2Element, SpendBundle

from chain.network import SIMULATOR0, Network
from climate_wallet.coins import amounts
from climate_wallet.journal import Status, Transaction, find
from climate_wallet.offer import Asked, write_offer
from climate_wallet.offer_amounts import Amounts
from climate_wallet.offer_make import make_offer
from climate_wallet.offer_sides import build_side, choose, payments_to_us
from climate_wallet.offer_take import take_offer
from climate_wallet.spends import OwnCoin, sign
from climate_wallet.wallet import Wallet
from puzzles.units import AssetId, Mojos, UnitBlock, units_to_mojos
from tests.wallet.world import XCH, Registry, World

HUNDRED = UnitBlock(series="BT-CDM2746-2019", first=1, last=100)
FIFTY = UnitBlock(series="BT-CDM2746-2020", first=1, last=50)
FREE = Mojos(0)


@dataclass(kw_only=True)
class Market:
    """Alice sells units, Bob buys them for XCH, and all of them follow the registry."""

    world: World
    registry: Registry
    alice: Wallet
    bob: Wallet
    asset: AssetId
    other_asset: AssetId

    async def sell(self, units: int = 40, xch: int = XCH) -> str:
        """Alice's offer of units for mojos of XCH."""
        made = await make_offer(self.alice, {self.asset: units_to_mojos(units)}, {None: Mojos(xch)})
        return made.text

    async def sell_other(self, mojos: int) -> str:
        """Alice's offer of her other units."""
        made = await make_offer(self.alice, {self.other_asset: units_to_mojos(50)}, {None: Mojos(mojos)})
        return made.text

    async def buy(self, text: str, who: Wallet | None = None, *, at_most: int = 10 * XCH) -> Transaction:
        """Bob takes that offer."""
        return await take_offer(who or self.bob, text, at_most={None: Mojos(at_most)}, fee=FREE)

    async def block(self) -> None:
        """A block, which both see."""
        await self.world.chain.farm()
        await self.alice.catch_up()
        await self.bob.catch_up()


async def open_market(world: World) -> Market:
    """Alice with 100 units of one block and 50 of another, Bob with 3 XCH in one coin."""
    registry = await world.registry()
    alice = await world.wallet("alice", registries=[registry])
    bob = await world.wallet("bob", registries=[registry])
    to = alice.current_address().puzzle_hash
    asset, other_asset = await registry.issue_all([(HUNDRED, to), (FIFTY, to)])
    await world.fund(bob.current_address().puzzle_hash, 3 * XCH)
    await alice.catch_up()
    await bob.catch_up()
    return Market(world=world, registry=registry, alice=alice, bob=bob, asset=asset, other_asset=other_asset)


def units(wallet: Wallet, asset_id: AssetId) -> float:
    """Confirmed units; a fraction if mojos are left over."""
    found = amounts(wallet.engine).get(asset_id)
    return 0 if found is None else found.confirmed / 1000


def xch(wallet: Wallet) -> int:
    """Confirmed mojos of XCH."""
    found = amounts(wallet.engine).get(None)
    return 0 if found is None else int(found.confirmed)


def status(wallet: Wallet, tx: Transaction) -> Status:
    """Where a transaction of that wallet stands by now."""
    return find(wallet.engine, tx.tx_id).status


@dataclass(kw_only=True)
class Forged:
    """An offer by hand: what an honest wallet would sign, with something else in it."""

    spends: list[CoinSpend]
    coins: list[OwnCoin]
    asked: list[Asked]
    signature: G2Element | None = None

    def text(self, wallet: Wallet, network: Network = SIMULATOR0) -> str:
        """The offer, signed with that wallet's keys unless a signature was given."""
        assert wallet.keys is not None
        signature = self.signature
        if signature is None:
            signature = sign(self.spends, self.coins, wallet.keys, network).aggregated_signature
        return write_offer(self.spends, signature, self.asked)


async def forge(wallet: Wallet, given: Amounts, wanted: Amounts, extra: Sequence[Program] = ()) -> Forged:
    """That wallet's offer before it is signed, its lead with further conditions."""
    chosen = await choose(wallet, given, FREE)
    to = wallet.current_address().puzzle_hash
    asked = payments_to_us(wanted, chosen.coins, to)
    side = build_side(chosen, given, asked, fee=FREE, change_to=to, extra=extra)
    return Forged(spends=list(side.spends), coins=chosen.coins, asked=list(asked))


def reread(text: str) -> SpendBundle:
    """The bundle inside an offer's text, stand-ins and all."""
    _, data = bech32_decode(text, max_length=len(text))
    assert data is not None
    return SpendBundle.from_bytes(decompress_object_with_puzzles(bytes(convertbits(data, 5, 8, False))))


def encoded(data: bytes, *, version: int = 6, prefix: str = "offer") -> str:
    """Any bytes, compressed and written as an offer is."""
    packed = compress_object_with_puzzles(data, version)
    return bech32_encode(prefix, convertbits(list(packed), 8, 5))
