"""The committed hex is what the sources say, and every hash is the one that has been reviewed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from chia.types.blockchain_format.program import Program

from puzzles import program
from puzzles.compile import FOLDER, compile_all
from puzzles.program import load_mod, mod_hashes

REVIEWED = {
    "unit_block_tail": "1ddaae119991ac0d45f72333320ba8c287a0cae8d3fb30384825776d02a20abc",
    "unit_block_issuance": "ce765c57d22b19bbdb9016d6f1bc4b556d2000426b2f6b7728fb4becb9ad31ea",
    "registry_ledger": "d24dca7a9307d843f398c369ac8cfc12dd635ad1af9de170c5e6dba9af13535f",
    "allotment": "de44d173357064d1f957fc7136afe6317de2d8998f56004e7b12c9d33aa8f6e9",
    "governor_by_message": "3d94f5e30f0bc5769136fb40c9a00c7e832436351b24916e1e2aeacafed660c0",
    "governor_order": "1537ce98741609f87eb6199f3e0b54d304f3765c86e0d028b3ead38ef5eed6d9",
}
"""A puzzle that changes names other tokens: change a line here only after a new review."""


@pytest.fixture(scope="module")
def recompiled(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], Path]:
    """Every source compiled again, in a copy of the folder."""
    folder = tmp_path_factory.mktemp("compile") / "clsp"
    shutil.copytree(FOLDER, folder)
    return compile_all(folder), folder


@pytest.mark.parametrize("name", REVIEWED)
def test_committed_hex_is_what_the_source_compiles_to(name: str, recompiled: tuple[dict[str, str], Path]) -> None:
    assert recompiled[0][name] == (FOLDER / f"{name}.clsp.hex").read_text().strip()


def test_mod_hashes_include_file_is_what_the_compiler_writes(recompiled: tuple[dict[str, str], Path]) -> None:
    written = (recompiled[1] / "include" / "mod_hashes.clib").read_text()
    assert written == (FOLDER / "include" / "mod_hashes.clib").read_text()


@pytest.mark.parametrize("name", REVIEWED)
def test_mod_hash_is_the_reviewed_one(name: str) -> None:
    assert load_mod(name).get_tree_hash().hex() == REVIEWED[name]
    assert mod_hashes()[name].hex() == REVIEWED[name]


def test_every_source_is_compiled_and_reviewed() -> None:
    assert {path.name.removesuffix(".clsp") for path in FOLDER.glob("*.clsp")} == set(REVIEWED) == set(mod_hashes())


def test_loading_a_changed_hex_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path / "clsp")
    (tmp_path / "clsp" / "allotment.clsp.hex").write_text(bytes(Program.to(1)).hex())
    monkeypatch.setattr(program, "CLSP", tmp_path / "clsp")
    load_mod.cache_clear()
    mod_hashes.cache_clear()
    try:
        with pytest.raises(RuntimeError, match="make compile"):
            load_mod("allotment")
    finally:
        load_mod.cache_clear()
        mod_hashes.cache_clear()
