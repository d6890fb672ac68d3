"""The commit: what waits is written into the register, all of it or none.

Changes are taken by the thousand: light rows say what is to be done, and the records themselves pass by in chunks, so
that a hundred thousand changes need no more memory than some thousand. Each record is held against the version it was
staged from before anything of its chunk is written; a unit whose serials stay is written past the mapper, one whose
serials move alone and in an order in which no two ever overlap.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.errors import Problem, RecordChanged, RecordInvalid, StagingRefused
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.changes.records import Edits, load_projects
from tokenization_engine.register.changes.units import UnitChange, load_units
from tokenization_engine.register.fields import LINK_TEXT
from tokenization_engine.register.intake import MAX_PROBLEMS, Intake, TooManyProblems
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.records import record_version
from tokenization_engine.register.staging.desk import Waiting, chosen, forget, read_chosen
from tokenization_engine.register.staging.differences import Action, Staged, Table
from tokenization_engine.register.staging.seen import check_seen
from tokenization_engine.register.trail_model import StagedChange

_AT_ONCE = 1000
_ASKED_AT_ONCE = 500
_NAMED, _NAME_LENGTH = 5, 100
_PROJECTS_AT_ONCE = 200
_Held = tuple[Staged, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What a commit wrote: changes by action, and the numbers of its entries in the audit trail (inclusive)."""

    inserted: int
    updated: int
    deleted: int
    first_entry: int
    last_entry: int


def commit(
    session: Session,
    record_ids: Sequence[str] | None = None,
    *,
    seen: bytes | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Committed:
    """Write the changes of these records, or all that wait, into the register: all of them, or none.

    With `seen`, the version of the whole desk (`seen.py`), nothing is written if anything else waits by now.

    Author and comment are the session's; who else staged what is committed is added to the comment, so that nobody's
    change is written in another one's name alone. `progress` is told the changes written so far. Raises
    StagingRefused if nothing waits, VersionPassed, RecordChanged, RecordInvalid, MoveRefused, StillReferred or another
    RegisterError; then the session must not commit, and everything waits on.
    """
    if seen is not None:
        check_seen(session, seen)
    waiting = chosen(session, record_ids)
    if not waiting:
        raise StagingRefused("nothing is staged, so there is nothing to commit: stage changes first")
    trail = Trail.of(session)
    first_entry = trail.last_entry + 1
    with trail.doing("commit"), _naming(trail, _staged_by(session, waiting, trail.author)):
        problems = _Commit(session, waiting, progress).apply()
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise RecordInvalid(problems, headline=f"nothing was committed, {count}")
    forget(session, [one.id for one in waiting])
    trail.close(session)
    counts = Counter(one.action for one in waiting)
    return Committed(
        inserted=counts[Action.INSERT],
        updated=counts[Action.UPDATE],
        deleted=counts[Action.DELETE],
        first_entry=first_entry,
        last_entry=trail.last_entry,
    )


def _staged_by(session: Session, waiting: Sequence[Waiting], author: str) -> list[str]:
    """Who staged the changes, without `author`, by name."""
    found: set[str] = set()
    ids = [one.id for one in waiting]
    for start in range(0, len(ids), _ASKED_AT_ONCE):
        query = select(StagedChange.author).where(StagedChange.id.in_(ids[start : start + _ASKED_AT_ONCE])).distinct()
        found.update(session.scalars(query))
    return sorted(found - {author})


@contextmanager
def _naming(trail: Trail, names: Sequence[str]) -> Iterator[None]:
    """Add who staged to the comment of what is written inside; the comment itself is cut off where it gets long."""
    before = trail.comment
    if names:
        rest = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        said = f"(staged by {', '.join(name[:_NAME_LENGTH] for name in names[:_NAMED])}{rest})"
        trail.comment = f"{(before or '')[: LINK_TEXT - len(said) - 1]} {said}".strip()
    try:
        yield
    finally:
        trail.comment = before


class _Commit:
    """The changes of one commit on their way into the register."""

    def __init__(self, session: Session, waiting: Sequence[Waiting], progress: Callable[[int], None]) -> None:
        self._session = session
        self._edits = Edits(session)
        self._intake = Intake(session)
        self._progress = progress
        self._done = 0
        self._ids: defaultdict[tuple[Table, Action], list[int]] = defaultdict(list)
        for one in waiting:
            self._ids[one.table, one.action].append(one.id)

    def apply(self) -> list[Problem]:
        """Units leave before projects change, and come after; what stands on nothing any more goes last."""
        with suppress(TooManyProblems):  # they are told with the others
            for held in self._held(Table.UNITS, Action.DELETE):
                self._edits.units.delete_many([unit for _, unit in held])
            for staged, _ in self._each(Table.PROJECTS, Action.INSERT):
                self._intake.add_project(staged.change[0], _place(staged))
            self._intake.flush()
            for staged, project in self._each(Table.PROJECTS, Action.UPDATE):
                self._edits.change_project(project, staged.change[0], _place(staged))
            self._change_units()
            for staged, _ in self._each(Table.UNITS, Action.INSERT):
                self._intake.add_unit(staged.change[0], _place(staged))
            self._intake.finish()
            for _, project in self._each(Table.PROJECTS, Action.DELETE):
                self._edits.delete_project(project)
        problems = [*self._edits.problems, *self._intake.problems]
        if not problems:
            self._edits.finish()
        return problems

    def _change_units(self) -> None:
        """Units whose serials stay are changed by the thousand; the others one by one, those that shrink first."""
        moving: list[tuple[int, int]] = []
        for held in self._held(Table.UNITS, Action.UPDATE):
            whole = [(staged, unit) for staged, unit in held if len(staged.change) == 1]
            changes = [UnitChange(unit=unit, raw=one.change[0], place=_place(one)) for one, unit in whole]
            left = {whole[index][0].id for index in self._edits.units.change_many(changes)}
            moving += [(_growth(one, unit), one.id) for one, unit in held if one.id in left or len(one.change) > 1]
        ids = [staged_id for _, staged_id in sorted(moving)]
        for held in self._chunks(Table.UNITS, ids):
            for staged, unit in held:
                self._edits.units.change(unit, staged.change, _place(staged))

    def _each(self, table: Table, action: Action) -> Iterator[_Held]:
        for held in self._held(table, action):
            yield from held

    def _held(self, table: Table, action: Action) -> Iterator[list[_Held]]:
        """The changes of that kind with their records (None: new), some at a time."""
        for held in self._chunks(table, self._ids[table, action]):
            yield held
            self._done += len(held)
            self._progress(self._done)

    def _chunks(self, table: Table, ids: Sequence[int]) -> Iterator[list[_Held]]:
        size = _PROJECTS_AT_ONCE if table is Table.PROJECTS else _AT_ONCE
        for start in range(0, len(ids), size):
            if len(self._edits.problems) >= MAX_PROBLEMS:
                raise TooManyProblems
            yield self._with_records(table, read_chosen(self._session, ids[start : start + size]))

    def _with_records(self, table: Table, changes: Sequence[tuple[Staged, bytes | None]]) -> list[_Held]:
        """The changes with their records, none of them changed since it was staged."""
        load: Callable[[Session, Sequence[str]], dict[str, Any]]
        load = load_projects if table is Table.PROJECTS else load_units
        records = load(self._session, [one.record_id for one, _ in changes if one.action is not Action.INSERT])
        for staged, base_hash in changes:
            record: Project | Unit | None = records.get(staged.record_id)
            if staged.action is not Action.INSERT and (record is None or record_version(record) != base_hash):
                became = "deleted" if record is None else "changed"
                raise RecordChanged(
                    f"{table.kind.kind} {staged.record_id} was {became} since its change was staged by "
                    f"{staged.author}: drop the change, look at the record, and stage it again"
                )
        return [(staged, records.get(staged.record_id)) for staged, _ in changes]


def _growth(staged: Staged, unit: Unit) -> int:
    count = staged.change[0].get("unitCount")
    return (count if isinstance(count, int) else 0) - unit.unit_count


def _place(staged: Staged) -> str:
    return f"staged {staged.table.kind.kind} {staged.record_id}"
