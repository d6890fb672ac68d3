"""Lists of units and projects by pages, in the words of CAD Trust's fields.

The rule guarded here: a page costs what it holds, not how far down the list it stands, and no list keeps the register
busy. What the search index knows is found, counted, ordered and cut by it. What it does not know is looked up record by
record, within a time (`scan.py`), once for all pages: sets and orders made so are kept, in bounds, until the
register changes.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock
from typing import Any, TypeVar

from pyroaring import BitMap
from sqlalchemy.orm import Session

from chain.glance import once_proven
from chain.time_limit import limited
from tokenization_engine.errors import ListTooLong
from tokenization_engine.register.listing.by_index import (
    PROJECT_FACETS,
    UNIT_FACETS,
    asked_of_projects,
    asked_of_units,
    found_by_index,
)
from tokenization_engine.register.listing.by_serial import SerialOrder, SeriesLeaf, brought_along, in_turn, serial_order
from tokenization_engine.register.listing.order import (
    Leaves,
    Plain,
    in_number_order,
    in_own_order,
    sorted_leaves,
    turned,
)
from tokenization_engine.register.listing.scan import FEW, Kind, fitting, in_order, sorted_few, sorted_series
from tokenization_engine.register.listing.words import (
    BY_SERIAL,
    Order,
    ProjectsWanted,
    UnitsWanted,
    Where,
    check_lists,
    column_of,
)
from tokenization_engine.register.model import Project, Unit
from tokenization_engine.register.search.counts import COUNT_TERMS, by_count
from tokenization_engine.register.search.find import MAX_PAGE, Search, cut, has, unit_numbers, values_of
from tokenization_engine.register.search.kept import State, state_of
from tokenization_engine.register.search.read import numbers_of_projects, read_sets
from tokenization_engine.register.search.terms import OUT_OF_TURN, Facet

SECONDS = 10.0
"""Longest time of one look at every record."""
REFUSED_SECONDS = 300.0
"""How long a list that took too long is refused at once, unless the register changes."""
MAX_SETS = 64
"""Sets kept: one of a million records takes 128 KiB at most."""
MAX_ORDERS = 8
"""Orders kept: one of a million records takes some 12 MiB."""
MAX_VALUES = 100
"""Most values of a field in an order that is kept."""

_SERIAL = ("series", "first")
T = TypeVar("T")


class LooksLong(Exception):
    """A list for which every record must be looked at, asked where there is no time for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The records of one page by their numbers in the search index, and how many the whole list has."""

    numbers: Sequence[int]
    count: int


class Listings:
    """Answers for pages; keeps what took long to find, bounded. Several threads may ask at a time."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        """Know nothing yet; looking at every record may take so many seconds."""
        self._seconds = seconds
        self._lock = Lock()
        self._sets: OrderedDict[Hashable, tuple[State, Any]] = OrderedDict()
        self._orders: OrderedDict[Hashable, tuple[State, Any]] = OrderedDict()
        self._known: dict[Callable[[Session], Any], tuple[State, Any]] = {}
        self._refused: OrderedDict[Hashable, tuple[State, float]] = OrderedDict()

    def units(
        self, session: Session, wanted: UnitsWanted, *, offset: int, limit: int, may_look_long: bool = True
    ) -> Page:
        """The page's units; raises RecordInvalid for a field that is none, ListTooLong, and LooksLong if that may
        not be.
        """
        check_lists(Unit, wanted.where, wanted.order)
        asking = _Asking(self, session, Unit, may_look_long=may_look_long)
        asked = asked_of_units(wanted)
        found = asking.fitting(found_by_index(session, Unit, asked), asked.others)
        return Page(numbers=asking.page(found, wanted.order, offset, limit), count=len(found))

    def projects(
        self, session: Session, wanted: ProjectsWanted, *, offset: int, limit: int, may_look_long: bool = True
    ) -> Page:
        """The page's projects; raises what `units` does."""
        check_lists(Project, wanted.where, wanted.order)
        asking = _Asking(self, session, Project, may_look_long=may_look_long)
        asked = asked_of_projects(wanted)
        found = asking.fitting(found_by_index(session, Project, asked), asked.others)
        if wanted.has_tokens:
            found = found & asking.kept("marked", lambda: _marked_projects(session), is_quick=True)
        return Page(numbers=asking.page(found, wanted.order, offset, limit), count=len(found))

    def unit_page(self, session: Session, found: BitMap, *, offset: int, limit: int) -> list[int]:
        """The numbers of a page of these units by series and serial."""
        asking = _Asking(self, session, Unit, may_look_long=True)
        return asking.page(found, Order(name=BY_SERIAL), offset, limit)

    def prepare(self, session: Session) -> None:
        """Find what lists by serial number need, so that the first who asks for one does not wait for it."""
        self.unit_page(session, unit_numbers(session, Search()), offset=0, limit=1)

    def known(self, session: Session, find: Callable[[Session], T]) -> T:
        """What `find`, a function of a module, tells of the register; asked once while it stays as it is."""
        state, held = state_of(session), self._known.get(find)
        if held is not None and held[0] == state:
            value: T = held[1]
            return value
        value = find(session)
        once_proven(session, lambda: self._known.update({find: (state, value)}))
        return value

    def held(self, key: Hashable) -> tuple[State, Any] | None:
        """What is kept under the key, and for which state."""
        with self._lock:
            for kept in (self._sets, self._orders):
                if key in kept:
                    kept.move_to_end(key)
                    return kept[key]
        return None

    def keep(self, session: Session, key: Hashable, value: object) -> None:
        """Keep what the session found, in the place of what was not asked for the longest."""
        state = state_of(session)
        once_proven(session, lambda: self._keep(key, state, value))

    def refuse(self, key: Hashable, state: State) -> None:
        """Note that this took too long, so that who asks again and again keeps nothing busy."""
        with self._lock:
            self._refused[key] = (state, time.monotonic() + REFUSED_SECONDS)
            self._refused.move_to_end(key)
            while len(self._refused) > MAX_SETS:
                self._refused.popitem(last=False)

    def was_refused(self, key: Hashable, state: State) -> bool:
        """Whether this took too long a while ago, and the register is as it was then."""
        with self._lock:
            at, end = self._refused.get(key, (None, 0.0))
            return at == state and time.monotonic() < end

    @property
    def seconds(self) -> float:
        """Longest time of one look at every record."""
        return self._seconds

    def _keep(self, key: Hashable, state: State, value: object) -> None:
        is_set = isinstance(value, BitMap)
        kept, most = (self._sets, MAX_SETS) if is_set else (self._orders, MAX_ORDERS)
        with self._lock:
            if key in kept and kept[key][0] > state:
                return
            kept[key] = (state, value)
            kept.move_to_end(key)
            while len(kept) > most:
                kept.popitem(last=False)


class _Asking:
    """One question, in one session."""

    def __init__(self, listings: Listings, session: Session, kind: Kind, *, may_look_long: bool) -> None:
        self._listings = listings
        self._session = session
        self._kind: Kind = kind
        self._may_look_long = may_look_long

    def fitting(self, found: BitMap, others: Sequence[Where]) -> BitMap:
        """Those of the found that fit the other conditions as well."""
        for where in others:
            if len(found) <= FEW:
                found = fitting(self._session, self._kind, where, among=found)
            else:
                found = found & self.kept(where, partial(fitting, self._session, self._kind, where))
        return found

    def page(self, found: BitMap, order: Order, offset: int, limit: int) -> list[int]:
        """The numbers of the page."""
        offset, limit = max(0, offset), max(0, min(limit, MAX_PAGE))
        is_by_number = order.name is None or (order.name == BY_SERIAL and self._kind is Project)
        if is_by_number:
            return cut(found, offset, limit, is_newest_first=order.is_descending)
        if order.is_descending:
            offset, limit = turned(len(found), offset, limit)
        page = self._in_order(found, str(order.name), offset, limit) if limit and offset < len(found) else []
        return page[::-1] if order.is_descending else page

    def _in_order(self, found: BitMap, name: str, offset: int, limit: int) -> list[int]:
        session = self._session
        facet = (UNIT_FACETS if self._kind is Unit else PROJECT_FACETS).get(name)
        if facet is not None:
            return self._by_value(facet).page(found, offset, limit)
        if name == "unitCount" and self._kind is Unit:
            return by_count(read_sets(session, COUNT_TERMS), found, offset, limit)
        is_serial = name == BY_SERIAL
        columns = _SERIAL if is_serial else (column_of(self._kind, name).key,)
        if is_serial and self._has_order_of(found):
            return self._serial_order().page(found, offset, limit, in_turn)
        if len(found) <= FEW:
            return sorted_few(session, self._kind, columns, found)[offset : offset + limit]
        if is_serial:
            return self._serial_order().page(found, offset, limit, self._in_series)
        order = self.kept(name, lambda: sorted_leaves(in_order(session, self._kind, columns)))
        return order.page(found, offset, limit, in_own_order)

    def _by_value(self, facet: Facet) -> _ByValue:
        """The records by the values of the facet, in the order of values; kept while they are few."""
        key, state = (self._kind, facet), state_of(self._session)
        held = self._listings.held(key)
        if held is not None and held[0] == state:
            found: _ByValue = held[1]
            return found
        values = list(values_of(self._session, facet, of_units=self._kind is Unit))
        if facet is Facet.VINTAGE_YEAR:
            values.sort(key=lambda pair: int(pair[0]))
        found = _ByValue([bits for _, bits in values])
        if len(values) <= MAX_VALUES:
            self._listings.keep(self._session, key, found)
        return found

    def _serial_order(self) -> SerialOrder:
        held = self._listings.held((Unit, BY_SERIAL))
        state = state_of(self._session)
        if held is not None and held[0] < state and held[0].edition == state.edition:
            order = brought_along(self._session, held[1], since=held[0].last_entry)
            if order is not None:
                self._listings.keep(self._session, (Unit, BY_SERIAL), order)
                return order
        return self.kept(BY_SERIAL, lambda: serial_order(self._session), is_quick=True)

    def _has_order_of(self, found: BitMap) -> bool:
        """Whether these stand in the order by serial, and that is at hand or they are many."""
        held = self._listings.held((Unit, BY_SERIAL))
        is_at_hand = held is not None and held[0] == state_of(self._session)
        return (is_at_hand or len(found) > FEW) and found.isdisjoint(self._out_of_turn)

    @cached_property
    def _out_of_turn(self) -> BitMap:
        return read_sets(self._session, [OUT_OF_TURN])[OUT_OF_TURN]

    def _in_series(self, leaf: SeriesLeaf, hits: BitMap, start: int, end: int) -> Sequence[int]:
        if hits.isdisjoint(self._out_of_turn):
            return in_turn(leaf, hits, start, end)
        if len(hits) <= FEW:
            return sorted_few(self._session, Unit, _SERIAL, hits)[start:end]
        order = self.kept(leaf.start, lambda: sorted_leaves(sorted_series(self._session, leaf.series)))
        return order.page(hits, start, end - start, in_own_order)

    def kept(self, key: Hashable, find: Callable[[], T], *, is_quick: bool = False) -> T:
        """What is kept under the key for the present state; else found now: by a look at every record, or `is_quick`,
        by one at sets alone.
        """
        state = state_of(self._session)
        held = self._listings.held((self._kind, key))
        if held is not None and held[0] == state:
            value: T = held[1]
            return value
        if not (self._may_look_long or is_quick):
            raise LooksLong
        seconds = self._listings.seconds
        if self._listings.was_refused((self._kind, key), state):
            raise _too_long(seconds)
        try:
            with limited(self._session, seconds, _too_long(seconds)):
                value = find()
        except ListTooLong:
            self._listings.refuse((self._kind, key), state)
            raise
        self._listings.keep(self._session, (self._kind, key), value)
        return value


def _too_long(seconds: float) -> ListTooLong:
    return ListTooLong(
        f"the list would take longer than {seconds:.0f} seconds to find, since no index serves one of its conditions "
        "or its order: narrow it by a value that is searched (vintage, status, type, country, a word), or order it by "
        "SERIALNUMBER or by one of those"
    )


class _ByValue:
    """Records by the values of a field, those without any first."""

    def __init__(self, values: Sequence[BitMap]) -> None:
        self._order = Leaves([Plain(bits) for bits in values])
        self._every = BitMap.union(*values) if values else BitMap()

    def page(self, found: BitMap, offset: int, limit: int) -> list[int]:
        """The found numbers from the `offset`-th on, at most `limit` of them."""
        left = found - self._every
        order = Leaves([Plain(left), *self._order.leaves]) if left else self._order
        return order.page(found, offset, limit, in_number_order)


def _marked_projects(session: Session) -> BitMap:
    """The numbers of the projects that have a unit under a marketplace identifier."""
    marked = unit_numbers(session, Search(conditions=(has(Facet.MARKED, True),)))
    ids = [name for name, units in values_of(session, Facet.PROJECT) if not units.isdisjoint(marked)]
    return numbers_of_projects(session, ids)
