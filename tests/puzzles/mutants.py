"""Our puzzles with a line replaced: the same attack gets through there, or its refusal says nothing about that line."""

from __future__ import annotations

import atexit
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from chia.types.blockchain_format.program import Program
from chia.wallet.util.curry_and_treehash import calculate_hash_of_quoted_mod_hash
from chia_rs import SpendBundle
from chia_rs.sized_bytes import bytes32

from puzzles import program, registry_ledger, unit_block_tail
from puzzles.compile import BEFORE_LEDGER, FOLDER, compile_all, compile_mod
from tests.puzzles.stage import Stage

LEDGER = "registry_ledger"

_WORKSHOP = TemporaryDirectory(prefix="mutants-")
atexit.register(_WORKSHOP.cleanup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One source, one piece of text that stands in it once, and what stands there instead."""

    source: str
    line: str
    instead: str

    @property
    def mod(self) -> str:
        """Name of the mod, if the source is one."""
        return Path(self.source).stem


@contextmanager
def standing(mutant: Mutant) -> Iterator[None]:
    """As long as this lasts, every driver works with the mutant in the place of our own puzzle."""
    try:
        _stand_on(_workplace(mutant))
        yield
    finally:
        _stand_on(FOLDER)


def is_refused_by_one_line(attack: Callable[[Stage], SpendBundle], mutant: Mutant) -> bool:
    """Whether the chain refuses the attack, and takes it where that line is another."""
    stage = Stage()
    assert stage.chain.why_not(attack(stage))
    with standing(mutant):
        stage = Stage()
        return stage.chain.takes(attack(stage))


@cache
def _workplace(mutant: Mutant) -> Path:
    """A folder like `puzzles/clsp` in which the mutant is compiled; made once a session."""
    folder = Path(mkdtemp(dir=_WORKSHOP.name)) / "clsp"
    shutil.copytree(FOLDER, folder)
    source = folder / mutant.source
    text = source.read_text()
    assert text.count(mutant.line) == 1, f"{mutant.source} has that line {text.count(mutant.line)} times"
    source.write_text(text.replace(mutant.line, mutant.instead))
    if mutant.source.startswith("include/"):
        compiled = compile_all(folder)
    else:
        compiled = {mutant.mod: compile_mod(mutant.mod, folder)}
        if mutant.mod in BEFORE_LEDGER:
            # the ledger names this mod's hash, 32 bytes that stand in it as they are
            before, after = program.mod_hash(mutant.mod).hex(), _hash(compiled[mutant.mod])
            ledger = (folder / f"{LEDGER}.clsp.hex").read_text()
            assert before in ledger
            compiled[LEDGER] = ledger.replace(before, after)
    hashes = {name: known.hex() for name, known in program.mod_hashes().items()}
    for name, text in compiled.items():
        (folder / f"{name}.clsp.hex").write_text(text)
        hashes[name] = _hash(text)
    (folder / "hashes.json").write_text(json.dumps(hashes))
    return folder


def _hash(text: str) -> str:
    return Program.fromhex(text.strip()).get_tree_hash().hex()


def _stand_on(folder: Traversable) -> None:
    program.CLSP = folder
    for cached in (program.mod_hashes, program.load_mod, program.mod_bytes, program.mod_hash):
        cached.cache_clear()
    ledger, tail = (bytes32(program.mod_hash(name)) for name in (LEDGER, unit_block_tail.TAIL))
    registry_ledger._QUOTED_LEDGER = calculate_hash_of_quoted_mod_hash(ledger)
    unit_block_tail._QUOTED_TAIL = calculate_hash_of_quoted_mod_hash(tail)
