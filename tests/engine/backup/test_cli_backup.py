"""Backup and restore as an admin types them."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from chain.connections import file_of
from tests.engine.databases import Databases
from tokenization_engine.cli import main
from tokenization_engine.register.store import Register

RUNNER = CliRunner()


def test_admin_backs_up_and_restores_what_she_noted(lived: Register, databases: Databases, tmp_path: Path) -> None:
    file, url = str(tmp_path / "one.gz"), databases.register("sqlite")
    database = f"sqlite:///{file_of(lived.engine.url)}"
    done = RUNNER.invoke(main, ["--database", database, "backup", file, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["size"] == Path(file).stat().st_size
    head = told["manifest"]["head_hash"]
    wrong = RUNNER.invoke(main, ["--database", url, "restore", file, "--noted", "0x" + "11" * 32])
    assert wrong.exit_code == 3
    assert "the trail was written anew" in wrong.output
    restored = RUNNER.invoke(main, ["--database", url, "restore", file, "--noted", head])
    assert restored.exit_code == 0, restored.output
    assert f"its head is {head}" in restored.output
    proven = RUNNER.invoke(main, ["--database", url, "register", "verify", "--noted", head])
    assert proven.exit_code == 0, proven.output
    again = RUNNER.invoke(main, ["--database", url, "restore", file])
    assert (again.exit_code, "holds a register already" in again.output) == (5, True)


def test_admin_is_told_of_a_file_that_is_no_backup(lived: Register, tmp_path: Path) -> None:
    (tmp_path / "notes.gz").write_text("Dear diary")
    for name, sentence in (("notes.gz", "is no whole backup of a register"), ("missing.gz", "cannot be read")):
        done = RUNNER.invoke(main, ["--database", f"sqlite:///{tmp_path}/new.sqlite", "restore", str(tmp_path / name)])
        assert (done.exit_code, sentence in done.output) == (3, True)
    assert not (tmp_path / "new.sqlite").exists()
    database = f"sqlite:///{file_of(lived.engine.url)}"
    done = RUNNER.invoke(main, ["--database", database, "backup", str(tmp_path / "notes.gz")])
    assert (done.exit_code, "is there already" in done.output) == (3, True)
