"""The compiled puzzles, loaded from the `.clsp.hex` beside each source and held to `hashes.json`; never compiles.

Also how a puzzle that others reveal is taken apart: by its bytes, since a reader of the chain does it for every spend.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from chia.types.blockchain_format.program import Program
from chia_rs import serialized_length

from puzzles.units import PuzzleHash

CLSP = files("puzzles") / "clsp"


@cache
def mod_hashes() -> dict[str, bytes]:
    """Tree hash of every mod of ours, by name, as `hashes.json` records it."""
    return {name: bytes.fromhex(text) for name, text in json.loads((CLSP / "hashes.json").read_text()).items()}


@cache
def load_mod(name: str) -> Program:
    """The compiled mod of that name; raises RuntimeError if the `.hex` is not the one that `hashes.json` records."""
    mod = Program.fromhex((CLSP / f"{name}.clsp.hex").read_text().strip())
    if mod.get_tree_hash() != mod_hashes()[name]:
        raise RuntimeError(f"puzzles/clsp/{name}.clsp.hex does not match hashes.json: run `make compile`")
    return mod


@cache
def mod_bytes(name: str) -> bytes:
    """The compiled mod of that name, serialized."""
    return bytes(load_mod(name))


@cache
def mod_hash(name: str) -> PuzzleHash:
    """Tree hash of the compiled mod of that name, 32 bytes."""
    return PuzzleHash(bytes(load_mod(name).get_tree_hash()))


_APPLY, _QUOTED, _CONS = b"\xff\x02", b"\xff\xff\x01", b"\xff\x04"
_ITEM, _ENVIRONMENT, _NIL = b"\xff", b"\x01", b"\x80"


def curried(mod: bytes, values: Sequence[bytes]) -> bytes:
    """`(a (q . mod) (c (q . value) ... 1))` of serialized values, serialized."""
    head = b"".join(_CONS + _QUOTED + value + _ITEM for value in values)
    return _APPLY + _QUOTED + mod + _ITEM + head + _ENVIRONMENT + _NIL * (len(values) + 1)


def curried_values(puzzle: bytes, mod: bytes, count: int) -> list[bytes] | None:
    """The values in `(a (q . mod) (c (q . value) ... 1))`, each serialized; None if the puzzle is not exactly that.

    The mod is compared whole. A puzzle not in its shortest serialization is read as what it says.
    """
    found = _curried_values(puzzle, mod, count)
    return found if found is not None else _curried_values(bytes(Program.from_bytes(puzzle)), mod, count)


def _curried_values(puzzle: bytes, mod: bytes, count: int) -> list[bytes] | None:
    head = _APPLY + _QUOTED + mod + _ITEM
    if not puzzle.startswith(head):
        return None
    at, values = len(head), []
    for _ in range(count):
        if not puzzle.startswith(_CONS + _QUOTED, at):
            return None
        at += len(_CONS + _QUOTED)
        end = at + serialized_length(puzzle[at:])
        values.append(puzzle[at:end])
        if not puzzle.startswith(_ITEM, end):
            return None
        at = end + len(_ITEM)
    return values if puzzle[at:] == _ENVIRONMENT + _NIL * (count + 1) else None


def is_curry_of(puzzle: bytes, mod: bytes) -> bool:
    """Whether the puzzle is this mod with values curried in, however many; both in their shortest serialization."""
    return puzzle.startswith(_APPLY + _QUOTED + mod + _ITEM)


def applied(puzzle: bytes, path: int) -> bytes:
    """`(a (q . puzzle) path)`, serialized: runs that puzzle on the part of its solution at the path, below 128."""
    assert 0 < path < 128, "a path of one byte"
    return _APPLY + _QUOTED + puzzle + _ITEM + bytes([path]) + _NIL
