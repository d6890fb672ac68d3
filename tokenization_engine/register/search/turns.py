"""Which units came out of turn: after one of their series with a higher serial. All others stand as they are numbered.

Registries count serials up as they issue, so most series come in turn; a list by serial then needs nothing but the sets
of series, and looks at no unit. What is kept is a set (`OUT_OF_TURN`) for which this holds: of two units of a series,
of which the one with the higher number has the lower serial, one at least is in it. It may hold more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pyroaring import BitMap
from sqlalchemy import select
from sqlalchemy.orm import Session

from tokenization_engine.register.model import Unit, table_of
from tokenization_engine.register.search.bits import Differences
from tokenization_engine.register.search.model import SearchUnit
from tokenization_engine.register.search.terms import OUT_OF_TURN, Facet, facet_term
from tokenization_engine.register.value_lists import ListedSelect

Image = Mapping[str, Any]

_NONE, _ANY = -1, 2**64
_UNIT, _NUMBER = table_of(Unit), table_of(SearchUnit)
_FIRST = ListedSelect(
    select(_NUMBER.c.number, _UNIT.c.first).select_from(_NUMBER.join(_UNIT, _UNIT.c.id == _NUMBER.c.unit_id)),
    _NUMBER.c.number,
)


class Turns:
    """How far the series have come of which a transaction adds units."""

    def __init__(self) -> None:
        """Know none yet."""
        self._reached: dict[str, int] = {}
        """The first serial of the last unit in turn, by series; a higher one, where that unit has gone since."""

    def __len__(self) -> int:
        """Series that are known."""
        return len(self._reached)

    def forget(self) -> None:
        """Look up again how far each series has come; the sets say it of all units so far."""
        self._reached.clear()

    def missed(self, session: Session, sets: Differences, units: Sequence[tuple[int, Image]]) -> BitMap:
        """The numbers of those of the new units, given in the order of numbers, that come out of turn."""
        unknown = {str(unit["series"]) for _, unit in units} - self._reached.keys()
        if unknown:
            self._look_up(session, sets, unknown)
        missed = BitMap()
        for number, unit in units:
            series, first = unit["series"], int(unit["first"])
            if first < self._reached[series]:
                missed.add(number)
            else:
                self._reached[series] = first
        return missed

    def _look_up(self, session: Session, sets: Differences, names: Iterable[str]) -> None:
        terms = {facet_term(Facet.SERIES, name): name for name in names}
        now = sets.all_now(session, [OUT_OF_TURN, *terms])
        last = {}
        for term, name in terms.items():
            in_turn = now[term] - now[OUT_OF_TURN]
            self._reached[name] = _ANY if in_turn else _NONE
            if in_turn:
                last[in_turn.max()] = name
        for number, first in _FIRST.rows(session, last):
            self._reached[last[number]] = int(first)


def moves(before: Image, after: Image) -> bool:
    """Whether a change of a unit gives it another place among serials."""
    return bool(before["series"] != after["series"] or int(before["first"]) != int(after["first"]))
