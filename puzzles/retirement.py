"""Retirements: the record, the receipt coin that each one leaves, and the spend that seals it.

The receipt's puzzle is `(q (REMARK delta . record))`, amount 0: anyone may spend it, to nothing, and its spend prints
what was retired and why. Its coin id commits to token, holder's coin, amount and record.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia.wallet.util.curry_and_treehash import shatree_atom, shatree_pair
from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from clvm.casts import int_to_bytes

from puzzles.errors import RecordError
from puzzles.fields import PrivateField, canonical_text, write_fields
from puzzles.record_keys import RECORD_KEYS
from puzzles.tree import tree_hash
from puzzles.units import CoinId, PuzzleHash

REMARK = 1
_QUOTE_HASH = _REMARK_HASH = shatree_atom(b"\x01")
_NIL_HASH = shatree_atom(b"")


def write_record(public: dict[str, str], committed: tuple[PrivateField, ...] = ()) -> Program:
    """The record on chain, in the vocabulary's order; raises RecordError for a key outside it or a value not canonical.

    An empty record is allowed: a retirement for whoever holds the key.
    """
    unknown = sorted(set(public) | {field.key for field in committed}) if (public or committed) else []
    for key in unknown:
        if key not in RECORD_KEYS:
            raise RecordError(f"{key!r} is no field of a retirement record: expected one of {', '.join(RECORD_KEYS)}")
    order = list(RECORD_KEYS)
    ordered = [(key, canonical_text(public[key])) for key in order if key in public]
    return write_fields(ordered, sorted(committed, key=lambda field: order.index(field.key)))


def receipt_puzzle(delta: int, record: Program) -> Program:
    """`(q (REMARK delta . record))`: delta is minus the mojos retired."""
    return Program.to((1, [(REMARK, (delta, record))]))


def receipt_coin(parent_id: CoinId, delta: int, record: Program) -> Coin:
    """The coin that a retirement by this token coin leaves."""
    return Coin(bytes32(parent_id), bytes32(receipt_puzzle_hash(delta, record)), uint64(0))


def seal(receipt: Coin, delta: int, record: Program) -> CoinSpend:
    """The spend of an open receipt: no signature, no outputs, by anyone."""
    return CoinSpend(receipt, receipt_puzzle(delta, record).to_serialized(), Program.to(0).to_serialized())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptReading:
    """What a receipt's puzzle prints: delta (negative mojos) and the record."""

    delta: int
    record: Program


def read_receipt_puzzle(puzzle: Program) -> ReceiptReading | None:
    """Delta and record, or None if this is no receipt's puzzle; rebuilt and compared whole by the caller's coin id."""
    if puzzle.pair is None or Program(puzzle.pair[0]).atom != b"\x01":
        return None
    conditions = Program(puzzle.pair[1])
    if conditions.pair is None or Program(conditions.pair[1]).atom != b"":
        return None
    remark = Program(conditions.pair[0])
    if remark.pair is None or Program(remark.pair[0]).atom != b"\x01":
        return None
    body = Program(remark.pair[1])
    if body.pair is None:
        return None
    delta = Program(body.pair[0]).atom
    if delta is None:
        return None
    return ReceiptReading(delta=int.from_bytes(delta, "big", signed=True), record=Program(body.pair[1]))


def receipt_puzzle_hash(delta: int, record: Program) -> PuzzleHash:
    """Puzzle hash of the receipt, put together from the record's: a reader does this for every retirement."""
    printed = shatree_pair(shatree_atom(int_to_bytes(delta)), bytes32(tree_hash(record)))
    conditions = shatree_pair(shatree_pair(_REMARK_HASH, printed), _NIL_HASH)
    return PuzzleHash(bytes(shatree_pair(_QUOTE_HASH, conditions)))
