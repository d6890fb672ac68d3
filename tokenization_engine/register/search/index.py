"""Keeping the search index: every change that the audit trail notes moves units and projects between its sets.

The trail notes each change of a record whoever makes it (`audit.py`), so no write can forget the index; it is
written in the same transaction, once, at the end. What it holds follows from the records alone: `rebuild` makes
the same sets from them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count, filterfalse
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from pyroaring import BitMap
from sqlalchemy import delete, select, update

from tokenization_engine.register.many_rows import insert_rows
from tokenization_engine.register.model import (
    PROJECT_CHILDREN,
    Issuance,
    Label,
    LabelUnit,
    Organization,
    Project,
    Unit,
    table_of,
)
from tokenization_engine.register.search.bits import Differences, in_parts
from tokenization_engine.register.search.model import (
    SearchProject,
    SearchProjectText,
    SearchState,
    SearchUnit,
    SearchUnitText,
)
from tokenization_engine.register.search.read import numbers_of_issuances, numbers_of_labels
from tokenization_engine.register.search.records import label_terms_now, labels_as_they_are, projects_as_they_are
from tokenization_engine.register.search.terms import (
    EVERY,
    OUT_OF_TURN,
    STALE,
    Facet,
    UnitKey,
    beginnings_of,
    facet_term,
    is_beginning,
    label_terms,
    of_projects,
    project_terms,
    unit_keys,
    unit_terms,
)
from tokenization_engine.register.search.turns import Turns, moves

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_KEPT_PROJECTS = 2000
_KEPT_ISSUANCES = 50_000
_KEPT_LABELS = 20_000
_KEPT_KEYS = 50_000
_KEPT_UNITS = 200_000
_KEPT_TERMS = 100_000
"""Terms whose differences wait in memory for the end of the transaction: some hundred bytes each."""
_NO_TERMS: frozenset[bytes] = frozenset()
Image = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class SearchIndex:
    """The changes of one transaction that the index has not taken in yet."""

    _units: dict[str, tuple[Image | None, Image | None]] = field(default_factory=dict)
    _links: Counter[tuple[str, str]] = field(default_factory=Counter)
    _labels: dict[str, Image] = field(default_factory=dict)
    _projects: dict[str, None] = field(default_factory=dict)
    """Those of which a part or a field changed."""
    _renamed: dict[str, None] = field(default_factory=dict)
    """Projects of which something changed that their units show."""
    _issuances: dict[str, None] = field(default_factory=dict)
    """Those that were there and changed."""
    _is_home_changed: bool = False
    _texts_form: int | None = None
    _differences: Differences = field(default_factory=Differences)
    _new: defaultdict[UnitKey, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Numbers of new units by what gives them terms, not yet among the differences: many units share a key."""
    _new_of: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The same by their projects' ids."""
    _new_count: int = 0
    _turns: Turns = field(default_factory=Turns)
    _project_of: dict[str, str] = field(default_factory=dict)
    _terms_of: dict[str, frozenset[bytes]] = field(default_factory=dict)
    _new_labels: dict[str, frozenset[bytes]] = field(default_factory=dict)
    """The terms of labels that came with this transaction and were not changed since."""
    _last: tuple[int, int] | None = None
    """The highest numbers given to a unit and a project, once they were asked for."""

    def note(self, kind: str, record_id: str, before: Image | None, after: Image | None) -> None:
        """Note one change of a record, by its images."""
        if kind == Unit.kind:
            first = self._units[record_id][0] if record_id in self._units else before
            self._units[record_id] = (first, after)
        elif kind == LabelUnit.kind:
            for image, step in ((before, -1), (after, 1)):
                if image is not None:
                    self._links[str(image["warehouse_unit_id"]), str(image["label_id"])] += step
        elif kind == Label.kind:
            self._note_label(record_id, before, after)
        elif kind == Project.kind:
            self._projects[record_id] = None
            if before is not None and after is not None and _shown_by_units(before) != _shown_by_units(after):
                self._renamed[record_id] = None
        elif kind == Issuance.kind:
            self._project_of[record_id] = str((after or before or {})["warehouse_project_id"])
            if before is not None:
                self._issuances[record_id] = None
        elif kind == Organization.kind:
            self._is_home_changed |= (before or {}).get("is_home") != (after or {}).get("is_home")
        if kind in _PARTS:
            for image in (before, after):
                if image is not None:
                    self._projects[str(image["warehouse_project_id"])] = None

    def _note_label(self, record_id: str, before: Image | None, after: Image | None) -> None:
        if before is not None:
            self._labels.setdefault(record_id, before)
            self._new_labels.pop(record_id, None)
        elif after is not None:
            if len(self._new_labels) > _KEPT_LABELS:
                self._new_labels.clear()
            self._new_labels[record_id] = label_terms(after)

    def settle(self, session: Session) -> None:
        """Turn what was noted into differences of the sets; the records are in their tables."""
        projects, self._projects = list(self._projects), {}
        units, self._units = self._units, {}
        links, self._links = self._links, Counter()
        labels, self._labels = self._labels, {}
        issuances, self._issuances = self._issuances, {}
        gone = [one for some in in_parts(projects) for one in self._settle_projects(session, some)]
        self._renamed = {}
        numbers: dict[str, int] = {}
        if units:
            numbers = self._settle_units(session, units)
        if links or labels:
            self._settle_labels(session, links, labels, numbers)
        self._differences.add([STALE], numbers_of_issuances(session, issuances) | numbers_of_labels(session, labels))
        self._drop_units(session, [numbers[one] for one, (before, after) in units.items() if before and not after])
        for project_id in gone:
            self._drop_project(session, project_id)
        if self._is_home_changed:
            self._is_home_changed = False
            self.spoil_texts(session)

    def stale(self, session: Session, term: bytes) -> BitMap:
        """The numbers under a term of those whose texts are stale, as this transaction leaves them."""
        return self._differences.now(session, term)

    def keep_texts(self, term: bytes, numbers: BitMap, *, form: int) -> None:
        """Note that the texts of these are what the records say, in shapes of that version."""
        self._differences.remove([term], numbers)
        self._texts_form = form

    def spoil_texts(self, session: Session) -> None:
        """Note that no text says what it should any more."""
        self._fold(session)
        for every, stale in ((EVERY, STALE), (EVERY_PROJECT, STALE_PROJECT)):
            self._differences.add([stale], self._differences.now(session, every))

    def write(self, session: Session, last_entry: int) -> None:
        """Write the index as of that entry of the trail."""
        self._fold(session)
        self._differences.write(session)
        state: dict[str, Any] = {"last_entry": last_entry}
        if self._last is not None:
            state |= {"last_unit": self._last[0], "last_project": self._last[1]}
        if self._texts_form is not None:
            state |= {"texts_step": SearchState.texts_step + 1, "texts_form": self._texts_form}
        session.execute(update(SearchState).values(state))

    def _settle_projects(self, session: Session, ids: list[str]) -> list[str]:
        """Move these projects and their units; those that are deleted are told, and wait for their units."""
        projects, locations = projects_as_they_are(session, ids)
        held = {row.project_id: row for row in session.execute(_HELD_PROJECTS.where(SearchProject.project_id.in_(ids)))}
        new = []
        for project_id, row in projects.items():
            terms = project_terms(row, locations[project_id])
            if project_id in held:
                number = held[project_id].number
                self._differences.add([STALE_PROJECT], BitMap([number]))
                self._move_project(session, number, _read_terms(held[project_id].terms), terms)
                self._terms_of.pop(project_id, None)
                if project_id in self._renamed:
                    self._fold(session)
                    units = self._differences.now(session, facet_term(Facet.PROJECT, project_id))
                    self._differences.add([STALE], units)
                continue
            number = self._next_project(session)
            new.append({"number": number, "project_id": project_id, "terms": _as_text(terms)})
            self._differences.add([EVERY_PROJECT, STALE_PROJECT, *of_projects(terms)], BitMap([number]))
        if new:
            insert_rows(session, table_of(SearchProject), new)
        return sorted(held.keys() - projects.keys())

    def _move_project(self, session: Session, number: int, old: frozenset[bytes], terms: frozenset[bytes]) -> None:
        if old == terms:
            return
        self._fold(session)
        itself = BitMap([number])
        (home,) = (term for term in terms if term.startswith(_PROJECT_ITSELF))
        units = self._differences.now(session, home)
        self._differences.remove(old - terms, units)
        self._differences.add(terms - old, units)
        self._differences.remove(of_projects(old - terms), itself)
        self._differences.add(of_projects(terms - old), itself)
        session.execute(update(SearchProject).where(SearchProject.number == number).values(terms=_as_text(terms)))

    def _drop_project(self, session: Session, project_id: str) -> None:
        row = session.execute(_HELD_PROJECTS.where(SearchProject.project_id == project_id)).one()
        terms = [EVERY_PROJECT, STALE_PROJECT, *of_projects(_read_terms(row.terms))]
        self._differences.remove(terms, BitMap([row.number]))
        session.execute(delete(SearchProject).where(SearchProject.number == row.number))
        session.execute(delete(SearchProjectText).where(SearchProjectText.number == row.number))

    def _settle_units(self, session: Session, units: Mapping[str, tuple[Image | None, Image | None]]) -> dict[str, int]:
        """Move the units, and tell the number of each."""
        images = [image for pair in units.values() for image in pair if image is not None]
        self._look_up(session, {str(image["issuance_id"]) for image in images})
        numbers = _numbers(session, [unit_id for unit_id, (before, _) in units.items() if before is not None])
        new: dict[str, Image] = {}
        for unit_id, (before, after) in units.items():
            if before is not None:
                self._move_unit(session, numbers[unit_id], before, after)
            elif after is not None:
                new[unit_id] = after
        if new:
            numbers |= self._place(session, new)
        return numbers

    def _drop_units(self, session: Session, numbers: list[int]) -> None:
        self._differences.remove([STALE, OUT_OF_TURN], BitMap(numbers))
        for some in in_parts(numbers):
            session.execute(delete(SearchUnit).where(SearchUnit.number.in_(some)))
            session.execute(delete(SearchUnitText).where(SearchUnitText.number.in_(some)))

    def _place(self, session: Session, units: Mapping[str, Image]) -> dict[str, int]:
        """Number new units, and keep them under their keys."""
        by_key, by_project, project_of = self._new, self._new_of, self._project_of
        numbers = dict(zip(units, count(self._next_units(session, len(units))), strict=False))
        new = list(zip(numbers.values(), units.values(), strict=True))
        self._differences.add([OUT_OF_TURN], self._turns.missed(session, self._differences, new))
        for number, row in new:
            by_project[project_of[row["issuance_id"]]].append(number)
            for key in unit_keys(row):
                by_key[key].append(number)
        self._new_count += len(units)
        if len(by_key) + len(by_project) > _KEPT_KEYS or self._new_count > _KEPT_UNITS:
            self._fold(session)
        self._differences.add([STALE], BitMap(numbers.values()))
        rows = [{"number": number, "unit_id": unit_id} for unit_id, number in numbers.items()]
        insert_rows(session, table_of(SearchUnit), rows)
        return numbers

    def _move_unit(self, session: Session, number: int, before: Image, after: Image | None) -> None:
        self._fold(session)
        old = self._all_terms(session, before)
        terms = _NO_TERMS if after is None else self._all_terms(session, after)
        self._differences.remove(old - terms, BitMap([number]))
        self._differences.add(terms - old, BitMap([number]))
        moved = after is not None and moves(before, after)
        self._differences.add([STALE, OUT_OF_TURN] if moved else [STALE], BitMap([number]))

    def _all_terms(self, session: Session, image: Image) -> frozenset[bytes]:
        project_id = self._project_of[str(image["issuance_id"])]
        return unit_terms(image) | self._terms_of_projects(session, [project_id])[project_id]

    def _fold(self, session: Session) -> None:
        """Put the new units among the differences."""
        under: defaultdict[bytes, list[BitMap]] = defaultdict(list)
        new, self._new = self._new, defaultdict(list)
        for (make, value), some in new.items():
            numbers = BitMap(some)
            for term in make(value):
                under[term].append(numbers)
        new_of, self._new_of, self._new_count = self._new_of, defaultdict(list), 0
        for ids in in_parts(new_of):
            for project_id, terms in self._terms_of_projects(session, ids).items():
                numbers = BitMap(new_of[project_id])
                for term in filterfalse(is_beginning, terms):
                    under[term].append(numbers)
        beginnings: defaultdict[bytes, list[BitMap]] = defaultdict(list)
        for term, sets in under.items():
            numbers = BitMap.union(*sets)
            self._differences.add([term], numbers)
            for beginning in beginnings_of(term):
                beginnings[beginning].append(numbers)
        for beginning, sets in beginnings.items():
            self._differences.add([beginning], BitMap.union(*sets))
        if len(self._turns) > _KEPT_KEYS:
            self._turns.forget()
        if len(self._differences) > _KEPT_TERMS:
            self._differences.write(session)

    def _look_up(self, session: Session, issuance_ids: Iterable[str]) -> None:
        """Learn the projects of these issuances."""
        if len(self._project_of) > _KEPT_ISSUANCES:
            self._project_of.clear()
        for some in in_parts(sorted(set(issuance_ids) - self._project_of.keys())):
            query = select(Issuance.id, Issuance.warehouse_project_id).where(Issuance.id.in_(some))
            self._project_of |= {row[0]: row[1] for row in session.execute(query)}

    def _terms_of_projects(self, session: Session, ids: Iterable[str]) -> dict[str, frozenset[bytes]]:
        """The terms of each of these projects, some hundreds of them."""
        if len(self._terms_of) > _KEPT_PROJECTS:
            self._terms_of.clear()
        missing = [project_id for project_id in ids if project_id not in self._terms_of]
        query = select(SearchProject.project_id, SearchProject.terms)
        for some in in_parts(missing):
            for project_id, terms in session.execute(query.where(SearchProject.project_id.in_(some))):
                self._terms_of[project_id] = _read_terms(terms)
        return {project_id: self._terms_of[project_id] for project_id in ids}

    def _settle_labels(
        self,
        session: Session,
        links: Mapping[tuple[str, str], int],
        labels: Mapping[str, Image],
        numbers: dict[str, int],
    ) -> None:
        """Give units the terms of the labels they got, and take those from them that no label of theirs has now."""
        asked = {label_id for _, label_id in links} | labels.keys()
        now = {label_id: self._new_labels[label_id] for label_id in asked & self._new_labels.keys()}
        now |= labels_as_they_are(session, asked - now.keys())
        got = defaultdict(list)
        lost: defaultdict[str, set[bytes]] = defaultdict(set)
        for (unit_id, label_id), step in links.items():
            if step > 0:
                got[label_id].append(unit_id)
            elif step < 0:
                old = label_terms(labels[label_id]) if label_id in labels else now[label_id]
                lost[unit_id] |= old
        for label_id, before in labels.items():
            if label_id in now and (old := label_terms(before)) != now[label_id]:
                query = select(LabelUnit.warehouse_unit_id).where(LabelUnit.label_id == label_id)
                got[label_id] += (under := list(session.scalars(query)))
                for unit_id in under:
                    lost[unit_id] |= old
        concerned = {unit_id for ids in got.values() for unit_id in ids} | lost.keys()
        numbers |= _numbers(session, sorted(concerned - numbers.keys()))
        for unit_id, kept in label_terms_now(session, list(lost)).items():
            lost[unit_id] -= kept
        for unit_id, terms in lost.items():
            if unit_id in numbers:
                self._differences.remove(terms, BitMap([numbers[unit_id]]))
                self._differences.add([STALE], BitMap([numbers[unit_id]]))
        for label_id, ids in got.items():
            self._differences.add([STALE, *now[label_id]], BitMap([numbers[unit_id] for unit_id in ids]))

    def _next_units(self, session: Session, count: int) -> int:
        """The first of so many new numbers."""
        unit, project = self._last or _last_numbers(session)
        self._last = (unit + count, project)
        return unit + 1

    def _next_project(self, session: Session) -> int:
        unit, project = self._last or _last_numbers(session)
        self._last = (unit, project + 1)
        return project + 1


EVERY_PROJECT, STALE_PROJECT = of_projects([EVERY, STALE])
_PROJECT_ITSELF = facet_term(Facet.PROJECT, "")
_PARTS = frozenset(kind.kind for kind in PROJECT_CHILDREN.values())
_shown_by_units = itemgetter("project_name", "methodology")
_HELD_PROJECTS = select(SearchProject.number, SearchProject.project_id, SearchProject.terms)


def _last_numbers(session: Session) -> tuple[int, int]:
    unit, project = session.execute(select(SearchState.last_unit, SearchState.last_project)).one()
    return int(unit), int(project)


def _numbers(session: Session, unit_ids: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in in_parts(unit_ids):
        query = select(SearchUnit.unit_id, SearchUnit.number).where(SearchUnit.unit_id.in_(some))
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def _as_text(terms: Iterable[bytes]) -> str:
    return "\n".join(sorted(term.hex() for term in terms))


def _read_terms(text: str) -> frozenset[bytes]:
    return frozenset(bytes.fromhex(line) for line in text.splitlines())
