"""Taking the home organization's records into the local register, which then is a working copy of CADT's.

CADT says what a project is and which units it has; the chain says what became of units that were tokenized. So a pull
adds what is new, follows what CADT changed, and leaves alone every unit that is or was a token, or is about to be one.
Records keep CADT's ids. A record that our checks refuse is reported and stays out: it can then not be tokenized, and
neither can a unit that shares serials with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from puzzles.errors import SerialError
from tokenization_engine.cadt import source
from tokenization_engine.cadt.changed import project_change, unit_differs
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.cadt.insert import insert_projects, insert_units
from tokenization_engine.cadt.pulled import COMMENT, PULL, Pulled
from tokenization_engine.cadt.serials import read_serials
from tokenization_engine.cadt.shapes import CadtUnit, project_record, unit_record
from tokenization_engine.errors import CadtDiffers, CadtMalformed, RecordInvalid, RegisterError
from tokenization_engine.register.audit import Trail
from tokenization_engine.register.changes.records import Edits
from tokenization_engine.register.checks import is_id
from tokenization_engine.register.lifecycle import HELD
from tokenization_engine.register.model import Organization, Project, ProjectLocation, Unit
from tokenization_engine.register.store import Register
from tokenization_engine.register.trail_model import AuditEntry
from tokenization_engine.register.under_way import WAITING
from tokenization_engine.register.units import overlapping_units
from tokenization_engine.register.values import quoted
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA
from tokenization_engine.store import IssueRow, JobRow

_AT_ONCE = 500
_UNITS = "unit"
_PROJECTS = "project"


async def pull(register: Register, client: CadtClient, *, author: str) -> Pulled:
    """Bring the register to what CADT says now; raises CadtError, and then nothing is half read.

    What was pulled before an error stays: every record is whole by itself, and the next pull goes on.
    """
    home = await source.read_home(client)
    bind(register, home, author=author)
    done = Pulled(org_uid=home.org_uid)
    work = _Pull(register, author, done)
    async for page in source.projects(client, home):
        work.take_projects(page)
    async for page in source.units(client, home):
        work.take_units(page)
    work.finish(is_complete=home.is_synced)
    return done


def bind(register: Register, home: source.Home, *, author: str) -> None:
    """Tie the register to the server's home organization; raises CadtDiffers if it is tied to another one."""
    with register.reading() as session:
        held = session.scalars(select(Organization).where(Organization.is_home)).first()
    if held is not None and held.id != home.org_uid:
        raise CadtDiffers(
            f"the CADT server's home organization is {home.org_uid}, this register's is {held.id}: "
            "name the right server, or another database for this one"
        )
    if held is None:
        with register.writing(author, comment=COMMENT) as session, Trail.of(session).doing(PULL):
            session.add(Organization(id=home.org_uid, name=home.name, is_home=True))
            session.flush()


class _Pull:
    """One pull under way."""

    def __init__(self, register: Register, author: str, done: Pulled) -> None:
        self._register, self._author, self._done = register, author, done
        self._seen: set[str] = set()
        self._locations: frozenset[str] = frozenset()
        self._later: list[CadtUnit] = []

    def take_projects(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the new projects of a page, change those that CADT changed."""
        named = {str(row["warehouseProjectId"]): row for row in rows if self._has_id(row, "warehouseProjectId")}
        changes: dict[str, dict[str, Any]] = {}
        new: dict[str, dict[str, Any]] = {}
        with self._register.reading() as session:
            held = {one.id: one for one in _by_id(session, Project, named)}
            for project_id, row in named.items():
                record = project_record(row)
                if project_id not in held:
                    new[project_id] = record
                elif (change := project_change(session, held[project_id], record)) is not None:
                    changes[project_id] = change
        self._done.projects_new += insert_projects(self._register, self._author, new, self._done)
        for project_id, change in changes.items():
            self._done.projects_changed += self._edit(Project, project_id, change)

    def take_units(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add the new units of a page, change those that CADT changed; what overlaps waits for the end."""
        page = [unit for row in rows if (unit := self._read(row)) is not None]
        records: dict[str, dict[str, Any]] = {}
        changes: dict[str, dict[str, Any]] = {}
        with self._register.reading() as session:
            self._locations = _locations(session, page)
            held = {one.id: one for one in _by_id(session, Unit, [unit.id for unit in page])}
            under_way = _under_way(session)
            for unit in page:
                local = held.get(unit.id)
                if local is None or local.block != unit.block:
                    self._later_or_new(session, unit, local, under_way, records)
                elif _is_the_chains(local, unit, under_way):
                    self._done.note_free(unit, is_free=False)
                else:
                    record = unit_record(unit, self._locations)
                    self._compare(session, unit, local, record, changes)
        for unit_id, change in changes.items():
            self._done.units_changed += self._edit(Unit, unit_id, change)
        self._insert([unit for unit in page if unit.id in records], records)

    def finish(self, *, is_complete: bool) -> None:
        """Change and add what had to wait; take out what CADT does not have any more, if it shows everything."""
        with self._register.reading() as session:
            gone = _gone(session, self._seen) if is_complete else []
            gone = [unit_id for unit_id in gone if not self._done.covers(session, unit_id)]
        for unit_id in gone:
            self._done.units_gone += self._delete(unit_id)
        later, self._later = self._later, []
        records: dict[str, dict[str, Any]] = {}
        for unit in later:
            with self._register.reading() as session:
                self._locations = _locations(session, [unit])
                local = session.get(Unit, unit.id)
            record = unit_record(unit, self._locations)
            if local is None:
                records[unit.id] = record
            elif self._edit(Unit, unit.id, record):
                self._done.units_changed += 1
                self._done.note_free(unit, is_free=_is_free(unit))
        self._insert([unit for unit in later if unit.id in records], records)

    def _later_or_new(
        self,
        session: Session,
        unit: CadtUnit,
        local: Unit | None,
        under_way: frozenset[str],
        records: dict[str, dict[str, Any]],
    ) -> None:
        """Sort in a unit whose record here is another block, or missing."""
        met = overlapping_units(session, unit.block)
        if _is_covered(unit, met) and (len(met) > 1 or _is_the_chains(met[0], unit, under_way)):
            whole = all(one.asset_id is None and one.id not in under_way for one in met)
            self._done.note_free(unit, is_free=whole and _is_free(unit))
        elif local is None and not met:
            records[unit.id] = unit_record(unit, self._locations)
        else:
            self._later.append(unit)

    def _compare(
        self,
        session: Session,
        unit: CadtUnit,
        local: Unit,
        record: dict[str, Any],
        changes: dict[str, dict[str, Any]],
    ) -> None:
        try:
            if unit_differs(session, local, record):
                changes[unit.id] = record
        except RecordInvalid as error:
            self._done.refuse(_place(_UNITS, unit.id), error, block=unit.block)
            return
        self._done.note_free(unit, is_free=_is_free(unit))

    def _insert(self, units: Sequence[CadtUnit], records: Mapping[str, dict[str, Any]]) -> None:
        by_id = {unit.id: unit for unit in units}
        taken = insert_units(self._register, self._author, records, self._done, by_id)
        self._done.units_new += len(taken)
        for unit_id in taken:
            self._done.note_free(by_id[unit_id], is_free=_is_free(by_id[unit_id]))

    def _edit(self, kind: type[Project | Unit], record_id: str, record: Mapping[str, Any]) -> int:
        """Change one record in a transaction of its own; 1 if that was done, 0 if it was refused."""
        place = _place(_PROJECTS if kind is Project else _UNITS, record_id)
        try:
            with self._register.writing(self._author, comment=COMMENT) as session, Trail.of(session).doing(PULL):
                edits = Edits(session)
                found = session.get(kind, record_id)
                if isinstance(found, Project):
                    edits.change_project(found, record, place)
                elif isinstance(found, Unit):
                    edits.change_unit(found, [record], place)
                if edits.problems:
                    raise RecordInvalid(edits.problems)
                edits.finish()
        except RegisterError as error:
            block = None
            if kind is Unit:
                block = self._done.withdraw(record_id)
            self._done.refuse(place, error, block=block)
            return 0
        return 1

    def _delete(self, unit_id: str) -> int:
        try:
            with self._register.writing(self._author, comment=COMMENT) as session, Trail.of(session).doing(PULL):
                found = session.get(Unit, unit_id)
                if found is None:
                    return 0
                Edits(session).delete_unit(found)
        except RegisterError as error:
            self._done.refuse(_place(_UNITS, unit_id), error)
            return 0
        return 1

    def _read(self, row: Mapping[str, Any]) -> CadtUnit | None:
        if not self._has_id(row, "warehouseUnitId"):
            return None
        unit_id = str(row["warehouseUnitId"])
        self._seen.add(unit_id)
        try:
            return CadtUnit(id=unit_id, serials=read_serials(row), raw=row)
        except SerialError as error:
            self._done.refuse(_place(_UNITS, unit_id), error)
            return None

    def _has_id(self, row: Mapping[str, Any], name: str) -> bool:
        value = row.get(name)
        if isinstance(value, str) and is_id(value):
            return True
        self._done.refuse(f"record {quoted(value)}", CadtMalformed(f"its {name} is no UUID"))
        return False


def _place(kind: str, record_id: str) -> str:
    return f"{kind} {record_id}"


def _by_id(session: Session, kind: type[Any], ids: Mapping[str, Any] | Sequence[str]) -> list[Any]:
    wanted = list(ids)
    found: list[Any] = []
    for start in range(0, len(wanted), _AT_ONCE):
        found += session.scalars(select(kind).where(kind.id.in_(wanted[start : start + _AT_ONCE])))
    return found


def _locations(session: Session, units: Sequence[CadtUnit]) -> frozenset[str]:
    """The locations of the register that these units name."""
    named = {one for unit in units if (one := unit.text("projectLocationId")) is not None}
    return frozenset(one.id for one in _by_id(session, ProjectLocation, sorted(named)))


def _under_way(session: Session) -> frozenset[str]:
    query = select(IssueRow.unit_id).join(JobRow, JobRow.id == IssueRow.job_id).where(JobRow.state.in_(WAITING))
    return frozenset(session.scalars(query))


def _is_the_chains(local: Unit, unit: CadtUnit, under_way: frozenset[str]) -> bool:
    """Whether CADT has no say about the unit: it is a token, is about to be, or was and CADT does not know yet."""
    is_marked = unit.text("marketplace") == TOKENIZED_ON_CHIA
    return local.is_tokenized or local.id in under_way or (local.asset_id is not None and is_marked)


def _is_free(unit: CadtUnit) -> bool:
    """Whether CADT lets the unit be tokenized."""
    return unit.text("unitStatus") == HELD and unit.text("marketplace") != TOKENIZED_ON_CHIA


def _is_covered(unit: CadtUnit, met: Sequence[Unit]) -> bool:
    """Whether the units, in order, hold every serial of the block."""
    expected = unit.block.first
    for one in met:
        if one.first > expected:
            return False
        expected = one.last + 1
    return expected > unit.block.last


def _gone(session: Session, seen: set[str]) -> list[str]:
    """Units that a pull brought, that never were tokens, and that CADT does not list."""
    ids = session.scalars(select(Unit.id).where(Unit.asset_id.is_(None)))
    missing = [unit_id for unit_id in ids if unit_id not in seen]
    brought = []
    for unit_id in missing:
        first = select(AuditEntry.action).where(AuditEntry.record_id == unit_id).order_by(AuditEntry.sequence).limit(1)
        if session.scalar(first) == PULL:
            brought.append(unit_id)
    return brought
