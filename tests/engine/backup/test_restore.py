"""Nothing is restored that is not whole and proven, and nothing over what is there."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, select

from chain.connections import read_url
from chain.database import bring_up_to_date, built_database
from tests.engine.backup.lived import Lines, column, forged, rows_in, rows_of, start_of
from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import imported
from tokenization_engine.backup import form
from tokenization_engine.backup.restore import restore
from tokenization_engine.backup.tables import reflected, table_names
from tokenization_engine.backup.write import back_up
from tokenization_engine.errors import BackupInvalid, RestoreRefused
from tokenization_engine.register.audit import canonical_json, entry_hash
from tokenization_engine.register.store import MIGRATIONS, Register
from tokenization_engine.register.verify import verify

Open = Callable[[str], Register]


def tables_at(url: str) -> list[str]:
    engine = create_engine(read_url(url))
    try:
        return inspect(engine).get_table_names()
    finally:
        engine.dispose()


def is_empty(url: str) -> bool:
    """Whether the database holds the tables of a register, and nothing in them."""
    register = Register.open(url)
    try:
        with register.reading() as session:
            tables = reflected(session.connection(), table_names())
            rows = [row for table in tables for row in session.execute(select(table))]
            proof = verify(session)
    finally:
        register.close()
    return [tuple(row) for row in rows] == [(1, 0, bytes(32))] and proof.holds


def changed(name: str, wanted: str, value: object) -> Callable[[Lines], None]:
    """Put a value into the first row of a table."""

    def change(lines: Lines) -> None:
        rows_in(lines, name)[0][column(lines, name, wanted)] = value

    return change


def chained_anew(lines: Lines) -> None:
    """Change what the first entry says, and hash the whole trail again, the manifest's head as well."""
    names = next(part["columns"] for part in lines[0]["tables"] if part["name"] == "audit_trail")
    head = bytes(32)
    for row in rows_in(lines, "audit_trail"):
        entry = dict(zip(names, row, strict=True)) | {"author": "somebody else"}
        entry["coin_id"] = None if entry["coin_id"] is None else bytes.fromhex(entry["coin_id"])
        head = entry_hash(head, entry)
        row[names.index("author")] = "somebody else"
        row[names.index("entry_hash")] = head.hex()
    rows_in(lines, "register_state")[0][column(lines, "register_state", "head_hash")] = head.hex()
    lines[0]["head_hash"] = head.hex()


def without_table(lines: Lines) -> None:
    start = start_of(lines, "job_issues")
    count = len(rows_in(lines, "job_issues"))
    del lines[start : start + count]
    lines[0]["tables"] = [part for part in lines[0]["tables"] if part["name"] != "job_issues"]


def without_last_entry(lines: Lines) -> None:
    part = next(part for part in lines[0]["tables"] if part["name"] == "audit_trail")
    del lines[start_of(lines, "audit_trail") + part["rows"] - 1]
    part["rows"] -= 1


def with_row_twice(lines: Lines) -> None:
    lines.insert(start_of(lines, "projects"), rows_in(lines, "projects")[0])
    next(part for part in lines[0]["tables"] if part["name"] == "projects")["rows"] += 1


def with_overlap(lines: Lines) -> None:
    """A second unit on the serials of the first, entry and hashes as they must be."""
    names = next(part["columns"] for part in lines[0]["tables"] if part["name"] == "units")
    last = rows_in(lines, "units")[-1]
    row = list(last)
    row[names.index("id")] = "00000000-0000-4000-8000-000000000000"
    row[names.index("first")] = row[names.index("last")]
    lines.insert(start_of(lines, "units"), row)
    next(part for part in lines[0]["tables"] if part["name"] == "units")["rows"] += 1
    assert canonical_json(row)


FORGERIES: list[tuple[Callable[[Lines], None], str]] = [
    (lambda lines: lines[0].update(format="x"), "its first line is not the manifest"),
    (lambda lines: lines[0].update(version=2), "has form 2, and this program reads 1"),
    (lambda lines: lines[0].update(version="1" * 1000), "has form '1111"),
    (lambda lines: lines[0].update(schema="0001_register"), "has tables of the schema"),
    (lambda lines: lines[0].update(tables={}), "its manifest lacks a value"),
    (lambda lines: lines[0]["tables"][0].update(rows=-1), "its manifest lacks a value"),
    (lambda lines: lines[0]["tables"][0].update(rows=True), "its manifest lacks a value"),
    (lambda lines: lines[0]["tables"][0].update(rows=10**9), "and its manifest says 1000000"),
    (lambda lines: lines[0]["tables"][0].update(name='x"; DROP TABLE units; --'), "not those of its schema"),
    (lambda lines: lines[0]["tables"].append(lines[0]["tables"][0]), "not those of its schema"),
    (lambda lines: lines[0]["tables"][0]["columns"].__setitem__(0, "nonsense"), "the columns of .* are not those"),
    (lambda lines: lines[0].update(last_entry=1), "does not end where its manifest says"),
    (lambda lines: lines.insert(1, {"sha256": "00"}), r"it has \d+ rows, and its manifest says \d+"),
    (lambda lines: lines.__setitem__(1, {"sha256": "00"}), "row 1 of .* does not have the .* values"),
    (lambda lines: lines[1].append(1), "row 1 of .* does not have the .* values"),
    (lambda lines: lines.append([1]), r"it has \d+ rows, and its manifest says \d+"),
    (without_table, "its tables are not those of its schema"),
    (without_last_entry, "no register that holds: the trail ends at entry"),
    (with_row_twice, "the database refuses its rows"),
    (with_overlap, "the database refuses its rows .*may not share serials"),
    (changed("projects", "project_name", "Another"), "no register that holds: project .* is not what entry"),
    (changed("projects", "project_name", None), "the database refuses its rows"),
    (changed("projects", "project_name", 7), "row 1 of projects holds a wrong value .expected a text"),
    (changed("projects", "project_name", "\ud800"), "row 1 of projects holds a wrong value"),
    (changed("projects", "project_status_date", "yesterday"), "row 1 of projects holds a wrong value"),
    (changed("units", "unit_count", 2**63), "row 1 of units holds a wrong value .expected a whole number"),
    (changed("units", "unit_count", True), "row 1 of units holds a wrong value .expected a whole number"),
    (changed("units", "first", "7"), "no register that holds|may not share serials"),
    (changed("units", "issuance_id", "00000000-0000-4000-8000-000000000000"), "the database refuses its rows"),
    (changed("registries", "is_current", 1), "row 1 of registries holds a wrong value .expected true or false"),
    (changed("jobs", "registry_id", "00" * 31), "a row of jobs holds what the program never writes"),
    (changed("jobs", "registry_id", "zz"), "row 1 of jobs holds a wrong value"),
    (changed("audit_trail", "author", "somebody else"), "no register that holds: entry 1 does not have its hash"),
    (changed("audit_trail", "sequence", 3), "the database refuses its rows|entry 1 is missing"),
]


@pytest.mark.parametrize(("change", "sentence"), FORGERIES)
def test_forged_backup_is_refused_and_leaves_nothing(
    backup: Path, databases: Databases, change: Callable[[Lines], None], sentence: str
) -> None:
    url = databases.register("sqlite")
    with pytest.raises((BackupInvalid, RestoreRefused), match=sentence):
        restore(forged(backup, change), url)
    assert is_empty(url)


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ("9999_later", "the schema '9999_later', which this program does not know"),
        ("head", "the schema 'head', which this program does not know"),
        ("base", "the schema 'base', which this program does not know"),
        ("+1", "the schema '.1', which this program does not know"),
        ("0001_register", "its tables are not those of its schema"),
    ],
)
def test_backup_of_a_schema_that_is_none_is_refused(
    backup: Path, databases: Databases, schema: str, sentence: str
) -> None:
    url = databases.new("sqlite")
    with pytest.raises(BackupInvalid, match=sentence):
        restore(forged(backup, lambda lines: lines[0].update(schema=schema)), url)
    assert tables_at(url) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (with_overlap, "may not share serials"),
        (changed("projects", "project_name", None), "violates not-null constraint"),
        (changed("projects", "project_name", "x" * 256), "value too long"),
        (changed("projects", "project_name", "a\0b"), "NUL"),
        (changed("units", "first", "7"), "no register that holds|may not share serials"),
        (changed("audit_trail", "sequence", 3), "the database refuses its rows|entry 1 is missing"),
        (changed("projects", "project_name", "Another"), "no register that holds"),
        (changed("jobs", "seen_height", 2**40), "the database refuses its rows"),
    ],
)
def test_forged_backup_is_refused_by_postgresql_too(
    backup: Path, databases: Databases, change: Callable[[Lines], None], sentence: str
) -> None:
    url = databases.register("postgresql")
    with pytest.raises(BackupInvalid, match=sentence):
        restore(forged(backup, change), url)
    assert is_empty(url)


def test_line_changed_without_the_hash_is_refused_before_the_database_is_made(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupInvalid, match="its lines do not have the hash"):
        restore(forged(backup, lambda _: None, is_hashed=False), f"sqlite:///{tmp_path}/never.sqlite")
    assert not (tmp_path / "never.sqlite").exists()


def test_trail_written_anew_is_refused_by_a_head_noted_before(
    backup: Path, lived: Register, databases: Databases
) -> None:
    with lived.reading() as session:
        noted = verify(session).head_hash
    url = databases.register("sqlite")
    with pytest.raises(BackupInvalid, match="the trail was written anew"):
        restore(forged(backup, chained_anew), url, noted=noted)
    assert is_empty(url)
    assert restore(backup, url, noted=noted)[1].head_hash == noted


def test_backup_cut_anywhere_is_refused(backup: Path, tmp_path: Path) -> None:
    data = backup.read_bytes()
    content = gzip.decompress(data)
    cut = tmp_path / "cut.gz"
    for length in (0, 1, 9, 10, 11, *range(20, len(data) - 1, len(data) // 40), len(data) - 1):
        cut.write_bytes(data[:length])
        with pytest.raises(BackupInvalid):
            restore(cut, f"sqlite:///{tmp_path}/never.sqlite")
    for length in (0, 1, *range(20, len(content) - 1, len(content) // 40), len(content) - 1):
        cut.write_bytes(gzip.compress(content[:length]))
        with pytest.raises(BackupInvalid, match=r"it ends before|not the (manifest|hash)"):
            restore(cut, f"sqlite:///{tmp_path}/never.sqlite")
    assert not (tmp_path / "never.sqlite").exists()


def turned(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def unpacked(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return None


def test_backup_with_a_bit_turned_is_refused(backup: Path, tmp_path: Path) -> None:
    data = backup.read_bytes()
    content = gzip.decompress(data)
    # One bit in a thousand unpacks to the very same content: a copy from a period earlier, the padding at the end.
    packed = [turned(data, place) for place in range(10, len(data), len(data) // 60)]
    packed = [other for other in packed if unpacked(other) != content]
    said = [gzip.compress(turned(content, place)) for place in range(0, len(content), len(content) // 60)]
    other = tmp_path / "turned.gz"
    for data in packed + said:
        other.write_bytes(data)
        with pytest.raises(BackupInvalid):
            restore(other, f"sqlite:///{tmp_path}/never.sqlite")
    assert len(packed) > 50
    assert not (tmp_path / "never.sqlite").exists()


@pytest.mark.parametrize(
    ("content", "is_packed"),
    [
        (b"", False),
        (b"{}", False),
        (b"SQLite format 3\0" * 100, False),
        (b"", True),
        (b"\n", True),
        (b"[" * 100_000 + b"\n", True),
        (b"9" * 100_000 + b"\n", True),
        (b'{"a":1,"a":2}\n', True),
        (bytes(range(128, 256)) * 8, True),
    ],
    ids=["nothing", "object", "database", "empty", "line", "deep", "long number", "key twice", "no text"],
)
def test_file_that_is_no_backup_is_refused(tmp_path: Path, content: bytes, is_packed: bool) -> None:
    data = gzip.compress(content) if is_packed else content
    file = tmp_path / "some.gz"
    file.write_bytes(data)
    with pytest.raises(BackupInvalid, match=r"some.gz is no whole backup of a register"):
        restore(file, f"sqlite:///{tmp_path}/never.sqlite")


def test_endless_line_is_refused(backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(form, "LONGEST_LINE", 100)
    with pytest.raises(BackupInvalid, match="its first line is too long"):
        restore(backup, f"sqlite:///{tmp_path}/never.sqlite")


def test_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    for file in (tmp_path / "missing.gz", tmp_path):
        with pytest.raises(BackupInvalid, match="cannot be read"):
            restore(file, f"sqlite:///{tmp_path}/never.sqlite")


def test_more_after_the_last_line_is_refused(backup: Path, databases: Databases) -> None:
    backup.write_bytes(backup.read_bytes() + gzip.compress(b"[1]\n"))
    with pytest.raises(BackupInvalid, match="its last line is not the hash"):
        restore(backup, databases.register("sqlite"))


@pytest.mark.parametrize("kind", DATABASES)
def test_register_that_is_there_is_never_restored_over(
    backup: Path, databases: Databases, opened: Open, tmp_path: Path, kind: str
) -> None:
    register = opened(databases.register(kind))
    with register.writing("somebody") as session:
        imported(session)
    url = register.engine.url.render_as_string(hide_password=False)
    with pytest.raises(RestoreRefused, match="holds a register already"):
        restore(backup, url)
    with register.reading() as session:
        assert verify(session).holds
        assert verify(session).entry_count == 5
    with pytest.raises(RestoreRefused, match="holds a register already"):
        restore(backup, url)


@pytest.mark.parametrize("kind", DATABASES)
def test_register_without_a_row_may_be_restored_into(
    backup: Path, databases: Databases, opened: Open, tmp_path: Path, kind: str
) -> None:
    register = opened(databases.register(kind))
    restore(backup, register.engine.url.render_as_string(hide_password=False))
    back_up(register, tmp_path / "again.gz")
    assert rows_of(tmp_path / "again.gz") == rows_of(backup)


@pytest.mark.parametrize("kind", DATABASES)
def test_database_with_tables_of_another_schema_is_refused(backup: Path, databases: Databases, kind: str) -> None:
    url = databases.new(kind)
    with built_database(url) as connection:
        bring_up_to_date(connection, MIGRATIONS, revision="0002_journal")
    with pytest.raises(RestoreRefused, match="tables of the schema 0002_journal"):
        restore(backup, url)


@pytest.mark.parametrize("kind", DATABASES)
def test_backup_of_an_older_schema_is_brought_up_to_date(
    backup: Path, databases: Databases, opened: Open, tmp_path: Path, kind: str
) -> None:
    with built_database(first := databases.new("sqlite")) as connection:
        bring_up_to_date(connection, MIGRATIONS, revision="0003_whole_model")
    there = tables_at(first)

    def older(lines: Lines) -> None:
        lines[0]["schema"] = "0003_whole_model"
        later = [part for part in lines[0]["tables"] if part["name"] not in there]
        assert sum(part["rows"] for part in later) == 0
        lines[0]["tables"] = [part for part in lines[0]["tables"] if part not in later]

    url = databases.new(kind)
    restore(forged(backup, older), url)
    back_up(opened(url), tmp_path / "again.gz")
    assert rows_of(tmp_path / "again.gz") == rows_of(backup)


@pytest.mark.parametrize("kind", DATABASES)
def test_restore_that_stops_halfway_leaves_nothing(backup: Path, databases: Databases, kind: str) -> None:
    class Stopped(Exception):
        pass

    def stop(done: int) -> None:
        if done > 5:
            raise Stopped

    url = databases.new(kind)
    with pytest.raises(Stopped):
        restore(backup, url, progress=stop)
    assert tables_at(url) == []
    restore(backup, url)
