"""The daemon's wallet when the official wallet signs: bound to one of its keys, and never acting on another."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Engine

from chain.errors import ChainError
from chain.fees import FeeSettings
from chain.node import Node
from climate_wallet.book import bind_elsewhere, bound_elsewhere
from climate_wallet.errors import HeldElsewhere, WalletError, WalletLocked
from climate_wallet.holder import Holder, Kept
from climate_wallet.service import Follower, Service, ServiceState, followed_by, opened_store
from climate_wallet.settings import WalletSettings
from climate_wallet.stock.connection import StockConnection
from climate_wallet.stock.holder import StockHolder
from climate_wallet.stock.settings import SignerSettings
from climate_wallet.stock.wallet import StockWallet, chosen_key
from climate_wallet.wallet import Wallet

log = logging.getLogger(__name__)


class StockService(Service):
    """A wallet whose key the official wallet keeps; locking and unlocking are done there."""

    def __init__(
        self,
        *,
        settings: WalletSettings,
        fees: FeeSettings,
        node: Node,
        engine: Engine,
        rpc: StockConnection,
        patience: float,
    ) -> None:
        """Serve this store's journal and registries, and the official wallet's coins."""
        super().__init__(settings=settings, fees=fees, node=node, engine=engine)
        self._rpc = rpc
        self._patience = patience
        self._stock: StockWallet | None = None

    @property
    def wallet(self) -> Wallet:
        """Raise HeldElsewhere: there are no keys of ours."""
        raise HeldElsewhere(
            "the official wallet keeps the keys: make, take and cancel offers there; receipts are sealed from here by "
            "their ids, without a fee"
        )

    @property
    def stock(self) -> StockWallet:
        """The official wallet at work for us."""
        if self._stock is None:
            raise WalletLocked("the official wallet was not reached yet: see its state")
        return self._stock

    @property
    def holder(self) -> Holder:
        """The holder's verbs through the official wallet."""
        return StockHolder(self.stock)

    @property
    def kept(self) -> Kept:
        """The store, and where it stands."""
        return self.stock

    def _follower(self) -> Follower | None:
        return self._stock

    async def open(self) -> None:
        """Bind the store to the chosen key of the official wallet, or to the only one it has, and log in with it.

        A store that is bound opens while the official wallet is down as well. Raises KeyNotFound, WalletMismatch.
        """
        fingerprint = bound_elsewhere(self._engine, self.network, self._settings.fingerprint)
        if fingerprint is None:
            fingerprint = await chosen_key(self._rpc, self._settings.fingerprint)
            bind_elsewhere(self._engine, self.network, fingerprint)
        self._stock = StockWallet(
            node=self._node,
            network=self.network,
            engine=self._engine,
            rpc=self._rpc,
            fingerprint=fingerprint,
            fees=self._fees,
            patience=self._patience,
        )
        try:
            await self._stock.log_in()
        except (WalletError, ChainError) as error:
            self.pulse.stumbled(error, str(error))
            log.warning("the official wallet: %s", error)

    def unlock(self, passphrase: str) -> None:
        """Raise HeldElsewhere: the official wallet keeps the keys."""
        raise HeldElsewhere("the official wallet keeps the keys: unlock its keychain there")

    def lock(self) -> None:
        """Raise HeldElsewhere: the official wallet keeps the keys."""
        raise HeldElsewhere("the official wallet keeps the keys: lock its keychain there, or stop it")

    def state(self) -> ServiceState:
        """Where the wallet stands; `is_locked` while the official wallet works with another key."""
        stock = self._stock
        return ServiceState(
            network=self.network.name,
            signer="chia",
            fingerprint=None if stock is None else stock.fingerprint,
            is_locked=stock is None,
            has_passphrase=False,
            sync=None if stock is None else stock.state,
            problem=self.pulse.problem or (None if stock is None else stock.note),
        )


@asynccontextmanager
async def open_stock_service(
    *, settings: WalletSettings, signer: SignerSettings, fees: FeeSettings, node: Node, rpc: StockConnection
) -> AsyncIterator[StockService]:
    """The service on top of the official wallet, following the chain until the end of the block."""
    async with opened_store(settings) as engine:
        service = StockService(settings=settings, fees=fees, node=node, engine=engine, rpc=rpc, patience=signer.timeout)
        async with followed_by(service):
            yield service
