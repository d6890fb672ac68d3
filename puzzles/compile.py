"""Compile every `.clsp` beside its `.clsp.hex` and write `hashes.json`: `python -m puzzles.compile`.

A tool for whoever changes a puzzle; the programs never run it. The order matters: the ledger names the hashes of the
tail and of its issuance program, which are written to `include/mod_hashes.clib` first.
"""

from __future__ import annotations

import json
from pathlib import Path

import clvm_tools_rs
from chia.types.blockchain_format.program import Program
from chia_puzzles_py.programs import CAT_PUZZLE_HASH, SINGLETON_LAUNCHER_HASH, SINGLETON_TOP_LAYER_V1_1_HASH

FOLDER = Path(__file__).parent / "clsp"
STANDARD = {
    "CAT_MOD_HASH": CAT_PUZZLE_HASH,
    "SINGLETON_MOD_HASH": SINGLETON_TOP_LAYER_V1_1_HASH,
    "SINGLETON_LAUNCHER_HASH": SINGLETON_LAUNCHER_HASH,
}
BEFORE_LEDGER = ["unit_block_tail", "unit_block_issuance"]
AFTER = ["registry_ledger", "allotment", "governor_by_message", "governor_order"]


def compile_mod(name: str, folder: Path = FOLDER) -> str:
    """The mod of that name, compiled, as hex; raises the compiler's CompError with file and line."""
    source = (folder / f"{name}.clsp").read_text()
    return str(clvm_tools_rs.compile(source, [str(folder / "include")]))


def mod_hashes_clib(hashes: dict[str, bytes]) -> str:
    """The text of `include/mod_hashes.clib`: one constant a hash."""
    lines = "".join(f"  (defconstant {name} 0x{value.hex()})\n" for name, value in hashes.items())
    return f"(\n  ; Written by `make compile`: mod hashes of the standard library and of our own.\n{lines})\n"


def compile_all(folder: Path = FOLDER) -> dict[str, str]:
    """Hex of every mod by name; writes `include/mod_hashes.clib` on the way."""
    clib = folder / "include" / "mod_hashes.clib"
    known = dict(STANDARD)
    clib.write_text(mod_hashes_clib(known))
    compiled: dict[str, str] = {}
    for name in BEFORE_LEDGER:
        compiled[name] = compile_mod(name, folder)
        known[f"{name.upper()}_HASH"] = bytes(Program.fromhex(compiled[name]).get_tree_hash())
    clib.write_text(mod_hashes_clib(known))
    for name in AFTER:
        compiled[name] = compile_mod(name, folder)
    return compiled


def main() -> None:
    """Compile all and write the results beside the sources."""
    compiled = compile_all()
    hashes = {name: Program.fromhex(text).get_tree_hash().hex() for name, text in compiled.items()}
    for name, text in compiled.items():
        (FOLDER / f"{name}.clsp.hex").write_text(text + "\n")
        print(f"{name:22} {len(text) // 2:5} bytes  {hashes[name]}")
    (FOLDER / "hashes.json").write_text(json.dumps(hashes, indent=2) + "\n")


if __name__ == "__main__":
    main()
