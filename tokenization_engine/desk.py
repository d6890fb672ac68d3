"""What every verb of the engine works with: register, node, key, settings; and which registry is meant.

Who only looks, and settles what others signed, works at a lookout: it has no key. Who signs works at a desk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chia_rs import Coin
from sqlalchemy import make_url, select, update
from sqlalchemy.orm import Session

from chain.connections import name_of
from chain.errors import AnswerCapped
from chain.fees import FeeSettings, fee_for
from chain.network import Network
from chain.node import ChainCoin, Node
from climate_wallet.addresses import Address
from climate_wallet.amounts import show_xch
from climate_wallet.errors import NotEnoughFunds
from climate_wallet.selection import choose_xch
from climate_wallet.spends import OwnCoin, total
from puzzles.owners import read_allotment
from puzzles.registry_ledger import Owners
from puzzles.units import CoinId, Height, LauncherId, Mojos, PuzzleHash
from tokenization_engine.errors import NoRegistry, NotTheIssuer
from tokenization_engine.journal import OPEN, Job, Kind, jobs
from tokenization_engine.keys import EngineKeys
from tokenization_engine.register.store import Register
from tokenization_engine.registry import Follower, KnownOwners, RegistryState, known_owners
from tokenization_engine.settings import EngineSettings
from tokenization_engine.store import RegistryRow

OnStep = Callable[[str, Job], None]
"""Told what just happened to a job, for whoever watches: planned, built, pushed, seen, confirmed, registered,
dropped."""


TYPICAL_COST = {
    Kind.CREATE: 30_000_000,
    Kind.CUSTODY: 20_000_000,
    Kind.STATEMENT: 40_000_000,
    Kind.ROTATE: 90_000_000,
    Kind.DETOKENIZE: 110_000_000,
}
"""CLVM cost of a job that is not planned in full before its fee is asked for."""


def nobody_watches(_step: str, _job: Job) -> None:
    """Nothing happens."""


@dataclass(kw_only=True)
class Lookout:
    """Register, node and settings, without a key: nothing can be signed here."""

    register: Register
    node: Node
    settings: EngineSettings
    on_step: OnStep = nobody_watches
    _followers: dict[LauncherId, Follower] = field(default_factory=dict)

    @property
    def network(self) -> Network:
        """The network the node must follow."""
        return self.node.expected_network

    def current_registry(self) -> LauncherId:
        """The registry the engine works for; raises NoRegistry."""
        with self.register.reading() as session:
            row = session.scalars(select(RegistryRow).where(RegistryRow.is_current)).first()
        if row is None:
            database = name_of(make_url(self.settings.database))
            raise NoRegistry(
                f"this engine has no registry yet: `registry create NAME`, or `registry open ID`, or --database if its "
                f"database is another than {database}"
            )
        return LauncherId(row.registry_id)

    async def look(self, registry_id: LauncherId | None = None) -> RegistryState:
        """The registry as the chain shows it now; the current one unless named."""
        wanted = registry_id or self.current_registry()
        if wanted not in self._followers:
            self._followers[wanted] = Follower(self.node, self.register, wanted)
        return await self._followers[wanted].look()

    def owners(self, state: RegistryState) -> KnownOwners:
        """Who owns the registry now; raises OwnersUnknown."""
        with self.register.reading() as session:
            return known_owners(session, state)


@dataclass(kw_only=True)
class Desk(Lookout):
    """The parts of a running engine that pays and signs, handed in by `app.py`."""

    keys: EngineKeys
    fees: FeeSettings

    def issuer(self, owners: Owners) -> Address:
        """The address of ours whose key issues; raises NotTheIssuer if another machine's does."""
        allotted = read_allotment(owners.issuer_puzzle)
        puzzle = owners.issuer_puzzle if allotted is None else allotted[0]
        address = self.keys.find_puzzle(PuzzleHash(bytes(puzzle.get_tree_hash())))
        if address is None:
            raise NotTheIssuer(
                f"the key {self.keys.info.fingerprint} is not the issuer's of this registry: choose the issuer's key "
                "with CARBON_ENGINE_FINGERPRINT, or let the governor rotate to this one"
            )
        return address

    async def fee(self, given: Mojos | None, kind: Kind) -> Mojos:
        """The fee as given, or the node's estimate for a job of that kind; raises FeeTooHigh."""
        return given if given is not None else await fee_for(self.node, TYPICAL_COST[kind], self.fees)

    async def coins(self, *, job_id: int | None = None) -> list[OwnCoin]:
        """The engine's XCH on chain, without what open jobs have promised; what that job has is its own to use anew."""
        with self.register.reading() as session:
            promised = promised_coins(session, but_by=job_id)
        address = self.keys.own
        found = await self._unspent(address.puzzle_hash)
        return [
            OwnCoin(coin=each.coin, address=address, created_height=each.created_height)
            for each in found
            if each.coin_id not in promised
        ]

    async def balance(self) -> Mojos:
        """Mojos that can be spent now."""
        return total(await self.coins())

    async def check_funds(self, amount: Mojos) -> None:
        """Raise NotEnoughFunds unless our XCH holds the amount beside what the open jobs will take."""
        with self.register.reading() as session:
            waiting = [job for job in jobs(session, states=OPEN) if job.seen_height is None]
        taken = sum(job.fee + sum(issue.block.amount for issue in job.issues) for job in waiting)
        held = sum(int(each.coin.amount) for each in await self._unspent(self.keys.own.puzzle_hash))
        if held - taken < amount:
            raise NotEnoughFunds(
                f"funding and fees need {show_xch(amount)}, the engine holds {show_xch(held)}, of which jobs under way "
                f"take {show_xch(taken)}: send XCH to {self.network.encode_address(self.keys.own.puzzle_hash)}",
                wanted=amount,
                found=max(0, held - taken),
            )

    async def choose(self, amount: Mojos, *, job_id: int | None = None) -> list[OwnCoin]:
        """Coins that hold the amount, none for nothing, for a job whose transaction is built anew or for a new one.

        Raises NotEnoughFunds.
        """
        return await choose_xch(await self.coins(job_id=job_id), amount) if amount else []

    async def _unspent(self, puzzle_hash: PuzzleHash, low: int = 0, high: int | None = None) -> list[ChainCoin]:
        """Unspent coins at our address; asked in halves of the chain where a flood of coins fills an answer."""
        try:
            return await self.node.coins_by_puzzle_hashes(
                [puzzle_hash], include_spent=False, start_height=low, end_height=high
            )
        except AnswerCapped:
            top = high if high is not None else (await self.node.peak()).height + 1
            if top - low < 2:
                raise
            middle = (low + top) // 2
            return await self._unspent(puzzle_hash, low, middle) + await self._unspent(puzzle_hash, middle, high)


def promised_coins(session: Session, *, but_by: int | None = None) -> set[CoinId]:
    """The coins that the transactions of open jobs spend, that one's aside."""
    found: set[CoinId] = set()
    for job in jobs(session, states=OPEN):
        if job.bundle is not None and job.id != but_by:
            found |= {CoinId(bytes(coin.name())) for coin in job.bundle.removals()}
    return found


def make_current(session: Session, registry_id: LauncherId, name: str) -> None:
    """Make this the registry that the engine works for."""
    session.execute(update(RegistryRow).values(is_current=False))
    row = session.get(RegistryRow, registry_id)
    if row is None:
        session.add(RegistryRow(registry_id=registry_id, name=name[:1024], is_current=True))
    else:
        row.is_current = True


def signer(address: Address, coin: Coin) -> OwnCoin:
    """Our key behind a coin that is not XCH of ours, such as the registry's: who may sign for it."""
    return OwnCoin(coin=coin, address=address, created_height=Height(0))
