"""`tokenization-engine register ...` as a registry's clerk uses it: answers, refusals and exit codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import create_engine, text

from chain.connections import read_url
from tests.engine.register.samples import SERIES, document, unit, without
from tokenization_engine.cli import main
from tokenization_engine.register.vocabulary import shipped

INPUT, REFUSED = 3, 5


@dataclass(kw_only=True)
class Clerk:
    """A terminal, and a folder for files."""

    folder: Path
    database: str

    def run(self, *args: str, exit_code: int = 0) -> Result:
        """The command's result; it must end with this exit code."""
        result = CliRunner().invoke(main, ["--database", self.database, *args])
        assert result.exit_code == exit_code, (args, result.output, result.exception)
        return result

    def json(self, *args: str) -> Any:
        """The command's answer in JSON."""
        return json.loads(self.run(*args, "--json").stdout)

    def refusal(self, exit_code: int, *args: str) -> str:
        """The one sentence with which the command is refused."""
        (line,) = self.run(*args, exit_code=exit_code).stderr.strip().splitlines()
        assert line.startswith("Error: ")
        return str(line.removeprefix("Error: "))

    def file(self, name: str, value: object) -> str:
        """A file in the folder, of JSON unless it is bytes."""
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        (self.folder / name).write_bytes(data)
        return str(self.folder / name)

    def record(self, *args: str) -> dict[str, Any]:
        """Whole records, as `register record` prints them."""
        found: dict[str, Any] = json.loads(self.run("register", "record", *args).stdout)
        return found


@pytest.fixture
def clerk(register_url: str, tmp_path: Path) -> Clerk:
    clerk = Clerk(folder=tmp_path, database=register_url)
    clerk.run("import", clerk.file("first.json", document(unit(1, 100), unit(101, 200))))
    return clerk


def test_commit_of_what_was_seen_writes_that_or_nothing(clerk: Clerk) -> None:
    record = clerk.record(f"{SERIES}-1")
    (row,) = record["units"]
    row["unitOwner"] = "Alice"
    clerk.run("register", "stage", clerk.file("seen.json", record))
    seen = clerk.json("register", "diff")["version"]
    assert f"register commit --seen {seen}" in clerk.run("register", "diff").stderr
    row["unitOwner"] = "Mallory"
    clerk.run("register", "stage", clerk.file("swapped.json", record))
    refusal = clerk.refusal(REFUSED, "register", "commit", "--seen", seen)
    assert refusal.startswith("what is staged is not what you saw")
    assert "64 hex digits" in clerk.refusal(INPUT, "register", "commit", "--seen", "0x12")
    row["unitOwner"] = "Alice"
    clerk.run("register", "stage", clerk.file("again.json", record))
    assert clerk.json("register", "commit", "--seen", seen)["updated"] == 1
    (row,) = clerk.record(f"{SERIES}-1")["units"]
    assert row["unitOwner"] == "Alice"


def test_clerk_edits_a_record_compares_and_commits_it(clerk: Clerk) -> None:
    record = clerk.record(f"{SERIES}-1")
    (row,) = record["units"]
    row["unitOwner"] = "Alice"
    edited = clerk.file("edited.json", record)
    assert "0 insert, 1 update, 0 delete" in clerk.run("register", "stage", edited).stdout
    table = clerk.run("register", "diff").stdout
    assert "unitOwner" in table
    assert "Alice" in table
    (change,) = clerk.json("register", "diff")["changes"]
    assert (change["action"], change["diff"]["change"][0]["unitOwner"]) == ("UPDATE", "Alice")
    assert [(one["field"], one["before"], one["after"]) for one in change["fields"]] == [("unitOwner", None, "Alice")]
    done = clerk.json("register", "commit", "--comment", "by letter", "--author", "Dema")
    assert (done["updated"], done["first_entry"], done["last_entry"]) == (1, 6 + 1, 7)
    entries = clerk.json("register", "history", f"{SERIES}-1")["entries"]
    assert entries[-1]["author"] == "Dema"
    assert entries[-1]["comment"].startswith("by letter (staged by ")
    assert entries[-1]["changes"] == [{"column": "unit_owner", "before": None, "after": "Alice"}]
    assert "by letter" in clerk.run("register", "history", f"{SERIES}-1").stdout
    sentence = clerk.refusal(REFUSED, "register", "stage", edited)
    assert "was changed since it was read" in sentence


def test_clerk_adds_splits_deletes_and_drops(clerk: Clerk) -> None:
    clerk.run("register", "stage", clerk.file("new.json", document(unit(301, 400), projects=[])))
    clerk.run("register", "stage", "--split", f"{SERIES}-1", "40,60", "--delete-unit", f"{SERIES}-101")
    assert [one["action"] for one in clerk.json("register", "diff")["changes"]] == ["INSERT", "UPDATE", "DELETE"]
    assert clerk.json("register", "commit")["inserted"] == 1
    held = clerk.json("units", "list")["units"]
    assert [(one["first"], one["last"]) for one in held] == [(1, 40), (41, 100), (301, 400)]
    clerk.run("register", "stage", "--delete-project", "2746")
    assert "cannot be deleted while unit" in clerk.refusal(REFUSED, "register", "commit")
    assert clerk.json("register", "drop", "--all") == {"dropped": 1}
    assert "unbroken" in clerk.run("register", "verify").stdout


def test_clerk_edits_a_project_with_its_parts(clerk: Clerk) -> None:
    record = clerk.record("--project", "2746")
    record["projects"][0]["coBenefits"] = [{"cobenefit": "SDG 7 - Affordable and clean energy"}]
    clerk.run("register", "stage", clerk.file("p.json", record))
    clerk.run("register", "commit")
    kinds = [one["kind"] for one in clerk.json("register", "history", "2746", "--project")["entries"]]
    assert kinds[-1] == "coBenefit"


@pytest.mark.parametrize(
    ("args", "exit_code", "sentence"),
    [
        (("register", "stage"), INPUT, "there is nothing to stage"),
        (("register", "stage", "missing.json"), INPUT, "cannot be read"),
        (("register", "stage", "--split", f"{SERIES}-1", "x,y"), REFUSED, "a split names two parts or more"),
        (("register", "stage", "--split", f"{SERIES}-1", "40,40"), REFUSED, "hold 80 units, expected all its 100"),
        (("register", "commit"), REFUSED, "nothing is staged"),
        (("register", "commit", "nobody"), INPUT, "no change of nobody is staged"),
        (("register", "drop"), INPUT, "or --all"),
        (("register", "record"), INPUT, "name the units"),
        (("register", "history", f"{SERIES}-999"), INPUT, "holds no unit with the serial number"),
        (("register", "verify", "--noted", "0x12"), INPUT, "expected 0x and 64 hex digits"),
        (("register", "verify", "--noted", "0x" + "ab" * 32), REFUSED, "the trail was written anew"),
        (("register", "vocabularies", "show", "colours"), INPUT, "there is no list 'colours'"),
        (("register", "vocabularies", "load", "missing.json"), INPUT, "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    clerk: Clerk, args: tuple[str, ...], exit_code: int, sentence: str
) -> None:
    assert sentence in clerk.refusal(exit_code, *args)


def test_index_that_was_written_past_the_register_is_made_anew(clerk: Clerk) -> None:
    assert clerk.json("units", "list")["record_count"] == 2
    engine = create_engine(read_url(clerk.database))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM search_bitmaps"))
    engine.dispose()
    assert clerk.json("units", "list")["record_count"] == 0
    assert "of 2 unit records and 1 projects" in clerk.run("register", "reindex").stdout
    assert clerk.json("units", "list")["record_count"] == 2
    assert clerk.json("register", "reindex") == {"units": 2, "projects": 1}
    clerk.run("register", "verify")


def test_broken_register_is_named_with_its_entry(clerk: Clerk) -> None:
    engine = create_engine(read_url(clerk.database))
    with engine.begin() as connection:
        connection.execute(text("UPDATE units SET unit_owner = 'Mallory' WHERE first LIKE '%101'"))
    engine.dispose()
    assert "is not what entry 6 left" in clerk.refusal(REFUSED, "register", "verify")
    assert json.loads(clerk.run("register", "verify", "--json", exit_code=REFUSED).stderr)["error"] == "TrailBroken"


def test_vocabularies_are_shown_and_loaded(clerk: Clerk) -> None:
    shown = clerk.run("register", "vocabularies", "show").stdout
    assert shipped().source in shown
    assert "methodology" in shown
    assert "Held" in clerk.run("register", "vocabularies", "show", "unitStatus").stdout
    answer = {name: list(words) for name, words in shipped().lists.items()} | {"ratingType": ["A new agency"]}
    clerk.run("register", "vocabularies", "load", clerk.file("answer.json", answer), "--comment", "2027")
    assert clerk.json("register", "vocabularies", "show", "ratingType")["words"] == ["A new agency"]
    bad = clerk.file("bad.json", without(answer, "unitType"))
    assert "lacks unitType" in clerk.refusal(INPUT, "register", "vocabularies", "load", bad)


def test_index_whose_state_was_lost_is_made_anew(clerk: Clerk) -> None:
    engine = create_engine(read_url(clerk.database))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM search_state"))
    engine.dispose()
    assert clerk.json("register", "reindex") == {"units": 2, "projects": 1}
    assert clerk.json("units", "list")["record_count"] == 2
