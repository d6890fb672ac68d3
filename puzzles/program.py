"""The compiled puzzles, loaded from the `.clsp.hex` beside each source and held to `hashes.json`; never compiles."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from chia.types.blockchain_format.program import Program

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
def mod_hash(name: str) -> PuzzleHash:
    """Tree hash of the compiled mod of that name, 32 bytes."""
    return PuzzleHash(bytes(load_mod(name).get_tree_hash()))
