"""The registry as the chain shows it: read in lineage from its launch, kept beside the register, checked again
at each look.

The rule guarded here: what was read counts only while the block it was read from is in the chain. Owners are
taken from the chain's own reveal, or from what we were told if its hash is the one on chain.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from chain.errors import NotOnChain
from chain.node import Node
from puzzles.errors import PuzzleError
from puzzles.free_serials import FreeSerials
from puzzles.recognise import Issuance, RegistrySpend, read_registry_spend
from puzzles.registry_ledger import LaunchReading, Owners, RegistryCoin, ledger_puzzle_hash, read_launch
from puzzles.singleton import lineage_of
from puzzles.units import MAX_SERIAL, AssetId, CoinId, Height, LauncherId, PuzzleHash, check_series, serial_key
from tokenization_engine.errors import NotARegistry, OwnersUnknown, RegistryEnded
from tokenization_engine.owners import Governor, HiddenGovernor, governor_json, read_governor
from tokenization_engine.register.store import Register
from tokenization_engine.store import OwnersRow, SpendRow

_NUMBER_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class SeenSpend:
    """A spend of the registry and the block it stands in."""

    height: Height
    header_hash: bytes
    spend: CoinSpend


@dataclass(frozen=True, kw_only=True)
class IssuedBlock:
    """A token that the registry issued, and when."""

    issuance: Issuance
    height: Height


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeRun:
    """Serial numbers of one series that are still free, inclusive at both ends."""

    first: int
    last: int


@dataclass(kw_only=True)
class RegistryState:
    """All that the chain shows of a registry up to its newest coin; None if the registry has ended."""

    launch: LaunchReading
    newest: Coin | None
    owners_hash: bytes
    parent: Coin
    parent_inner_puzzle_hash: PuzzleHash | None = None
    free: FreeSerials = field(default_factory=FreeSerials)
    issued: dict[AssetId, IssuedBlock] = field(default_factory=dict)
    spends: dict[CoinId, tuple[Height, RegistrySpend]] = field(default_factory=dict)
    revealed: dict[bytes, Owners] = field(default_factory=dict)
    """Owners that a spend showed, by their hash."""

    @property
    def registry_id(self) -> LauncherId:
        """Launcher id of the registry."""
        return self.launch.registry

    @property
    def name(self) -> str:
        """The registry's name at launch."""
        return self.launch.name.decode("utf-8", errors="replace")

    @property
    def inner_puzzle_hash(self) -> PuzzleHash:
        """The ledger's puzzle hash in the newest coin: what a holder's detokenization must name."""
        return ledger_puzzle_hash(self.registry_id, self.free.root, self.owners_hash)

    def coin(self, owners: Owners) -> RegistryCoin:
        """The newest coin, ready to be spent by these owners; raises RegistryEnded."""
        if self.newest is None:
            raise RegistryEnded(f"the registry 0x{self.registry_id.hex()} has ended: nothing can be issued any more")
        return RegistryCoin(
            coin=self.newest,
            lineage_proof=lineage_of(self.parent, self.parent_inner_puzzle_hash),
            registry=self.registry_id,
            root=self.free.root,
            owners=owners,
        )

    def free_runs(self, series: str) -> list[FreeRun]:
        """The free runs of one series, in order; raises SerialError for a series not in canonical form."""
        lowest, highest = serial_key(check_series(series), 0), serial_key(series, MAX_SERIAL + 1)
        runs = []
        for start, end in self.free.runs():
            first, stop = max(start, lowest), min(end, highest)
            if first < stop:
                runs.append(FreeRun(first=_number(first), last=_number(stop) - 1))
        return runs


class Follower:
    """Reads one registry from the chain and keeps what it read; two calls for a look that finds nothing new."""

    def __init__(self, node: Node, register: Register, registry_id: LauncherId) -> None:
        """Start from what the database holds of earlier looks."""
        self._node = node
        self._register = register
        self.registry_id = registry_id
        with register.reading() as session:
            rows = session.scalars(
                select(SpendRow).where(SpendRow.registry_id == registry_id).order_by(SpendRow.position)
            ).all()
            self._seen = [_seen(row) for row in rows]
        self._state: RegistryState | None = None
        self._turn = asyncio.Lock()

    async def look(self) -> RegistryState:
        """The registry now, one look at a time; raises NotARegistry if the chain does not have it."""
        async with self._turn:
            return await self._look()

    async def _look(self) -> RegistryState:
        before = len(self._seen)
        kept = await self._drop_undone()
        state = self._state
        if state is None or kept < before:
            state = self._replay()
        try:
            first_new = len(self._seen)
            state = await self._follow(state)
        except NotOnChain:  # a reorg between two questions: read it all again
            self._seen.clear()
            first_new, state = 0, await self._follow(None)
        if kept < before or len(self._seen) > first_new:
            self._save(min(kept, first_new))
        self._state = state
        return state

    async def _drop_undone(self) -> int:
        """Forget the spends whose block left the chain; how many are left."""
        while self._seen:
            newest = self._seen[-1]
            block = await self._node.block(newest.height)
            if block is not None and block.header_hash == newest.header_hash:
                break
            self._seen.pop()
        return len(self._seen)

    def _replay(self) -> RegistryState | None:
        state: RegistryState | None = None
        for seen in self._seen:
            state = _begin(self.registry_id, seen.spend) if state is None else self._advance(state, seen)
        return state

    async def _follow(self, state: RegistryState | None) -> RegistryState:
        """Read on from the newest coin known to the newest there is."""
        if state is None:
            seen = await self._read(CoinId(self.registry_id))
            if seen is None:
                raise _no_registry(self.registry_id, "the node knows no such coin that was launched; check the network")
            state = _begin(self.registry_id, seen.spend)
            self._seen.append(seen)
        while state.newest is not None:
            seen = await self._read(CoinId(bytes(state.newest.name())))
            if seen is None:
                break
            state = self._advance(state, seen)
            self._seen.append(seen)
        return state

    def _advance(self, state: RegistryState, seen: SeenSpend) -> RegistryState:
        return _advance(state, seen, flags=self._node.expected_network.flags_at(seen.height))

    async def _read(self, coin_id: CoinId) -> SeenSpend | None:
        """The coin's spend, or None if it is not spent (yet)."""
        coin = (await self._node.coins([coin_id])).get(coin_id)
        if coin is None or coin.spent_height is None:
            return None
        spend = await self._node.spend(coin_id, coin.spent_height)
        block = await self._node.block(coin.spent_height)
        if block is None:
            raise NotOnChain(f"the block {coin.spent_height} left the chain")
        return SeenSpend(height=coin.spent_height, header_hash=block.header_hash, spend=spend)

    def _save(self, first: int) -> None:
        """Write what was read from that position on, in place of what stood there."""
        with self._register.writing("engine") as session:
            session.execute(
                delete(SpendRow).where(SpendRow.registry_id == self.registry_id, SpendRow.position >= first)
            )
            session.add_all(
                SpendRow(
                    registry_id=self.registry_id,
                    position=position,
                    height=seen.height,
                    header_hash=seen.header_hash,
                    spend=bytes(seen.spend),
                )
                for position, seen in enumerate(self._seen)
                if position >= first
            )


def _seen(row: SpendRow) -> SeenSpend:
    return SeenSpend(height=Height(row.height), header_hash=row.header_hash, spend=CoinSpend.from_bytes(row.spend))


def _number(key: bytes) -> int:
    return int.from_bytes(key[-_NUMBER_BYTES:], "big")


def _no_registry(registry_id: LauncherId, reason: str) -> NotARegistry:
    return NotARegistry(f"0x{registry_id.hex()} is not the id of a registry: {reason}")


def _begin(registry_id: LauncherId, spend: CoinSpend) -> RegistryState:
    try:
        launch = read_launch(spend)
    except (PuzzleError, ValueError) as error:
        raise _no_registry(registry_id, "its launch does not read") from error
    if launch is None:
        raise _no_registry(registry_id, "the coin launched something else")
    return RegistryState(launch=launch, newest=launch.first_coin, owners_hash=launch.owners_hash, parent=spend.coin)


def _advance(state: RegistryState, seen: SeenSpend, *, flags: int) -> RegistryState:
    """The state after one more spend of the newest coin, run by the rules of its height."""
    read = read_registry_spend(seen.spend, flags=flags)
    if read is None:
        raise _no_registry(state.registry_id, "one of its coins is no registry's")
    ledger = read.ledger
    for issuance in read.issuances:
        state.free.replay(
            start=issuance.start, end=issuance.end, before=issuance.before, path=issuance.path, place=issuance.place
        )
        state.issued[issuance.token.asset_id] = IssuedBlock(issuance=issuance, height=seen.height)
    state.spends[CoinId(bytes(seen.spend.coin.name()))] = (seen.height, read)
    state.revealed[ledger.owners_hash] = Owners(
        issuer_puzzle=ledger.issuer_puzzle, governor_puzzle_hash=ledger.governor_puzzle_hash
    )
    state.parent, state.newest = seen.spend.coin, read.next_coin
    state.parent_inner_puzzle_hash = ledger_puzzle_hash(state.registry_id, ledger.root, ledger.owners_hash)
    state.owners_hash = read.next_owners_hash
    return state


def remember_owners(session: Session, registry_id: LauncherId, owners: Owners, governor: Governor | None) -> None:
    """Keep what is known of owners before the chain shows them; a governor once known is not forgotten."""
    row = session.get(OwnersRow, (registry_id, owners.owners_hash))
    if row is None:
        row = OwnersRow(
            registry_id=registry_id,
            owners_hash=owners.owners_hash,
            issuer_puzzle=bytes(owners.issuer_puzzle),
            governor_puzzle_hash=owners.governor_puzzle_hash,
            governor=None,
        )
        session.add(row)
    if governor is not None and not isinstance(governor, HiddenGovernor):
        row.governor = governor_json(governor)


@dataclass(frozen=True, kw_only=True)
class KnownOwners:
    """The registry's owners now: as the ledger curries them, and the governor as far as we were told."""

    owners: Owners
    governor: Governor


def known_owners(session: Session, state: RegistryState) -> KnownOwners:
    """Who owns the registry now; raises OwnersUnknown if neither the chain nor anyone told us."""
    row = session.get(OwnersRow, (state.registry_id, state.owners_hash))
    owners = state.revealed.get(state.owners_hash)
    if owners is None and row is not None:
        owners = Owners(
            issuer_puzzle=Program.from_bytes(row.issuer_puzzle),
            governor_puzzle_hash=PuzzleHash(row.governor_puzzle_hash),
        )
    if owners is None:
        raise OwnersUnknown(
            f"the registry 0x{state.registry_id.hex()} shows its owners by their hash only, "
            f"0x{state.owners_hash.hex()}: open it with the issuer's key, allotment and governor that it has now"
        )
    governor: Governor = HiddenGovernor(puzzle_hash=owners.governor_puzzle_hash)
    if row is not None and row.governor is not None:
        governor = read_governor(row.governor)
    return KnownOwners(owners=owners, governor=governor)
