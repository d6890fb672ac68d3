"""The wallet as a daemon keeps it: opened from its store, unlocked and locked, catching up in the
background.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine

from chain.database import open_database
from chain.door import make_home
from chain.errors import ChainError
from chain.fees import FeeSettings
from chain.network import Network
from chain.node import Node
from chain.pulse import Pulse
from climate_wallet.addresses import PrivateKeys
from climate_wallet.book import AddressBook, bound_key, open_book
from climate_wallet.errors import KeyNotFound, WalletError, WalletLocked
from climate_wallet.holder import Holder, Kept, OwnKeys
from climate_wallet.keys import KeyStore
from climate_wallet.settings import WalletSettings
from climate_wallet.store import MIGRATIONS
from climate_wallet.sync import Syncer, SyncState
from climate_wallet.wallet import Wallet
from puzzles.units import Mojos

LONGEST_BACK_OFF = 60.0
"""Most seconds between two tries while the node does not answer."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """What a user asks first: which key, locked or not, how far, and what is wrong if anything."""

    network: str
    signer: str
    """`keys` or `chia`: who signs."""
    fingerprint: int | None
    is_locked: bool
    has_passphrase: bool
    sync: SyncState | None
    problem: str | None


class Follower(Protocol):
    """What catches up with the chain."""

    async def round(self) -> SyncState:
        """One round of catching up."""


class Service(ABC):
    """One wallet behind a door, whoever signs: it follows the chain, and says where it stands."""

    def __init__(self, *, settings: WalletSettings, fees: FeeSettings, node: Node, engine: Engine) -> None:
        """Serve the wallet of this store from this node."""
        self._settings = settings
        self._fees = fees
        self._node = node
        self._engine = engine
        self.pulse = Pulse()
        self._wake = asyncio.Event()

    @property
    def fees(self) -> FeeSettings:
        """How much a transaction may pay."""
        return self._fees

    @property
    def network(self) -> Network:
        """The network this wallet is on."""
        return self._node.expected_network

    @property
    def engine(self) -> Engine:
        """The wallet's store."""
        return self._engine

    @property
    def node(self) -> Node:
        """The node this wallet asks."""
        return self._node

    @property
    @abstractmethod
    def wallet(self) -> Wallet:
        """The wallet with keys of ours; raises WalletLocked, or HeldElsewhere if the official wallet signs."""

    @property
    @abstractmethod
    def holder(self) -> Holder:
        """The holder's verbs; raises WalletLocked if nobody knows the key yet."""

    @property
    @abstractmethod
    def kept(self) -> Kept:
        """What the verbs work on beside the keys: store, network, newest block, and the lock that they hold."""

    @abstractmethod
    async def open(self) -> None:
        """Open the wallet as far as it goes without anyone's help."""

    @abstractmethod
    def unlock(self, passphrase: str) -> None:
        """Take the private keys from the keychain."""

    @abstractmethod
    def lock(self) -> None:
        """Forget the private keys."""

    @abstractmethod
    def state(self) -> ServiceState:
        """Where the wallet stands."""

    @abstractmethod
    def _follower(self) -> Follower | None:
        """What catches up with the chain, once it is known whose coins to look at."""

    def look_now(self) -> None:
        """End the pause before the next look at the chain."""
        self._wake.set()

    async def follow(self) -> None:
        """Catch up again and again; what goes wrong is kept as a sentence, and tried again after a pause."""
        pause = self._settings.poll_seconds
        while True:
            has_more = False
            if (follower := self._follower()) is not None:
                try:
                    state = await follower.round()
                    self.pulse.looked(state.peak_height)
                    pause = self._settings.poll_seconds
                    has_more = not state.is_synced or state.candidates > 0
                except (ChainError, WalletError) as error:
                    if self.pulse.problem != str(error):
                        log.warning("catching up: %s", error)
                    self.pulse.stumbled(error, str(error))
                    pause = min(pause * 2, LONGEST_BACK_OFF)
                except Exception as error:  # the outermost loop of the daemon: log it, and go on looking
                    log.exception("unexpected failure while catching up")
                    self.pulse.stumbled(error, f"a fault of the program ({type(error).__name__}): see its log")
                    pause = LONGEST_BACK_OFF
            if not has_more:
                self._wake.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)


class WalletService(Service):
    """A wallet with keys of Chia's keychain. A store that is new waits for the first unlock to learn its key."""

    def __init__(
        self, *, settings: WalletSettings, fees: FeeSettings, keys: KeyStore, node: Node, engine: Engine
    ) -> None:
        """Serve the wallet of this store from this node, with these keys."""
        super().__init__(settings=settings, fees=fees, node=node, engine=engine)
        self._keys = keys
        self._wallet: Wallet | None = None

    @property
    def wallet(self) -> Wallet:
        """The wallet, to look at or to work with; raises WalletLocked if it is new and was never unlocked."""
        if self._wallet is None:
            raise WalletLocked("the wallet is new and locked: unlock it once, so that it knows its key")
        return self._wallet

    @property
    def holder(self) -> Holder:
        """The holder's verbs with keys of ours."""
        return OwnKeys(self.wallet)

    @property
    def kept(self) -> Kept:
        """The wallet itself."""
        return self.wallet

    def _follower(self) -> Follower | None:
        return self._wallet

    async def open(self) -> None:
        """Open the wallet as far as it goes without a passphrase; raises KeyNotFound if there is no key to
        serve.
        """
        if bound_key(self._engine) is not None:
            self._use(open_book(self._engine, self.network, gap_limit=self._settings.gap_limit))
        if self._keys.has_passphrase:
            return
        try:
            self.unlock("")
        except KeyNotFound:
            if self._wallet is None:
                raise
            log.warning("the keychain no longer holds this wallet's key: it watches, and cannot sign")

    def unlock(self, passphrase: str) -> None:
        """Take the private keys from the keychain; binds a new store to its key.

        Raises WrongPassphrase, KeyNotFound or WalletMismatch.
        """
        self._keys.unlock(passphrase)
        bound = bound_key(self._engine)
        fingerprint = self._settings.fingerprint if bound is None else bound.fingerprint
        key = self._keys.find(fingerprint)
        private = PrivateKeys(self._keys.private_key(key.fingerprint))
        book = open_book(
            self._engine,
            self.network,
            key=key,
            is_hardened=self._settings.is_hardened,
            gap_limit=self._settings.gap_limit,
        )
        if self._wallet is None:
            self._use(book)
        self.wallet.book.is_hardened = book.is_hardened
        self.wallet.keys = private
        self.wallet.book.extend(private)
        self._wake.set()

    def lock(self) -> None:
        """Forget the private keys; the wallet goes on watching."""
        if self._wallet is not None:
            self._wallet.keys = None
        self._keys.lock()

    def _use(self, book: AddressBook) -> None:
        self._wallet = Wallet(
            node=self._node,
            network=self.network,
            book=book,
            syncer=Syncer(self._node, book, dust=Mojos(self._settings.dust)),
            fees=self._fees,
        )
        book.extend()

    def state(self) -> ServiceState:
        """Where the wallet stands."""
        wallet = self._wallet
        return ServiceState(
            network=self.network.name,
            signer="keys",
            fingerprint=None if wallet is None else wallet.book.fingerprint,
            is_locked=wallet is None or wallet.keys is None,
            has_passphrase=self._keys.has_passphrase,
            sync=None if wallet is None else wallet.state,
            problem=self.pulse.problem,
        )


@asynccontextmanager
async def open_service(
    *, settings: WalletSettings, fees: FeeSettings, keys: KeyStore, node: Node
) -> AsyncIterator[WalletService]:
    """The service with keys of ours, following the chain until the end of the block."""
    async with opened_store(settings) as engine:
        service = WalletService(settings=settings, fees=fees, keys=keys, node=node, engine=engine)
        async with followed_by(service):
            yield service


@asynccontextmanager
async def opened_store(settings: WalletSettings) -> AsyncIterator[Engine]:
    """The wallet's store, in its home."""
    make_home(settings.directory)
    engine = open_database(settings.database_url, MIGRATIONS)
    try:
        yield engine
    finally:
        engine.dispose()


@asynccontextmanager
async def followed_by(service: Service) -> AsyncIterator[None]:
    """Within: the service is open and follows the chain."""
    await service.open()
    following = asyncio.create_task(service.follow())
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
