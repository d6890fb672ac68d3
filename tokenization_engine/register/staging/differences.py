"""What waits for its commit, as values: a change of one record, and the fields in which it differs.

A change holds the record whole, as it was and as it is to be; a list of parts that it leaves out, and the fields of
ours, stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Unit

MIDNIGHT = "T00:00:00.000Z"
"""Behind a day where CAD Trust's servers write a moment."""


class Table(StrEnum):
    """What is staged, by CAD Trust's names."""

    PROJECTS = "Projects"
    UNITS = "Units"

    @property
    def kind(self) -> type[Project | Unit]:
        """The kind of record."""
        return Project if self is Table.PROJECTS else Unit


class Action(StrEnum):
    """What becomes of the record."""

    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """One change that waits: the record as it was (None: new), and as it is to be.

    `change` is empty for a deletion, one record, or several: the parts into which a unit is split.
    """

    id: int
    record_id: str
    table: Table
    action: Action
    author: str
    staged_timestamp: int
    original: dict[str, Any] | None
    change: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that a change writes: its path in the record (`issuances[ID].endDate`), before and after."""

    record_id: str
    field: str
    before: object
    after: object


def differences(staged: Staged) -> list[Difference]:
    """What the change writes, field by field; what it leaves out and keeps is not among it."""
    if not staged.change:
        before = _flat(staged.original or {})
        return [Difference(record_id=staged.record_id, field=k, before=v, after=None) for k, v in before.items()]
    found = []
    kind = staged.table.kind
    for index, change in enumerate(staged.change):
        is_new = staged.original is None or index > 0
        original = {} if is_new else _kept_out(staged.original or {}, change, kind)
        before, after = _flat(original), _flat(change)
        record_id = staged.record_id if index == 0 else f"{staged.record_id} part {index + 1}"
        for field in sorted(before.keys() | after.keys()):
            old, new = before.get(field), after.get(field)
            if not _is_alike(old, new):
                found.append(Difference(record_id=record_id, field=field, before=old, after=new))
    return found


def _is_alike(old: object, new: object) -> bool:
    """Whether the two say the same: a sheet's texts are numbers here, and a day may come with its midnight."""
    if old is None or new is None or isinstance(old, bool) or isinstance(new, bool):
        return old is new or old == new
    return str(old).removesuffix(MIDNIGHT) == str(new).removesuffix(MIDNIGHT)


def _kept_out(original: Mapping[str, Any], change: Mapping[str, Any], kind: type[Project | Unit]) -> dict[str, Any]:
    """The original without what a change may leave out and keep."""
    ours = {one.name for one in kind.fields if one.is_ours}
    kept = ours | {*PROJECT_CHILDREN, "labels", "issuanceId", "issuance", "serialNumberBlock"}
    return {name: value for name, value in original.items() if name in change or name not in kept}


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """The record's values by path; parts in a list are named by their id."""
    flat: dict[str, object] = {}
    for name, value in record.items():
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            for index, one in enumerate(value):
                key = one.get("id", index) if isinstance(one, dict) else index
                flat |= _flat(one, f"{prefix}{name}[{key}].") if isinstance(one, dict) else {f"{prefix}{name}": one}
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value not in (None, "", []):
            flat[f"{prefix}{name}"] = value
    return flat
