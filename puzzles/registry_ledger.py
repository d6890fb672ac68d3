"""Driver of `registry_ledger`: launch a registry, let its owners issue, speak and rotate, and read what they did."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia.wallet.lineage_proof import LineageProof
from chia.wallet.util.curry_and_treehash import (
    calculate_hash_of_quoted_mod_hash,
    curry_and_treehash,
    shatree_atom,
)
from chia_rs import Coin, CoinSpend, tree_hash
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import first_items
from puzzles.errors import MalformedSpend, RecordError
from puzzles.fields import canonical_text, check_field
from puzzles.free_serials import ROOT_AT_BIRTH, Taking, place_program
from puzzles.program import curried_values, load_mod, mod_bytes, mod_hash
from puzzles.singleton import (
    LAUNCHER_PUZZLE_HASH,
    launch_announcement,
    launch_spend,
    launcher_coin,
    lineage_of,
    singleton_puzzle_hash,
    singleton_spend,
)
from puzzles.standard import assert_coin_announcement, create_coin
from puzzles.tree import parsed
from puzzles.units import CoinId, LauncherId, Mojos, PuzzleHash

LEDGER = "registry_ledger"
MAX_NOTES = 64
"""Most notes of a launch that are looked at."""
ISSUE = -10
"""The ledger's own magic condition: an owner asks it to issue a block."""


@dataclass(frozen=True, kw_only=True)
class Owners:
    """Who may act for a registry: the issuer by whole puzzle, the governor by puzzle hash. Never the same for both."""

    issuer_puzzle: Program
    governor_puzzle_hash: PuzzleHash

    def __post_init__(self) -> None:
        """Refuse one puzzle in both roles: which role runs is not signed."""
        if bytes(self.issuer_puzzle.get_tree_hash()) == bytes(self.governor_puzzle_hash):
            raise RecordError("issuer and governor are the same puzzle: give each role a key of its own")

    @property
    def program(self) -> Program:
        """`(issuer's puzzle . governor's puzzle hash)`, as curried."""
        return Program.to((self.issuer_puzzle, self.governor_puzzle_hash))

    @property
    def owners_hash(self) -> bytes:
        """Tree hash of the pair, 32 bytes: what the odd CREATE_COIN names."""
        return bytes(self.program.get_tree_hash())


_QUOTED_LEDGER = calculate_hash_of_quoted_mod_hash(bytes32(mod_hash(LEDGER)))


def ledger_puzzle(registry: LauncherId, root: bytes, owners: Owners) -> Program:
    """The ledger with that state and those owners."""
    return load_mod(LEDGER).curry(mod_hash(LEDGER), (registry, root), owners.program)


def ledger_puzzle_hash(registry: LauncherId, root: bytes, owners_hash: bytes) -> PuzzleHash:
    """The ledger's puzzle hash, inside the singleton; root is 32 bytes, or none when nothing is free."""
    state = Program.to((registry, root)).get_tree_hash()
    return PuzzleHash(
        bytes(curry_and_treehash(_QUOTED_LEDGER, shatree_atom(bytes32(mod_hash(LEDGER))), state, bytes32(owners_hash)))
    )


@dataclass(frozen=True, kw_only=True)
class RegistryCoin:
    """The newest coin of a registry, and all that is needed to spend it."""

    coin: Coin
    lineage_proof: LineageProof
    registry: LauncherId
    root: bytes
    owners: Owners

    @property
    def inner_puzzle(self) -> Program:
        """The ledger with its state."""
        return ledger_puzzle(self.registry, self.root, self.owners)

    @property
    def inner_puzzle_hash(self) -> PuzzleHash:
        """The ledger's puzzle hash: what a message of the registry is checked against."""
        return ledger_puzzle_hash(self.registry, self.root, self.owners.owners_hash)

    def spend_as_issuer(self, issuer_solution: Program) -> CoinSpend:
        """The spend in which the issuer's puzzle runs with that solution."""
        return self._spend(Program.to([0, issuer_solution]))

    def spend_as_governor(self, governor_puzzle: Program, governor_solution: Program) -> CoinSpend:
        """The spend in which the governor's puzzle, revealed, runs with that solution."""
        return self._spend(Program.to([governor_puzzle, governor_solution]))

    def _spend(self, inner_solution: Program) -> CoinSpend:
        return singleton_spend(self.coin, self.registry, self.inner_puzzle, inner_solution, self.lineage_proof)

    def child(self, root: bytes, owners: Owners, amount: int = 1) -> RegistryCoin:
        """The coin that a spend leaves when it moves the registry to that root and those owners."""
        inner = ledger_puzzle_hash(self.registry, root, owners.owners_hash)
        puzzle_hash = singleton_puzzle_hash(self.registry, inner)
        return RegistryCoin(
            coin=Coin(self.coin.name(), bytes32(puzzle_hash), uint64(amount)),
            lineage_proof=lineage_of(self.coin, self.inner_puzzle_hash),
            registry=self.registry,
            root=root,
            owners=owners,
        )


def issue_condition(taking: Taking, inner_puzzle_hash: PuzzleHash, block: Program) -> Program:
    """The condition that asks the ledger for one block `(series first end . metadata)` around that inner puzzle."""
    args = [taking.before, taking.after, taking.path, list(taking.siblings), place_program(taking.place)]
    return Program.to((ISSUE, (args[0], (args[1], (args[2], (args[3], (args[4], (inner_puzzle_hash, block))))))))


def next_coin_condition(owners_hash: bytes, amount: int = 1) -> Program:
    """The odd CREATE_COIN: the registry goes on with these owners; the issuer can only name its own."""
    return Program.to([51, owners_hash, amount])


def statement_condition(fields: Program) -> Program:
    """REMARK: a statement of the registry, a list of `(key . value)`."""
    return Program.to((1, fields))


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A registry about to be born: its first coin, the launcher's spend, and what the funding coin must do."""

    first_coin: RegistryCoin
    spend: CoinSpend
    funding_conditions: tuple[Program, ...]


def launch(funding_coin_id: CoinId, owners: Owners, name: str) -> Launch:
    """Launch a registry from a funding coin, which pays 1 mojo; raises RecordError for a name not fit for the chain."""
    name = canonical_text(name)
    check_field("name", name)
    launcher = launcher_coin(funding_coin_id)
    registry = LauncherId(bytes(launcher.name()))
    inner = ledger_puzzle_hash(registry, ROOT_AT_BIRTH, owners.owners_hash)
    puzzle_hash = singleton_puzzle_hash(registry, inner)
    notes = Program.to([("name", name), ("owners", owners.owners_hash)])
    first = RegistryCoin(
        coin=Coin(launcher.name(), bytes32(puzzle_hash), launcher.amount),
        lineage_proof=lineage_of(launcher, None),
        registry=registry,
        root=ROOT_AT_BIRTH,
        owners=owners,
    )
    conditions = (
        create_coin(PuzzleHash(bytes(LAUNCHER_PUZZLE_HASH)), Mojos(1)),
        assert_coin_announcement(launch_announcement(launcher, puzzle_hash, notes)),
    )
    return Launch(first_coin=first, spend=launch_spend(launcher, puzzle_hash, notes), funding_conditions=conditions)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchReading:
    """A genuine launch: name, owners at birth, and the first coin."""

    registry: LauncherId
    name: bytes
    owners_hash: bytes
    first_coin: Coin


def read_launch(spend: CoinSpend) -> LaunchReading | None:
    """The launch of a genuine registry, or None.

    Genuine means: the launcher's puzzle, and a child whose whole puzzle hash is the one recomputed here from our own
    mod hashes, the one-leaf root and the owners named. Comparing mods and arguments would not do.
    """
    if spend.coin.puzzle_hash != LAUNCHER_PUZZLE_HASH:
        return None
    solution = first_items(parsed(bytes(spend.solution)), 3)
    if len(solution) < 3 or solution[1].atom is None:
        return None
    found: dict[bytes, bytes] = {}
    for note in first_items(solution[2], MAX_NOTES):
        if note.pair is not None:
            key, value = Program(note.pair[0]).atom, Program(note.pair[1]).atom
            if key is not None and value is not None:
                found.setdefault(key, value)
    owners_hash = found.get(b"owners", b"")
    if len(owners_hash) != 32:
        return None
    registry = LauncherId(bytes(spend.coin.name()))
    inner = ledger_puzzle_hash(registry, ROOT_AT_BIRTH, owners_hash)
    puzzle_hash = singleton_puzzle_hash(registry, inner)
    amount = int.from_bytes(solution[1].atom, "big", signed=True)
    if solution[0].atom != puzzle_hash or not 0 < amount < 2**64 or amount % 2 == 0:
        return None
    first = Coin(spend.coin.name(), bytes32(puzzle_hash), uint64(amount))
    return LaunchReading(registry=registry, name=found.get(b"name", b""), owners_hash=owners_hash, first_coin=first)


@dataclass(frozen=True, kw_only=True)
class LedgerReading:
    """The ledger inside a registry coin as its spend reveals it, and the owner's puzzle that ran."""

    registry: LauncherId
    root: bytes
    owners_hash: bytes
    issuer_puzzle: Program
    governor_puzzle_hash: PuzzleHash
    owner_puzzle: Program
    owner_solution: Program
    is_governor: bool


def read_ledger(inner_puzzle: bytes, inner_solution: Program) -> LedgerReading | None:
    """The ledger of a serialized puzzle, or None if it is not ours; raises MalformedSpend if its values are not."""
    curried = curried_values(inner_puzzle, mod_bytes(LEDGER), 3)
    if curried is None:
        return None
    values = [parsed(value) for value in curried]
    solution = first_items(inner_solution, 2)
    if values[0].atom != mod_hash(LEDGER):
        raise MalformedSpend("a registry's ledger is not curried with its own mod hash")
    if len(solution) < 2 or values[1].pair is None or values[2].pair is None:
        raise MalformedSpend("a registry's ledger shows neither a state nor a solution of two parts")
    registry, root = (Program(part).atom for part in values[1].pair)
    issuer, governor = (Program(part) for part in values[2].pair)
    if registry is None or root is None or governor.atom is None:
        raise MalformedSpend("the state of a registry's ledger is not (registry . root), or its governor no hash")
    is_governor = solution[0] != Program.to(0)
    return LedgerReading(
        registry=LauncherId(registry),
        root=root,
        owners_hash=bytes(tree_hash(curried[2])),
        issuer_puzzle=issuer,
        governor_puzzle_hash=PuzzleHash(governor.atom),
        owner_puzzle=solution[0] if is_governor else issuer,
        owner_solution=solution[1],
        is_governor=is_governor,
    )


def conditions_for_issuer(issues: Iterable[Program], owners: Owners, others: Iterable[Program] = ()) -> list[Program]:
    """What an issuer signs to issue: the issues in order, then the next coin, then anything else."""
    return [*issues, next_coin_condition(owners.owners_hash), *others]
