"""The totals of units, held against what an issuance was credited with and a label was given for.

Every change is noted as it is made (`audit.py`), as a difference for each issuance and label; only those that hold
more than before, or admit another number, are added up at the end, so that splitting or retiring units costs nothing
here, and a million new units one sum for each of their labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from tokenization_engine.errors import QuantityExceeded
from tokenization_engine.register.model import Issuance, Label, LabelUnit, Unit

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_AT_ONCE = 500
_LIMITED = (Issuance.kind, Label.kind)
Image = Mapping[str, str | int | None]


@dataclass(slots=True, kw_only=True)
class Quantities:
    """What the changes of one transaction add to each issuance and label, in units."""

    _issuances: Counter[str] = field(default_factory=Counter)
    _labels: Counter[str] = field(default_factory=Counter)
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    _links: Counter[tuple[str, str]] = field(default_factory=Counter)
    _requantified: set[tuple[str, str]] = field(default_factory=set)

    def note(self, kind: str, record_id: str, before: Image | None, after: Image | None) -> None:
        """Note one change of a record, by its images."""
        if kind == Unit.kind:
            self._note_unit(record_id, before, after)
        elif kind == LabelUnit.kind:
            for image, step in ((before, -1), (after, 1)):
                if image is not None:
                    self._links[str(image["warehouse_unit_id"]), str(image["label_id"])] += step
        elif kind in _LIMITED and before and after and before.get("unit_quantity") != after["unit_quantity"]:
            self._requantified.add((kind, record_id))

    def _note_unit(self, unit_id: str, before: Image | None, after: Image | None) -> None:
        old = new = 0
        if before is not None:
            old = int(before["unit_count"] or 0)
            self._issuances[str(before["issuance_id"])] -= old
        if after is not None:
            new = int(after["unit_count"] or 0)
            self._issuances[str(after["issuance_id"])] += new
        self._counts[unit_id] = (self._counts[unit_id][0] if unit_id in self._counts else old, new)

    def settle(self, session: Session) -> None:
        """Turn what was noted of units and their labels into differences of labels; the rows are in the tables."""
        counts, links = self._counts, self._links
        self._counts, self._links = {}, Counter()
        resized = [unit_id for unit_id, (old, new) in counts.items() if old and new and old != new]
        unseen = {unit_id for unit_id, _ in links} - counts.keys()
        for unit_id, label_id in _links_of(session, resized):
            if not links[unit_id, label_id]:
                old, new = counts[unit_id]
                self._labels[label_id] += new - old
        counts |= {unit_id: (count, count) for unit_id, count in _counts_of(session, sorted(unseen))}
        for (unit_id, label_id), step in links.items():
            old, new = counts.get(unit_id, (0, 0))
            self._labels[label_id] += new if step > 0 else -old if step < 0 else 0

    def check(self, session: Session) -> None:
        """Raise QuantityExceeded if an issuance or label that grew, or got another quantity, has too many units."""
        for kind, grown in ((Issuance, self._issuances), (Label, self._labels)):
            ids = {record_id for record_id, difference in grown.items() if difference > 0}
            ids |= {record_id for name, record_id in self._requantified if name == kind.kind}
            for chunk in _chunks(sorted(ids)):
                _check_totals(session, kind, chunk)
        self._issuances.clear()
        self._labels.clear()
        self._requantified.clear()


def _check_totals(session: Session, kind: type[Issuance | Label], ids: list[str]) -> None:
    limited = session.execute(select(kind.id, kind.unit_quantity).where(kind.id.in_(ids))).all()
    admitted = {record_id: quantity for record_id, quantity in limited if quantity is not None}
    total = func.sum(Unit.unit_count)
    if kind is Issuance:
        totals = select(Unit.issuance_id, total).where(Unit.issuance_id.in_(admitted)).group_by(Unit.issuance_id)
    else:
        totals = (
            select(LabelUnit.label_id, total)
            .join(Unit, Unit.id == LabelUnit.warehouse_unit_id)
            .where(LabelUnit.label_id.in_(admitted))
            .group_by(LabelUnit.label_id)
        )
    for record_id, units in session.execute(totals):
        if int(units) > admitted[record_id]:
            raise QuantityExceeded(
                f"{kind.kind} {record_id} admits {admitted[record_id]} units (its unitQuantity), but its unit records "
                f"would hold {int(units)}: correct the units, or its quantity first"
            )


def _links_of(session: Session, unit_ids: list[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for chunk in _chunks(unit_ids):
        query = select(LabelUnit.warehouse_unit_id, LabelUnit.label_id).where(LabelUnit.warehouse_unit_id.in_(chunk))
        found += [(unit_id, label_id) for unit_id, label_id in session.execute(query)]
    return found


def _counts_of(session: Session, unit_ids: list[str]) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for chunk in _chunks(unit_ids):
        query = select(Unit.id, Unit.unit_count).where(Unit.id.in_(chunk))
        found += [(unit_id, count) for unit_id, count in session.execute(query)]
    return found


def _chunks(ids: list[str]) -> list[list[str]]:
    return [ids[start : start + _AT_ONCE] for start in range(0, len(ids), _AT_ONCE)]
