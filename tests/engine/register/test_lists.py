"""Every order and condition of a list, on both databases, against what plain Python makes of the same records."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from tests.engine.databases import DATABASES, Databases
from tests.engine.register.samples import bought, chain_event, document, issuance, label, location, project, unit
from tokenization_engine.errors import ListTooLong, RecordInvalid
from tokenization_engine.register import records
from tokenization_engine.register.chain_events import mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.listing import by_serial as listing_serial
from tokenization_engine.register.listing import order as listing_order
from tokenization_engine.register.listing import pages as listing
from tokenization_engine.register.listing.comparing import Op
from tokenization_engine.register.listing.pages import Listings, LooksLong, Page
from tokenization_engine.register.listing.words import BY_SERIAL, Order, ProjectsWanted, UnitsWanted, Where
from tokenization_engine.register.model import PROJECT_CHILDREN, Project, Record, Unit
from tokenization_engine.register.organizations import find_home, set_home
from tokenization_engine.register.queries import UnitFilter, list_units
from tokenization_engine.register.search.read import project_ids, unit_ids
from tokenization_engine.register.shown.observed import observed_projects, observed_units
from tokenization_engine.register.shown.published import published_projects, published_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.units import split_unit

OWNERS = (None, "Bär & Söhne", "a%b_c", "A%B_C", "back\\slash", "zz top", "Buyer 1", "Buyer 12", "འབྲུག")
COLUMNS = {one.name: one.column for one in Unit.fields if not one.is_ours} | {
    "warehouseUnitId": "id",
    "issuanceId": "issuance_id",
}


@pytest.fixture(scope="module", params=DATABASES)
def filled(request: pytest.FixtureRequest, databases: Databases) -> Iterator[Register]:
    """A register of each kind with three projects and some hundred units, of few series and of many."""
    dice = random.Random(4)
    url = databases.register(request.param)
    register = Register.open(url)
    with register.writing("admin") as session:
        projects = [
            project(
                localName=f"p{n}",
                projectId=f"{n}",
                projectName=dice.choice(("Wind", "wind", "Dam", "Überlauf")),
                methodology2=dice.choice((None, "CDM - AMS-I.D.")),
                description=f"number {n}" if n % 2 else None,
                projectLocations=[location(localName=f"s{n}", country=dice.choice(("Bhutan", "Peru")))],
                issuances=[issuance(localName=f"i{n}-{one}") for one in range(3)],
                labels=[label(localName=f"l{n}-{one}", unitQuantity=2**62) for one in range(2)],
            )
            for n in range(7)
        ]
        units = list(_units(dice))
        units = [row for place, row in enumerate(units) if place % 9] + units[::9]  # who come last come out of turn
        written = import_bytes(session, document(*units, projects=projects), "random.json")
        for number, name in enumerate(dice.sample(written.unit_ids, 25), start=1):
            one = session.get_one(Unit, name)
            if one.unit_status == "Held":
                event = chain_event(number, one.first, one.last)
                mark_tokenized(session, name, _of_block(event, one))
    yield register
    register.close()
    databases.drop(url)


def _of_block(event: Any, one: Unit) -> Any:
    return type(event)(coin_id=event.coin_id, asset_id=event.coin_id, block=one.block, height=event.height)


def _units(dice: random.Random) -> Iterator[dict[str, Any]]:
    last: dict[str, int] = {}
    for _ in range(330):
        n = dice.randrange(7)
        series = dice.choice((f"BT-{n}-2020", f"BT-{n}-{dice.randrange(2015, 2024)}", "ONE"))
        first = last.get(series, 0) + dice.randrange(1, 50)
        last[series] = first + dice.choice((0, 0, 5, 99, 2**33))
        yield {
            **unit(first, last[series], series=series, issuanceId=f"i{n}-{dice.randrange(3)}"),
            "vintageYear": dice.randrange(2015, 2024),
            "unitOwner": dice.choice(OWNERS),
            "unitTags": dice.choice((None, "[fresh", "fresh]")),
            "unitStatus": dice.choice(("Held", "Buffer")),
            "marketplace": dice.choice((None, None, "Shop", "shop")),
            "labels": dice.sample([f"l{n}-0", f"l{n}-1"], dice.randrange(3)),
        }


@pytest.fixture(params=["few", "many"])
def amount(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether so few records are found that each is looked at, or so many that orders of all are made."""
    if request.param == "many":
        monkeypatch.setattr(listing, "FEW", 10)
        monkeypatch.setattr(listing_order, "BRANCH", 3)
        monkeypatch.setattr(listing_serial, "LEAF", 4)
        monkeypatch.setattr(listing_order, "LEAF", 4)
    return str(request.param)


def numbered(session: Session) -> list[Unit]:
    """Every unit in the order in which it came."""
    page = Listings().units(session, UnitsWanted(), offset=0, limit=1000)
    units = {one.id: one for one in session.scalars(select(Unit))}
    return [units[one] for one in ids(session, page)]


def ids(session: Session, page: Page) -> list[str]:
    found = unit_ids(session, page.numbers)
    return [found[number] for number in page.numbers]


def project_names(session: Session, page: Page) -> list[str]:
    found = project_ids(session, page.numbers)
    return [found[number] for number in page.numbers]


def key_of(name: str) -> Callable[[Any], Any]:
    def key(one: Any) -> Any:
        if name == BY_SERIAL:
            return one.series, one.first
        value = getattr(one, COLUMNS[name])
        return (value is not None, value)

    return key


@pytest.mark.parametrize("is_descending", [False, True])
def test_every_order_holds_on_every_page(filled: Register, amount: str, is_descending: bool) -> None:
    with filled.reading() as session:
        listings, every = Listings(), numbered(session)
        for name in (BY_SERIAL, *COLUMNS):
            order = Order(name=name, is_descending=is_descending)
            expected = [one.id for one in sorted(every, key=key_of(name))]
            expected = expected[::-1] if is_descending else expected
            for offset, limit in ((0, 7), (64, 5), (129, 100), (len(every) - 3, 10), (len(every), 4), (0, 1000)):
                page = listings.units(session, UnitsWanted(order=order), offset=offset, limit=limit)
                assert ids(session, page) == expected[offset : offset + limit], (name, offset)
                assert page.count == len(every)


CONDITIONS = [
    ("vintageYear", Op.EQ, ("2018",)),
    ("vintageYear", Op.NOT, ("2018", "2019")),
    ("vintageYear", Op.LTE, ("2018",)),
    ("vintageYear", Op.GT, ("-1",)),
    ("vintageYear", Op.LIKE, ("20_8",)),
    ("unitStatus", Op.LIKE, ("%EL%",)),
    ("unitStatus", Op.GTE, ("Held",)),
    ("unitStatus", Op.LT, ("Held",)),
    ("marketplace", Op.EQ, ("Shop",)),
    ("marketplace", Op.NOT, ("Shop",)),
    ("marketplace", Op.LIKE, ("s%",)),
    ("marketplaceIdentifier", Op.NOT, ("0x" + "00" * 31 + "01",)),
    ("marketplaceIdentifier", Op.IN, ("0x" + "00" * 31 + "01", "x")),
    ("marketplaceIdentifier", Op.LIKE, ("0X%",)),
    ("unitCount", Op.EQ, ("1", "6")),
    ("unitCount", Op.NOT, ("1",)),
    ("unitCount", Op.LT, ("6",)),
    ("unitCount", Op.LTE, ("6",)),
    ("unitCount", Op.GT, ("6",)),
    ("unitCount", Op.GTE, (str(2**33),)),
    ("unitCount", Op.GT, (str(2**63 - 1),)),
    ("unitCount", Op.LT, ("-5",)),
    ("unitCount", Op.LIKE, ("1%",)),
    ("unitOwner", Op.EQ, ("Bär & Söhne",)),
    ("unitOwner", Op.NOT, ("Buyer 1",)),
    ("unitOwner", Op.LIKE, ("a%b_c",)),
    ("unitOwner", Op.LIKE, ("A\\%",)),
    ("unitOwner", Op.LIKE, ("%\\s%",)),
    ("unitOwner", Op.LIKE, ("\\",)),
    ("unitOwner", Op.GT, ("Z",)),
    ("unitTags", Op.LIKE, ("[%",)),
    ("unitBlockStart", Op.LIKE, ("ONE-%",)),
    ("issuanceId", Op.GT, ("8",)),
]


@pytest.mark.parametrize(("name", "op", "values"), CONDITIONS, ids=str)
def test_every_condition_finds_what_fits(
    filled: Register, amount: str, name: str, op: Op, values: tuple[str, ...]
) -> None:
    where = (Where(name=name, op=op, values=values),)
    with filled.reading() as session:
        every = numbered(session)
        expected = [one.id for one in every if fits(getattr(one, COLUMNS[name]), op, values)]
        page = Listings().units(session, UnitsWanted(where=where), offset=0, limit=1000)
        assert ids(session, page) == expected
        assert page.count == len(expected)
        ordered = UnitsWanted(where=where, order=Order(name=BY_SERIAL))
        by_serial = Listings().units(session, ordered, offset=2, limit=5)
        found = [one for one in every if one.id in set(expected)]
        assert ids(session, by_serial) == [one.id for one in sorted(found, key=key_of(BY_SERIAL))][2:7]


def fits(value: Any, op: Op, texts: tuple[str, ...]) -> bool:
    if value is None:
        return False
    if op is Op.LIKE:
        marks = {"%": ".*", "_": "."}
        pattern = "".join(marks.get(character, re.escape(character)) for character in texts[0])
        return re.fullmatch(pattern, str(value), re.IGNORECASE | re.DOTALL) is not None
    asked = [int(text) for text in texts] if isinstance(value, int) else list(texts)
    match op:
        case Op.LT:
            return bool(value < asked[0])
        case Op.LTE:
            return bool(value <= asked[0])
        case Op.GT:
            return bool(value > asked[0])
        case Op.GTE:
            return bool(value >= asked[0])
        case Op.NOT:
            return value not in asked
    return value in asked


def test_names_find_their_own(filled: Register) -> None:
    with filled.reading() as session:
        every = numbered(session)
        for name, column in (("warehouseUnitId", "id"), ("issuanceId", "issuance_id")):
            value = getattr(every[40], column)
            where = (Where(name=name, op=Op.EQ, values=(value, "none")),)
            found = Listings().units(session, UnitsWanted(where=where), offset=0, limit=1000)
            assert ids(session, found) == [one.id for one in every if getattr(one, column) == value]


def test_projects_are_ordered_and_found(filled: Register, amount: str) -> None:
    with filled.reading() as session:
        every = {one.id: one for one in session.scalars(select(Project))}
        came = [
            every[one]
            for one in project_names(session, Listings().projects(session, ProjectsWanted(), offset=0, limit=100))
        ]
        for name, column in (("projectName", "project_name"), ("description", "description"), ("sector", "sector")):
            ordered = sorted(came, key=lambda one: ((value := getattr(one, column)) is not None, value))
            for back in (False, True):
                expected = [one.id for one in (ordered[::-1] if back else ordered)]
                wanted = ProjectsWanted(order=Order(name=name, is_descending=back))
                page = Listings().projects(session, wanted, offset=1, limit=4)
                assert project_names(session, page) == expected[1:5]
        named = ProjectsWanted(where=(Where(name="projectName", op=Op.LIKE, values=("wind",)),))
        found = Listings().projects(session, named, offset=0, limit=100)
        assert project_names(session, found) == [one.id for one in came if one.project_name.lower() == "wind"]
        marked = Listings().projects(session, ProjectsWanted(has_tokens=True), offset=0, limit=100)
        sold = {one.issuance.warehouse_project_id for one in numbered(session) if one.marketplace_identifier}
        assert set(project_names(session, marked)) == sold != set(every)


def test_buyers_are_shown_what_the_records_hold(filled: Register) -> None:
    with filled.reading() as session:
        page = Listings().units(session, UnitsWanted(), offset=0, limit=1000)
        shown = list(observed_units(session, page.numbers).values())
        assert shown == [bought(session.get_one(Unit, one)) for one in ids(session, page)]
        assert len(shown) > 100
        assert {one["isTokenized"] for one in shown} == {True, False}
        assert {len(one["labels"]) for one in shown} == {0, 1, 2}
        listed = Listings().projects(session, ProjectsWanted(), offset=0, limit=100)
        assert list(observed_projects(session, listed.numbers).values()) == [
            records.project_json(session.get_one(Project, one)) for one in project_names(session, listed)
        ]


@pytest.mark.parametrize("org", ["abc", None])
def test_records_are_published_as_they_are_held(filled: Register, org: str | None) -> None:
    with filled.reading() as session:
        page = Listings().units(session, UnitsWanted(), offset=0, limit=1000)
        shapes = list(published_units(session, page.numbers, org).values())
        assert shapes == [published_unit(session.get_one(Unit, one), org) for one in ids(session, page)]
        assert {len(one["labels"]) for one in shapes} == {0, 1, 2}
        listed = Listings().projects(session, ProjectsWanted(), offset=0, limit=100)
        objects = [session.get_one(Project, one) for one in project_names(session, listed)]
        shapes = list(published_projects(session, listed.numbers, org).values())
        assert shapes == [published_project(one, org) for one in objects]
        some = published_projects(session, listed.numbers[:2], org, ["projectName", "issuances"])
        assert [set(one) for one in some.values()] == [{"projectName", "issuances"}] * 2
        bare = published_units(session, page.numbers[:1], org, ["nothing"])
        assert [set(one) for one in bare.values()] == [{"warehouseUnitId"}]


def published(record: Record, org: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {record.id_name: record.id}
    for one in record.fields:
        if not one.is_ours:
            value = getattr(record, one.column)
            found[one.name] = f"{value.isoformat()}T00:00:00.000Z" if isinstance(value, date) else value
    return found | {"orgUid": org}


def published_unit(unit: Unit, org: str | None) -> dict[str, Any]:
    labels = []
    for link in sorted(unit.label_units, key=lambda one: one.label_id):
        both = {"id": link.id, "warehouseUnitId": unit.id, "labelId": link.label_id, "orgUid": org}
        labels.append(
            published(link.label, org) | {"warehouseProjectId": unit.issuance.warehouse_project_id, "label_unit": both}
        )
    return published(unit, org) | {
        "serialNumberBlock": f"{unit.unit_block_start}-{unit.unit_block_end}",
        "issuanceId": unit.issuance_id,
        "projectLocationId": unit.project_location_id,
        "issuance": published(unit.issuance, org) | {"warehouseProjectId": unit.issuance.warehouse_project_id},
        "labels": labels,
    }


def published_project(project: Project, org: str | None) -> dict[str, Any]:
    parts = {name: records.parts_of(project, name) for name in PROJECT_CHILDREN}
    return published(project, org) | {
        name: [published(one, org) | {"warehouseProjectId": project.id} for one in sorted(rows, key=lambda one: one.id)]
        for name, rows in parts.items()
    }


def test_orders_that_are_kept_follow_every_change(filled: Register, amount: str) -> None:
    listings = Listings()
    orders = [Order(name=BY_SERIAL), Order(name="unitOwner"), Order(name="unitCount", is_descending=True)]

    def check() -> None:
        with filled.reading() as session:
            every = numbered(session)
            for order in orders:
                expected = [one.id for one in sorted(every, key=key_of(str(order.name)))]
                expected = expected[::-1] if order.is_descending else expected
                wanted = UnitsWanted(order=order)
                assert ids(session, listings.units(session, wanted, offset=0, limit=1000)) == expected

    check()
    with filled.writing("admin") as session:
        whole = next(one for one in numbered(session) if one.unit_count > 90 and one.asset_id is None)
        split_unit(session, whole.id, [10, whole.unit_count - 10])
    check()
    with filled.writing("admin") as session:
        import_bytes(
            session, document(unit(1, 3, series=f"A{amount.upper()}", issuanceId="i1-1"), projects=[]), "first.json"
        )
        session.get_one(Unit, numbered(session)[5].id).unit_owner = "Zoe"
    check()
    filled.rebuild_search()
    check()


def test_list_that_looks_long_is_refused_where_there_is_no_time(filled: Register, amount: str) -> None:
    wanted = UnitsWanted(order=Order(name="unitOwner"))
    listings = Listings()
    with filled.reading() as session:
        if amount == "few":
            listings.units(session, wanted, offset=0, limit=5, may_look_long=False)
            return
        with pytest.raises(LooksLong):
            listings.units(session, wanted, offset=0, limit=5, may_look_long=False)
        listings.units(session, wanted, offset=0, limit=5)
        assert len(listings.units(session, wanted, offset=50, limit=5, may_look_long=False).numbers) == 5


def test_memory_of_lists_is_bounded(filled: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEW", 3)
    monkeypatch.setattr(listing, "MAX_SETS", 5)
    monkeypatch.setattr(listing, "MAX_ORDERS", 2)
    listings = Listings()
    with filled.reading() as session:
        for number in range(9):
            where = (Where(name="unitOwner", op=Op.LIKE, values=(f"%{number}",)),)
            listings.units(session, UnitsWanted(where=where), offset=0, limit=5)
        for name in ("unitOwner", "unitTags", "unitRegistryLink"):
            listings.units(session, UnitsWanted(order=Order(name=name)), offset=0, limit=5)
    assert len(listings._sets) == 5
    assert len(listings._orders) == 2


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        (Where(name="assetId", op=Op.EQ, values=("1",)), "assetId"),
        (Where(name="unitOwner", op=Op.LT, values=("a", "b")), "one value"),
        (Where(name="unitOwner", op=Op.LIKE, values=("%a" * 200,)), "255 characters"),
        (Where(name="unitCount", op=Op.EQ, values=("nine",)), "not a value"),
        (Where(name="unitOwner", op=Op.IN, values=("a",) * 101), "at most 100"),
    ],
)
def test_wrong_condition_is_refused(filled: Register, where: Where, reason: str) -> None:
    with filled.reading() as session, pytest.raises(RecordInvalid, match=reason):
        Listings().units(session, UnitsWanted(where=(where,)), offset=0, limit=5)


def test_list_that_takes_too_long_is_ended_and_refused_at_once(
    filled: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", 3)
    monkeypatch.setattr("chain.time_limit._STEPS", 1)
    listings = Listings(seconds=0.001)
    wanted = UnitsWanted(where=(Where(name="unitOwner", op=Op.LIKE, values=("%a%b%c%",)),))
    slow = "SELECT count(*) FROM units a, units b, units c WHERE a.unit_owner < b.unit_owner || c.unit_owner"
    monkeypatch.setattr(listing, "fitting", lambda session, *_: session.connection().exec_driver_sql(slow).all())
    with filled.reading() as session, pytest.raises(ListTooLong, match="narrow it"):
        listings.units(session, wanted, offset=0, limit=5)
    monkeypatch.setattr(listing, "fitting", lambda *_: pytest.fail("asked again"))
    with filled.reading() as session, pytest.raises(ListTooLong, match="narrow it"):
        listings.units(session, wanted, offset=0, limit=5)


def test_lists_of_the_command_line_come_by_serial(filled: Register, amount: str) -> None:
    with filled.reading() as session:
        every = sorted(numbered(session), key=key_of(BY_SERIAL))
        cases: list[tuple[UnitFilter, Callable[[Unit], bool]]] = [
            (UnitFilter(), lambda _: True),
            (
                UnitFilter(status="Held", vintage_year=2018),
                lambda one: (one.unit_status, one.vintage_year) == ("Held", 2018),
            ),
            (UnitFilter(project="p3"), lambda one: one.issuance.project.local_name == "p3"),
            (UnitFilter(series="ONE", is_tokenized=False), lambda one: one.series == "ONE" and not one.is_tokenized),
        ]
        for wanted, fit in cases:
            page = list_units(session, wanted, limit=9, offset=4)
            expected = [one for one in every if fit(one)]
            assert list(page.units) == expected[4:13]
            assert (page.record_count, page.unit_count) == (len(expected), sum(one.unit_count for one in expected))


@pytest.mark.parametrize("database", DATABASES)
def test_what_is_known_of_the_register_is_asked_anew_when_it_changes(databases: Databases, database: str) -> None:
    url = databases.register(database)
    register, listings = Register.open(url), Listings()
    asked: list[str | None] = []

    def home_name(session: Session) -> str | None:
        home = find_home(session)
        asked.append(None if home is None else home.name)
        return asked[-1]

    for now, then in ((None, "Bhutan"), ("Bhutan", "Bhutan Carbon"), ("Bhutan Carbon", "Druk Carbon")):
        for _ in range(2):
            with register.reading() as session:
                assert listings.known(session, home_name) == now
        with register.writing("admin") as session:
            set_home(session, then)
    assert asked == [None, "Bhutan", "Bhutan Carbon"]
    register.close()
    databases.drop(url)


def test_who_asks_by_serial_first_finds_the_order_made(filled: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "FEW", 5)
    monkeypatch.setattr(listing_serial, "LEAF", 5)
    listings = Listings()
    with filled.reading() as session:
        listings.prepare(session)
    monkeypatch.setattr(listing, "serial_order", lambda _: pytest.fail("the order is made again"))
    by_serial = UnitsWanted(order=Order(name=BY_SERIAL))
    with filled.reading() as session:
        page = listings.units(session, by_serial, offset=3, limit=50)
        plain = Listings().units(session, UnitsWanted(), offset=0, limit=1000)
        blocks = {one.id: (one.series, one.first) for one in session.scalars(select(Unit))}
        found, came = ids(session, page), ids(session, plain)
    assert [blocks[one] for one in found] == sorted(blocks[one] for one in came)[3:53]


def test_order_of_a_newer_state_is_not_an_older_readers(either: Register) -> None:
    """Two threads share what is kept, and one of them began before the last change."""
    wanted = UnitsWanted(order=Order(name=BY_SERIAL))
    with either.writing("admin") as session:
        rows = [unit(number, number) for number in range(101, 2202)]
        import_bytes(session, document(*rows, unit(9001, 9001, series="ZZ"), projects=[]), "more.json")
    listings = Listings()
    with either.reading() as old:
        listings.units(old, UnitsWanted(), offset=0, limit=1)
        with either.writing("admin") as session:
            session.delete(session.scalars(select(Unit).where(Unit.first == 9001)).one())
        with either.reading() as new:
            newer = listings.units(new, wanted, offset=2100, limit=10)
            found = listings.units(old, wanted, offset=2100, limit=10)
            assert found == Listings().units(old, wanted, offset=2100, limit=10)
            assert listings.units(new, wanted, offset=2100, limit=10) == newer
            assert found.count == newer.count + 1
