"""The command line's `register` group: staged changes, the audit trail, the governance lists."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chain.console import Output, output_option, working
from tokenization_engine.cli_options import FILE, read_hash
from tokenization_engine.cli_problems import VERSION, stage_any, telling_problems
from tokenization_engine.cli_register import OnlyChecking, opened_register
from tokenization_engine.cli_sheets import export_command, template_command
from tokenization_engine.errors import NothingToDo, TrailBroken
from tokenization_engine.register.audit import Change
from tokenization_engine.register.history import field_changes, project_history, unit_history
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.queries import find_project, find_unit
from tokenization_engine.register.records import record_version, whole_record
from tokenization_engine.register.search.kept import state_of
from tokenization_engine.register.staging.commit import commit
from tokenization_engine.register.staging.desk import (
    count_staged,
    drop,
    stage_delete,
    stage_split,
    staged_changes,
)
from tokenization_engine.register.staging.differences import Action, Difference, Staged, Table, differences
from tokenization_engine.register.staging.many import OnDesk, StagedMany
from tokenization_engine.register.staging.seen import desk_version
from tokenization_engine.register.verify import verify
from tokenization_engine.register.vocabularies import ENFORCED, current, load
from tokenization_engine.register.vocabularies import read_file as read_governance_file

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_DIFF_COLUMNS = ("record", "change", "field", "is", "becomes")
_HISTORY_COLUMNS = ("entry", "when", "who", "why", "record", "field", "was", "became", "comment")
_LONGEST_CELL = 60


@click.group()
def register() -> None:
    """Stage changes of the register's records, compare, commit; prove its audit trail."""


register.add_command(template_command)
register.add_command(export_command)


@register.command("record")
@click.argument("units", nargs=-1, metavar="[UNIT...]")
@click.option("--project", "projects", multiple=True, metavar="PROJECT", help="A project, with its parts.")
def record_command(units: tuple[str, ...], projects: tuple[str, ...]) -> None:
    """Whole records as JSON, to be edited and staged: units by id or serial number, projects by id or name."""
    if not (units or projects):
        raise NothingToDo("name the units, by id or serial number, or --project with a project's id or name")
    with opened_register() as (opened, _), opened.reading() as session:
        rows = {
            "projects": [_with_version(find_project(session, name)) for name in projects],
            "units": [_with_version(find_unit(session, name)) for name in units],
        }
    shown = {name: records for name, records in rows.items() if records}
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))


@register.command("stage")
@click.argument("file", type=FILE, required=False)
@click.option("--delete-unit", "units", multiple=True, metavar="UNIT", help="Stage the deletion of a unit.")
@click.option("--delete-project", "projects", multiple=True, metavar="PROJECT", help="Stage the deletion of a project.")
@click.option("--split", "split", nargs=2, metavar="UNIT COUNTS", help="Stage a unit in parts, as in --split ID 40,60.")
@click.option("--dry-run", is_flag=True, help="Check FILE, stage nothing, and show every problem by its place.")
@click.option("--marked", type=FILE, help="Where to write a copy of an XLSX FILE with the problems marked.")
@output_option
def stage_command(
    out: Output,
    file: Path | None,
    *,
    units: tuple[str, ...],
    projects: tuple[str, ...],
    split: tuple[str, str] | None,
    dry_run: bool,
    marked: Path | None,
) -> None:
    """Stage the records of FILE (XLSX, CSV or JSON): new ones, and those the register holds as they are to be.

    Records that say what the register says already are passed over.
    """
    if file is None and not (units or projects or split):
        raise NothingToDo("there is nothing to stage: name a file, --delete-unit, --delete-project or --split")
    staged: list[OnDesk] = []
    with (
        opened_register() as (opened, author),
        suppress(OnlyChecking),
        opened.writing(author) as session,
    ):
        done = StagedMany() if file is None else _stage_file(out, session, file, is_dry_run=dry_run, marked=marked)
        staged += done.changes
        if split:
            counts = [{"unitCount": int(count) if count.isdecimal() else 0} for count in split[1].split(",")]
            staged.append(_on_desk(stage_split(session, find_unit(session, split[0]).id, counts)))
        ends = [stage_delete(session, Table.UNITS, find_unit(session, name).id) for name in units]
        ends += [stage_delete(session, Table.PROJECTS, find_project(session, name).id) for name in projects]
        staged += [_on_desk(one) for one in ends if one is not None]
        if dry_run:
            raise OnlyChecking
    counts_text = ", ".join(f"{sum(one.action is action for one in staged)} {action.lower()}" for action in Action)
    verb = "would be staged" if dry_run else "staged"
    text = f"{verb}: {counts_text}; {done.unchanged_count} records say what the register says"
    text += "" if dry_run or not staged else "; see `register diff`, then `register commit` or `register drop`"
    value = {"is_dry_run": dry_run, "staged": staged, "unchanged_count": done.unchanged_count}
    out.show(value, text=lambda console: console.print(text))


@register.command("diff")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True, help="Changes shown.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Changes passed over before them.")
@output_option
def diff_command(out: Output, limit: int, offset: int) -> None:
    """What the staged changes write, field by field, in the order in which they were staged."""
    with opened_register() as (opened, _), opened.reading() as session:
        waiting = staged_changes(session, limit=limit, offset=offset)
        count, version = count_staged(session), f"0x{desk_version(session).hex()}"
    found = [(one, differences(one)) for one in waiting]
    value = [_diff_view(one, fields) for one, fields in found]
    rows = [
        (
            field.record_id,
            f"{one.action.lower()} {one.table.kind.kind}",
            field.field,
            *_cells(field.before, field.after),
        )
        for one, fields in found
        for field in fields
    ]
    nothing = "nothing would change" if found else "nothing is staged" if not count else f"only {count} changes wait"
    shown = {"changes": value, "staged_count": count, "version": version}
    out.show_table(shown, _DIFF_COLUMNS, rows, empty=nothing)
    if found and len(found) < count and not out.is_json:
        click.echo(f"changes {offset + 1} to {offset + len(found)} of {count}: see the others with --offset", err=True)
    if found and not out.is_json:
        click.echo(f"to commit this and nothing else: register commit --seen {version}", err=True)


@register.command("commit")
@click.argument("records", nargs=-1, metavar="[RECORD...]")
@click.option("--comment", help="Why, for the audit trail.")
@click.option("--author", help="Who, for the audit trail; the engine's setting if not given.")
@click.option(
    "--seen", metavar="VERSION", help="What `register diff` told; nothing is written if anything else waits by now."
)
@output_option
def commit_command(
    out: Output, records: tuple[str, ...], comment: str | None, author: str | None, seen: str | None
) -> None:
    """Write the staged changes into the register, or those of the RECORDs alone: all of them, or none."""
    version = None if seen is None else read_hash(seen)
    with (
        opened_register() as (opened, writer),
        opened.writing(author or writer, comment=comment) as session,
        working("committing", total=len(records) or count_staged(session)) as progress,
    ):
        done = commit(session, records or None, seen=version, progress=progress)
    text = (
        f"committed: {done.inserted} inserted, {done.updated} updated, {done.deleted} deleted; "
        f"entries {done.first_entry} to {done.last_entry} of the audit trail"
    )
    out.show(done, text=lambda console: console.print(text))


@register.command("drop")
@click.argument("records", nargs=-1, metavar="[RECORD...]")
@click.option("--all", "is_all", is_flag=True, help="Drop everything that is staged.")
@output_option
def drop_command(out: Output, records: tuple[str, ...], is_all: bool) -> None:
    """Forget the staged changes of the RECORDs, or --all; the register stays as it is."""
    if bool(records) == is_all:
        raise NothingToDo("name the records whose staged changes are dropped, or --all")
    with opened_register() as (opened, author), opened.writing(author) as session:
        count = drop(session, None if is_all else records)
    out.show({"dropped": count}, text=lambda console: console.print(f"dropped: {count} staged changes"))


@register.command("history")
@click.argument("name", metavar="UNIT")
@click.option("--project", "is_project", is_flag=True, help="UNIT names a project.")
@output_option
def history_command(out: Output, name: str, is_project: bool) -> None:
    """Who changed what of a unit and when: by its id or a serial number; of a project with --project."""
    with opened_register() as (opened, _), opened.reading() as session:
        entries = project_history(session, name) if is_project else unit_history(session, name)
    rows = [row for entry in entries for row in _history_rows(entry)]
    value = [_history_view(entry) for entry in entries]
    out.show_table({"entries": value}, _HISTORY_COLUMNS, rows, empty="nothing was ever written")


@register.command("verify")
@click.option("--noted", metavar="HASH", help="A head of the trail noted before, 0x...: it must stand in the trail.")
@output_option
def verify_command(out: Output, noted: str | None) -> None:
    """Prove the audit trail unbroken, every row what its last entry says, and lists what the rows say."""
    head = None if noted is None else read_hash(noted)
    with opened_register() as (opened, _), working("walking the audit trail"), opened.reading() as session:
        proof = verify(session, noted=head)
    if not proof.holds:
        raise TrailBroken(f"the register does not hold: {proof.broken}")
    text = (
        f"unbroken: {proof.entry_count} entries, and {proof.row_count} rows as they say; "
        f"the head is 0x{proof.head_hash.hex()} (entry {proof.last_entry}), worth noting elsewhere"
    )
    out.show(proof, text=lambda console: console.print(text, soft_wrap=True))


@register.command("reindex")
@output_option
def reindex_command(out: Output) -> None:
    """Make anew, from the records, what lists and searches are found by: two or three minutes for a million units."""
    with opened_register() as (opened, _), working("making the search index anew"):
        opened.rebuild_search()
        with opened.reading() as session:
            state = state_of(session)
    found = {"units": state.last_unit + 1, "projects": state.last_project + 1}
    text = f"the search index was made anew of {found['units']} unit records and {found['projects']} projects"
    out.show(found, text=lambda console: console.print(text))


@register.group()
def vocabularies() -> None:
    """The governance lists that records are held against."""


@vocabularies.command("show")
@click.argument("name", required=False, metavar="[LIST]")
@output_option
def vocabularies_show(out: Output, name: str | None) -> None:
    """The lists in force with source and version, or the words of one LIST."""
    with opened_register() as (opened, _), opened.reading() as session:
        found = current(session)
    if name is not None:
        if name not in found.lists:
            raise NothingToDo(f"there is no list {name[:100]!r}: expected one of {', '.join(found.lists)}")
        words = found.pick_list(name)
        out.show_table({"list": name, "words": words}, (name,), [(word,) for word in words], empty="the list is empty")
        return
    lists = {one: len(words) for one, words in found.lists.items()}
    rows = [(one, count, "asked for" if one in ENFORCED else "published") for one, count in lists.items()]
    value = {"source": found.source, "version": found.version, "lists": found.lists, "enforced": sorted(ENFORCED)}
    if not out.is_json:
        click.echo(f"{found.source}, version {found.version}")
    out.show_table(value, ("list", "words", "is"), rows, empty="no lists")


@vocabularies.command("load")
@click.argument("file", type=FILE)
@click.option("--comment", help="Why, for the audit trail.")
@output_option
def vocabularies_load(out: Output, file: Path, comment: str | None) -> None:
    """Put the lists of FILE in force: a governance file, or a CADT server's /v1/governance/meta/pickList."""
    vocabulary = read_governance_file(file)
    with opened_register() as (opened, author), opened.writing(author, comment=comment) as session:
        number = load(session, vocabulary).number
    text = f"in force: version {vocabulary.version} of {vocabulary.source}, the {number}. that this register loaded"
    value = {"number": number, "source": vocabulary.source, "version": vocabulary.version}
    out.show(value, text=lambda console: console.print(text))


def _with_version(record: Project | Unit) -> dict[str, Any]:
    return whole_record(record) | {VERSION: f"0x{record_version(record).hex()}"}


def _stage_file(out: Output, session: Session, file: Path, *, is_dry_run: bool, marked: Path | None) -> StagedMany:
    with (
        working(f"reading {file.name}", total=100) as progress,
        telling_problems(out, file, is_dry_run=is_dry_run, marked=marked),
    ):
        return stage_any(session, file, progress=progress)


def _on_desk(staged: Staged) -> OnDesk:
    return OnDesk(record_id=staged.record_id, table=staged.table, action=staged.action)


def _diff_view(staged: Staged, fields: list[Difference]) -> dict[str, Any]:
    return {
        "record_id": staged.record_id,
        "table": staged.table,
        "action": staged.action,
        "author": staged.author,
        "staged_timestamp": staged.staged_timestamp,
        "diff": {"original": staged.original, "change": staged.change},
        "fields": fields,
    }


def _history_view(entry: Change) -> dict[str, Any]:
    return {
        "entry": entry.sequence,
        "timestamp": entry.written_timestamp,
        "author": entry.author,
        "comment": entry.comment,
        "action": entry.action,
        "kind": entry.kind,
        "record_id": entry.record_id,
        "coin_id": None if entry.coin_id is None else f"0x{entry.coin_id.hex()}",
        "changes": field_changes(entry),
    }


def _history_rows(entry: Change) -> list[tuple[object, ...]]:
    when = datetime.fromtimestamp(entry.written_timestamp, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    head = (entry.sequence, when, entry.author, entry.action, entry.kind)
    if entry.before is None or entry.after is None:
        what = "is new" if entry.before is None else "is deleted"
        return [(*head, what, "", "", entry.comment or "")]
    return [(*head, one.column, *_cells(one.before, one.after), entry.comment or "") for one in field_changes(entry)]


def _cells(*values: object) -> list[str]:
    texts = ["" if value is None else str(value) for value in values]
    return [text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 3] + "..." for text in texts]
