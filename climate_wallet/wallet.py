"""One wallet at work: its node, its store, its keys while unlocked; what every verb of the wallet is
handed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from chia_rs import CoinSpend, SpendBundle
from sqlalchemy import Engine

from chain.fees import FeeSettings, fee_for
from chain.network import Network
from chain.node import Node
from climate_wallet.addresses import Address, PrivateKeys
from climate_wallet.book import AddressBook
from climate_wallet.coins import purse
from climate_wallet.errors import BuildError, UnknownToken, WalletLocked, WalletNotSynced
from climate_wallet.journal import Draft, Transaction, write_and_push
from climate_wallet.selection import choose_token, choose_xch
from climate_wallet.spends import NOTHING, Checked, OwnCoin, check, pay_xch, sign
from climate_wallet.sync import Syncer, SyncState
from puzzles.units import AssetId, CoinId, Height, Mojos, PuzzleHash

FEE_SPEND_COST = 12_000_000
"""CLVM cost of one coin that pays a fee, with its bytes and signature, rounded up."""


@dataclass(slots=True, kw_only=True)
class Wallet:
    """A wallet that follows one key's coins on one network; locked until it is given the private keys."""

    node: Node
    network: Network
    book: AddressBook
    syncer: Syncer
    keys: PrivateKeys | None = None
    fees: FeeSettings = field(default_factory=FeeSettings)
    state: SyncState | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the store catches up or a transaction is built: no two builders see the same coins."""

    @property
    def engine(self) -> Engine:
        """The wallet's store."""
        return self.book.engine

    async def catch_up(self) -> SyncState:
        """Rounds of catching up until nothing is left to look at."""
        async with self.lock:
            self.state = await self.syncer.catch_up(self.keys)
            return self.state

    async def round(self) -> SyncState:
        """One round of catching up."""
        async with self.lock:
            self.state = await self.syncer.round(self.keys)
            return self.state

    @asynccontextmanager
    async def building(self) -> AsyncIterator[PrivateKeys]:
        """The keys, while nothing else builds or syncs; raises WalletLocked or WalletNotSynced, and
        NodeDown's kin.
        """
        if self.keys is None:
            raise WalletLocked("the wallet is locked: unlock it to sign")
        async with self.lock:
            self.state = await self.syncer.round(self.keys)
            if not self.state.is_synced:
                self.state = await self.syncer.round(self.keys)
            if not self.state.is_synced:
                raise WalletNotSynced(
                    f"the wallet knows the chain up to block {self.state.height}, the node is at "
                    f"{self.state.peak_height}: try again when it has caught up"
                )
            yield self.keys

    @property
    def height(self) -> Height:
        """The newest block the wallet knows."""
        return Height(0 if self.state is None else max(self.state.height, 0))

    def current_address(self) -> Address:
        """The address to give out, and to send change to."""
        return self.book.current()

    async def token_coins(self, asset_id: AssetId, amount: Mojos) -> list[OwnCoin]:
        """Coins of a token that hold the amount, largest first; raises UnknownToken or NotEnoughUnits."""
        held = purse(self.book, asset_id, enough_for=amount)
        if not held.spendable and not held.promised:
            raise UnknownToken(f"the wallet holds nothing of the token 0x{asset_id.hex()}: see its balances")
        return await choose_token(held.spendable, amount, promised=held.promised)

    async def xch_coins(self, amount: Mojos) -> list[OwnCoin]:
        """XCH coins that hold the amount, largest first; raises NotEnoughFunds."""
        held = purse(self.book, None, enough_for=amount)
        return await choose_xch(held.spendable, amount, promised=held.promised)

    async def estimate_fee(self, cost: int) -> Mojos:
        """The fee the node asks for this CLVM cost; raises FeeTooHigh above the ceiling."""
        return await fee_for(self.node, cost, self.fees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """Spends that are whole but for the fee: their coins, the coin that leads, and the mojos of token they
    burn.
    """

    spends: Sequence[CoinSpend]
    coins: Sequence[OwnCoin]
    lead: CoinId
    marker: CoinId
    burnt: Mojos = NOTHING


async def with_fee(wallet: Wallet, keys: PrivateKeys, built: Built, fee: Mojos | None) -> tuple[SpendBundle, Mojos]:
    """The signed bundle with its fee (estimated if None), held to what it promises by consensus code."""
    if fee is None:
        unpaid = sign(built.spends, built.coins, keys, wallet.network)
        cost = check(unpaid, wallet.network, wallet.height).cost
        fee = await wallet.estimate_fee(cost + FEE_SPEND_COST)
    spends, coins = list(built.spends), list(built.coins)
    if fee:
        paying = await wallet.xch_coins(fee)
        change_to = wallet.current_address().puzzle_hash
        spends += pay_xch(paying, [], fee=fee, change_to=change_to, paid_for=built.lead)
        coins += paying
    bundle = sign(spends, coins, keys, wallet.network)
    hold_to_promise(check(bundle, wallet.network, wallet.height), built, fee, coins)
    return bundle, fee


def hold_to_promise(checked: Checked, built: Built, fee: Mojos, coins: Sequence[OwnCoin]) -> None:
    """Raise BuildError unless the bundle pays exactly this fee, burns exactly this much, and makes its
    marker.
    """
    if checked.fee != fee + built.burnt:
        raise BuildError(
            f"the transaction would leave {checked.fee} mojos, expected the fee of {fee} and {built.burnt} burnt"
        )
    if built.marker not in checked.additions:
        raise BuildError(f"the transaction would not make the coin 0x{built.marker.hex()}")
    missing = {coin.coin_id for coin in coins} - checked.removals
    if missing:
        raise BuildError(f"the transaction would not spend {len(missing)} of its coins")


async def send_off(wallet: Wallet, draft: Draft) -> Transaction:
    """Write the transaction down and push it."""
    return await write_and_push(wallet.node, wallet.book.engine, draft)


def change_of(wallet: Wallet, *, besides: PuzzleHash | None = None) -> PuzzleHash:
    """Where change goes: an address of ours that nothing was seen at yet, and not the one that is paid."""
    return wallet.book.current(besides=besides).puzzle_hash
