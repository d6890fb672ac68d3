"""Driver of `unit_block_tail` and `unit_block_issuance`: the token of one unit block, its asset id, and its solutions.

The token commits to registry, serials and metadata: a token cannot lie about its vintage (P4).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chia.types.blockchain_format.program import Program
from chia.wallet.util.curry_and_treehash import (
    calculate_hash_of_quoted_mod_hash,
    curry_and_treehash,
    shatree_atom,
    shatree_pair,
)
from chia_rs.sized_bytes import bytes32

from puzzles.errors import MalformedSpend, SpendRefused
from puzzles.fields import Fields, read_fields
from puzzles.program import load_mod, mod_hash
from puzzles.tree import has_at_most, tree_hash
from puzzles.units import (
    MAX_SERIES_LENGTH,
    MOJOS_PER_UNIT,
    SERIES_FORM,
    AssetId,
    LauncherId,
    PuzzleHash,
    UnitBlock,
)

TAIL = "unit_block_tail"
ISSUANCE = "unit_block_issuance"
NUMBER_BYTES = 8
MAX_CLAIM_NODES = 1000
"""More than (issuance program registry . block hash) has: about 530 bytes, and no node takes less than one."""


@dataclass(frozen=True, kw_only=True)
class Token:
    """What one token commits to: the registry, and the block `(series first end . metadata)` as on chain."""

    registry: LauncherId
    block: Program

    @cached_property
    def block_hash(self) -> bytes:
        """Tree hash of the block with its metadata, 32 bytes."""
        return tree_hash(self.block)

    @cached_property
    def issuance_hash(self) -> bytes:
        """What the tail curries: the tree hash of (issuance program registry . block hash), 32 bytes."""
        return issuance_hash(self.registry, self.block_hash)

    @cached_property
    def asset_id(self) -> AssetId:
        """Tree hash of the curried tail, 32 bytes."""
        return asset_id(self.issuance_hash)

    @cached_property
    def tail(self) -> Program:
        """The curried tail."""
        return tail(self.issuance_hash)

    @cached_property
    def reading(self) -> BlockReading:
        """The block as read; a stranger's registry may have written anything into it."""
        return read_block(self.block)


def token_of(registry: LauncherId, block: UnitBlock, metadata: Program) -> Token:
    """The token of a block in canonical form with its metadata (see `fields.write_fields`)."""
    return Token(registry=registry, block=block_program(block, metadata))


def block_program(block: UnitBlock, metadata: Program) -> Program:
    """The block on chain: `(series first end . metadata)`, numbers in 8 bytes, end not included."""
    first, end = (number.to_bytes(NUMBER_BYTES, "big") for number in (block.first, block.last + 1))
    return Program.to((block.series.encode("ascii"), (first, (end, metadata))))


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReading:
    """A block as the chain shows it; `block` is None if series or count are outside the canonical form."""

    series: bytes
    first: int
    end: int
    metadata: Fields
    block: UnitBlock | None


def read_block(tree: Program) -> BlockReading:
    """Read `(series first end . metadata)` as the ledger accepted it; raises MalformedSpend for another shape."""
    parts: list[bytes] = []
    for _ in range(3):
        atom = Program(tree.pair[0]).atom if tree.pair is not None else None
        if tree.pair is None or atom is None:
            raise MalformedSpend("an issued block is not (series first end . metadata)")
        parts.append(atom)
        tree = Program(tree.pair[1])
    series, first_bytes, end_bytes = parts
    if len(first_bytes) != NUMBER_BYTES or len(end_bytes) != NUMBER_BYTES or first_bytes >= end_bytes:
        raise MalformedSpend("the serial numbers of an issued block are not two rising numbers of 8 bytes")
    first, end = int.from_bytes(first_bytes, "big"), int.from_bytes(end_bytes, "big")
    text = series.decode("ascii", errors="replace")
    is_canonical = bool(SERIES_FORM.fullmatch(text)) and len(series) <= MAX_SERIES_LENGTH
    block = UnitBlock(series=text, first=first, last=end - 1) if is_canonical else None
    return BlockReading(series=series, first=first, end=end, metadata=read_fields(tree), block=block)


_QUOTED_TAIL = calculate_hash_of_quoted_mod_hash(bytes32(mod_hash(TAIL)))


def issuance_hash(registry: LauncherId, block_hash: bytes) -> bytes:
    """Tree hash of (issuance program registry . block hash): registry and block in one, 32 bytes."""
    pair = shatree_pair(shatree_atom(bytes32(registry)), shatree_atom(bytes32(block_hash)))
    return bytes(shatree_pair(bytes32(mod_hash(ISSUANCE)), pair))


def asset_id(issuance_hash: bytes) -> AssetId:
    """The asset id of the token whose tail curries this hash."""
    return AssetId(bytes(curry_and_treehash(_QUOTED_TAIL, shatree_atom(bytes32(issuance_hash)))))


def tail(issuance_hash: bytes) -> Program:
    """The tail curried with this hash: all that a holder needs to retire."""
    return load_mod(TAIL).curry(issuance_hash)


def retire_solution(units: int, record: Program) -> Program:
    """The tail's solution that retires whole units: `((() . units) . record)`; raises SpendRefused unless units > 0."""
    if units <= 0:
        raise SpendRefused(f"{units} units cannot be retired: expected at least 1")
    return Program.to(((0, units), record))


def issue_solution(token: Token, registry_inner_puzzle_hash: PuzzleHash) -> Program:
    """The tail's solution that receives the ledger's message for an eve coin."""
    return Program.to((_claim(token), [registry_inner_puzzle_hash, 0]))


def detokenize_solution(token: Token, registry_inner_puzzle_hash: PuzzleHash, units: int) -> Program:
    """The tail's solution that detokenizes whole units; raises SpendRefused unless units > 0."""
    if units <= 0:
        raise SpendRefused(f"{units} units cannot be detokenized: expected at least 1")
    return Program.to((_claim(token), [registry_inner_puzzle_hash, units]))


def _claim(token: Token) -> Program:
    return Program.to((load_mod(ISSUANCE), (token.registry, token.block_hash)))


def delta_of(units: int) -> int:
    """The extra delta of the coin that burns so many units, negative mojos."""
    return -MOJOS_PER_UNIT * units


@dataclass(frozen=True, slots=True, kw_only=True)
class Burn:
    """What a tail solution asks for: the record of a retirement, or None for the issuance program's branch."""

    record: Program | None


def read_tail_solution(solution: Program, issuance_hash: bytes) -> Burn:
    """Which branch of the tail this solution takes, decided as the tail decides it; raises MalformedSpend if none."""
    if solution.pair is None:
        raise MalformedSpend("a tail solution is an atom: expected ((program . units) . record)")
    claim, record = (Program(part) for part in solution.pair)
    is_issuance = has_at_most(claim, MAX_CLAIM_NODES) and bytes(claim.get_tree_hash()) == issuance_hash
    return Burn(record=None if is_issuance else record)
