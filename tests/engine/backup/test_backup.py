"""A backup is one moment of the register, whole, and restores in either database what was there."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.backup.lived import live, new_numbers, rows_of, tables_in, write_past
from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import document, unit
from tokenization_engine.backup.form import check
from tokenization_engine.backup.restore import restore
from tokenization_engine.backup.tables import table_names
from tokenization_engine.backup.write import back_up
from tokenization_engine.errors import BackupInvalid, TrailBroken
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.store import MIGRATIONS, Register
from tokenization_engine.register.verify import verify

Open = Callable[[str], Register]


@pytest.mark.parametrize("target", DATABASES)
@pytest.mark.parametrize("source", DATABASES)
def test_register_restored_in_either_database_is_the_one_that_was_backed_up(
    databases: Databases, opened: Open, tmp_path: Path, source: str, target: str
) -> None:
    one = opened(databases.register(source))
    live(one)
    backup = back_up(one, tmp_path / "one.gz")
    url = databases.new(target)
    manifest, proof = restore(tmp_path / "one.gz", url)
    other = opened(url)
    back_up(other, tmp_path / "other.gz")
    assert rows_of(tmp_path / "other.gz") == rows_of(tmp_path / "one.gz")
    assert manifest == backup.manifest
    with one.reading() as before, other.reading() as after:
        assert verify(before) == verify(after) == proof
    assert proof.row_count > 5
    assert new_numbers(other) == (42, 3)


def test_backup_holds_every_table_of_the_program(lived: Register) -> None:
    assert tables_in(lived) == {*table_names(), f"{MIGRATIONS.partition('.')[0]}_schema"}


@pytest.mark.parametrize("kind", DATABASES)
def test_backup_is_of_one_moment_while_writers_go_on(
    databases: Databases, opened: Open, tmp_path: Path, kind: str
) -> None:
    url = databases.register(kind)
    register = opened(url)
    live(register)
    other = opened(url)
    written: list[int] = []

    def write_meanwhile(_done: int) -> None:
        number = 1000 + len(written)
        with other.writing("writer") as session:
            import_bytes(session, document(unit(number, number), projects=[]), "more.json")
        written.append(number)

    with register.reading() as session:
        entries = verify(session).entry_count
    found = back_up(register, tmp_path / "one.gz", progress=write_meanwhile)
    assert len(written) > 5
    assert found.manifest.last_entry == entries
    _, proof = restore(tmp_path / "one.gz", databases.register("sqlite"))
    assert proof.entry_count == entries
    with register.reading() as session:
        assert verify(session).entry_count == entries + len(written)


def test_backup_is_for_its_owner_alone_and_never_written_over(lived: Register, tmp_path: Path) -> None:
    file = tmp_path / "one.gz"
    back_up(lived, file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    with pytest.raises(BackupInvalid, match="is there already"):
        back_up(lived, file)
    assert file.read_bytes() == before


def test_backup_that_cannot_be_written_leaves_nothing(lived: Register, tmp_path: Path) -> None:
    with pytest.raises(BackupInvalid, match=r"cannot be written .No such file or directory"):
        back_up(lived, tmp_path / "missing" / "one.gz")
    folder = tmp_path / "folder"
    folder.mkdir()

    def run_full(_done: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(BackupInvalid, match="No space left"):
        back_up(lived, folder / "one.gz", progress=run_full)
    assert list(folder.iterdir()) == []


def test_register_that_does_not_hold_is_not_backed_up(lived: Register, tmp_path: Path) -> None:
    write_past(lived, "UPDATE projects SET project_name = 'Another'")
    with pytest.raises(TrailBroken, match="nothing was backed up, since the register does not hold: project"):
        back_up(lived, tmp_path / "one.gz")
    assert not list(tmp_path.glob("*.gz*"))


def test_backup_read_again_is_the_one_that_was_written(lived: Register, tmp_path: Path) -> None:
    done = back_up(lived, tmp_path / "one.gz")
    assert check(done.file) == done.manifest
    assert done.size == done.file.stat().st_size
