"""The holder's verbs through the official wallet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from climate_wallet.detokenize import DetokenizationRequest
from climate_wallet.holder import Receiving
from climate_wallet.journal import Transaction
from climate_wallet.stock.burn import request_detokenization, retire
from climate_wallet.stock.raise_fee import raise_fee
from climate_wallet.stock.send import combine, send_units, send_xch
from climate_wallet.stock.views import balances, received
from climate_wallet.stock.wallet import StockWallet
from climate_wallet.views import Balances, Received
from puzzles.units import AssetId, Mojos, PuzzleHash


@dataclass(frozen=True, slots=True)
class StockHolder:
    """The verbs of `climate_wallet.holder.Holder`, each a question or two to the official wallet."""

    wallet: StockWallet

    async def address(self) -> Receiving:
        """The official wallet's current address; it does not say its index."""
        async with self.wallet.lock:
            await self.wallet.log_in()
            found = await self.wallet.address()
            await self.wallet.check_key()
        return Receiving(puzzle_hash=found, index=None)

    async def balances(self) -> Balances:
        """All that is held, as the official wallet knows it."""
        return await balances(self.wallet)

    async def received(self, *, limit: int, offset: int) -> list[Received]:
        """Coins that came from others, as the official wallet knows them."""
        return await received(self.wallet, limit=limit, offset=offset)

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
        """Retire whole units, out of one coin."""
        return await retire(self.wallet, asset_id, amount, record, private=private, fee=fee, request_id=request_id)

    async def combine(self, asset_id: AssetId, amount: Mojos, *, fee: Mojos | None) -> Transaction:
        """Make one coin that holds the amount."""
        return await combine(self.wallet, asset_id, amount, fee=fee)

    async def request_detokenization(self, asset_id: AssetId, amount: Mojos) -> DetokenizationRequest:
        """The holder's half of a detokenization."""
        return await request_detokenization(self.wallet, asset_id, amount)

    async def raise_fee(self, tx_id: bytes, fee: Mojos) -> Transaction:
        """Replace a pending transaction by one that pays this fee altogether."""
        return await raise_fee(self.wallet, tx_id, fee)
