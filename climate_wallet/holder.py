"""What the doors need of a wallet, whoever signs: keys of ours, or the official wallet (`climate_wallet.stock`)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine

from chain.network import Network
from chain.node import Node
from climate_wallet.detokenize import DetokenizationRequest, request_detokenization
from climate_wallet.errors import AmountError
from climate_wallet.journal import Transaction
from climate_wallet.replace import raise_fee
from climate_wallet.retire import retire
from climate_wallet.send import send_units, send_xch
from climate_wallet.views import Balances, Received, balances, received
from climate_wallet.wallet import Wallet
from puzzles.units import AssetId, Height, Mojos, PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiving:
    """An address to receive at; the official wallet does not say its index."""

    puzzle_hash: PuzzleHash
    index: int | None


class Kept(Protocol):
    """What a wallet keeps beside its keys: enough for its journal, its registries and its certificates."""

    @property
    def engine(self) -> Engine:
        """The store."""

    @property
    def network(self) -> Network:
        """The network it is on."""

    @property
    def node(self) -> Node:
        """The node it asks."""

    @property
    def height(self) -> Height:
        """The newest block it knows."""

    @property
    def lock(self) -> asyncio.Lock:
        """Held while the store catches up or a transaction is built."""


class Holder(Protocol):
    """Every verb of a holder of units. Amounts are mojos; a fee of None is the node's estimate."""

    async def address(self) -> Receiving:
        """An address to receive at."""

    async def balances(self) -> Balances:
        """All that is held."""

    async def received(self, *, limit: int, offset: int) -> list[Received]:
        """Coins that came from others, newest first."""

    async def send_units(
        self, asset_id: AssetId, amount: Mojos, to: PuzzleHash, *, fee: Mojos | None, request_id: str | None
    ) -> Transaction:
        """Send mojos of a token."""

    async def send_xch(
        self, amount: Mojos, to: PuzzleHash, *, fee: Mojos | None, request_id: str | None
    ) -> Transaction:
        """Send mojos of XCH."""

    async def retire(
        self,
        asset_id: AssetId,
        amount: Mojos,
        record: Mapping[str, str],
        *,
        private: Collection[str],
        fee: Mojos | None,
        request_id: str | None,
    ) -> Transaction:
        """Retire whole units."""

    async def combine(self, asset_id: AssetId, amount: Mojos, *, fee: Mojos | None) -> Transaction:
        """Make one coin that holds the amount, for a signer that burns out of one."""

    async def request_detokenization(self, asset_id: AssetId, amount: Mojos) -> DetokenizationRequest:
        """The holder's half of a detokenization."""

    async def raise_fee(self, tx_id: bytes, fee: Mojos) -> Transaction:
        """Replace a pending transaction by one that pays this fee altogether."""


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """The verbs with keys of ours."""

    wallet: Wallet

    async def address(self) -> Receiving:
        """An address that nothing was seen at yet."""
        found = self.wallet.current_address()
        return Receiving(puzzle_hash=found.puzzle_hash, index=found.index)

    async def balances(self) -> Balances:
        """All that is held, as the store knows it."""
        return balances(self.wallet.engine)

    async def received(self, *, limit: int, offset: int) -> list[Received]:
        """Coins that came from others, as the store knows them."""
        return received(self.wallet.engine, limit=limit, offset=offset)

    async def send_units(
        self, asset_id: AssetId, amount: Mojos, to: PuzzleHash, *, fee: Mojos | None, request_id: str | None
    ) -> Transaction:
        """Send mojos of a token."""
        return await send_units(self.wallet, asset_id, amount, to, fee=fee, request_id=request_id)

    async def send_xch(
        self, amount: Mojos, to: PuzzleHash, *, fee: Mojos | None, request_id: str | None
    ) -> Transaction:
        """Send mojos of XCH."""
        return await send_xch(self.wallet, amount, to, fee=fee, request_id=request_id)

    async def retire(
        self,
        asset_id: AssetId,
        amount: Mojos,
        record: Mapping[str, str],
        *,
        private: Collection[str],
        fee: Mojos | None,
        request_id: str | None,
    ) -> Transaction:
        """Retire whole units, out of as many coins as it takes."""
        return await retire(self.wallet, asset_id, amount, record, private=private, fee=fee, request_id=request_id)

    async def combine(self, asset_id: AssetId, amount: Mojos, *, fee: Mojos | None) -> Transaction:
        """Raise AmountError: keys of ours burn out of many coins at once."""
        raise AmountError("this wallet moves and retires out of many coins at once: there is nothing to combine")

    async def request_detokenization(self, asset_id: AssetId, amount: Mojos) -> DetokenizationRequest:
        """The holder's half of a detokenization."""
        return await request_detokenization(self.wallet, asset_id, amount)

    async def raise_fee(self, tx_id: bytes, fee: Mojos) -> Transaction:
        """Replace a pending transaction by one that pays this fee altogether."""
        return await raise_fee(self.wallet, tx_id, fee)
