"""The sheets of a register's workbook, as CAD Trust's servers write them: one for each kind of record.

A record's parts stand on sheets of their own and name the record they belong to by its id. Columns are read from the
same fields as everything else, so that sheets, checks and the database cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from tokenization_engine.register.checks import MADE_BY_SERVERS
from tokenization_engine.register.fields import Field
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit
from tokenization_engine.register.values import quoted

PROJECTS: Final = "projects"
UNITS: Final = "units"
ISSUANCES: Final = "issuances"
LABELS: Final = "labels"
LABEL_UNITS: Final = "label_units"
"""The sheet that says which unit bears which label."""

PROBLEMS: Final = "problems"
"""The column that a marked copy adds; passed over, so that the copy can be mended and imported."""

PASSED_OVER_SHEETS: Final = frozenset({"read me", "lists", PROBLEMS})
"""What the template, and a marked copy, add for people."""

OF_A_PROJECT: Final = ("warehouseProjectId", "projectId")
"""The columns that name a part's project; in the second CAD Trust's servers repeat the first, and people may write the
registry's own id.
"""

TWICE: Final = frozenset({"issuanceId"})
"""The column that CAD Trust's servers write twice into their units."""

_OF_SERVERS: Final = frozenset({"unitId", "label_unit", "labelunitId", "labelUnitId"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sheet:
    """One sheet: its name, the kind of record on it (None: label_units), and its columns with their fields."""

    name: str
    kind: type[Record] | None
    own: tuple[str, ...]
    """Columns that name the record itself and others, beside its fields."""

    @property
    def fields(self) -> Mapping[str, Field]:
        """The record's fields by name."""
        return {} if self.kind is None else {one.name: one for one in self.kind.fields}

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that may stand in the header, those passed over left out."""
        return tuple(dict.fromkeys((*self.own, *self.fields)))

    def is_passed_over(self, column: str) -> bool:
        """Whether what stands in the column says nothing new."""
        return column == PROBLEMS or (column in MADE_BY_SERVERS and column not in self.own)


def _sheets() -> Iterable[Sheet]:
    yield Sheet(name=PROJECTS, kind=Project, own=(Project.id_name,))
    for name, kind in PROJECT_CHILDREN.items():
        of_servers = tuple(sorted(_OF_SERVERS)) if kind in (Issuance, Label) else ()
        yield Sheet(name=name, kind=kind, own=("id", *OF_A_PROJECT, *of_servers))
    yield Sheet(name=UNITS, kind=Unit, own=(Unit.id_name, "project", "issuanceId", "projectLocationId", "labels"))
    yield Sheet(name=LABEL_UNITS, kind=None, own=("id", Unit.id_name, "labelId", "labelunitId"))


SHEETS: Final[Mapping[str, Sheet]] = {sheet.name: sheet for sheet in _sheets()}
"""The sheets by name, in the order in which they are written."""

_BY_LOWER = {name.lower(): sheet for name, sheet in SHEETS.items()}


def find_sheet(name: str) -> Sheet | None:
    """The sheet of that name, in any case of letters."""
    return _BY_LOWER.get(name.strip().lower())


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean ...?` if one of the known names is near, else nothing."""
    near = get_close_matches(name, sorted(known), n=1)
    return f", did you mean {quoted(near[0])}?" if near else ""
