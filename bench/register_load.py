"""What the bench of the register does in processes of its own: fill one, and read from it as many readers do."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.memory import peak_memory
from bench.register_data import UNITS_A_PROJECT, YEARS, Size, projects, units
from chain.garbage import passed_over, seldom_collected
from puzzles.units import AssetId, CoinId, Height
from tokenization_engine.register.chain_events import ChainEvent, mark_tokenized
from tokenization_engine.register.intake import Intake
from tokenization_engine.register.model import Unit
from tokenization_engine.register.search.find import Search, count_units, cut, has, unit_numbers
from tokenization_engine.register.search.terms import Facet
from tokenization_engine.register.shown.texts import UNITS, Shape, make_some
from tokenization_engine.register.store import Register

PAGE = 100
TOKENS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """What an import took: seconds on the wall and of its process on a core, and the most memory it held (MiB)."""

    units: int
    seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(slots=True, kw_only=True)
class Read:
    """What a reader saw: seconds of each answer by the kind of question, and the memory it held (MiB)."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    peak_mib: float = 0.0


def fill(url: str, size: Size) -> Filled:
    """Import the whole data set through the validated path, in one transaction; tokens come after the clock."""
    register = Register.open(url)
    started, cpu = time.perf_counter(), time.process_time()
    with seldom_collected(), register.writing("bench", comment="a nation's register") as session:
        intake = Intake(session)
        for number, row in enumerate(projects(size)):
            intake.add_project(row, f"projects[{number}]")
        for number, row in enumerate(units(size)):
            intake.add_unit(row, f"units[{number}]")
        written = intake.finish()
        assert not intake.problems, intake.problems[:3]
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert written.record_count == size.units
    _tokenize(register, written.unit_ids)
    register.close()
    return Filled(units=size.units, seconds=seconds, cpu_seconds=cpu, peak_mib=peak_mib())


def write_texts(url: str) -> float:
    """Write the texts of all records as the daemon does when nobody else writes; seconds on the wall."""
    register = Register.open(url)
    started = time.perf_counter()
    made = 1
    while made:
        with register.writing("bench") as session:
            made = make_some(session)
    register.close()
    return time.perf_counter() - started


def fill_more(url: str, projects_there: int, more: Size) -> float:
    """Import more projects with their units; seconds on the wall."""
    register = Register.open(url)
    started = time.perf_counter()
    with seldom_collected(), register.writing("bench") as session:
        intake = Intake(session)
        for row in list(projects(Size(projects=projects_there + more.projects)))[projects_there:]:
            intake.add_project(row, "project")
        for row in units(more, first_project=projects_there):
            intake.add_unit(row, "unit")
        intake.finish()
        assert not intake.problems, intake.problems[:3]
    register.close()
    return time.perf_counter() - started


def read(url: str, size: Size, seed: int, seconds: float) -> Read:
    """Ask one question after the other, without a pause, for so long; each answer is a page of whole records.

    The first answer to each is not counted: it loads what the reader's process keeps for the next ones.
    """
    register = Register.open_to_read(url)
    dice, done = random.Random(seed), Read()
    questions = questions_of(size)
    for name, make in questions.items():
        register.ask(_question(name, make(dice)))
    passed_over()  # as the daemon's reader processes do
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, make in questions.items():
            question = _question(name, make(dice))
            started = time.perf_counter()
            register.ask(question)
            done.seconds.setdefault(name, []).append(time.perf_counter() - started)
    register.close()
    done.peak_mib = peak_mib()
    return done


Question = Callable[[random.Random], tuple[Search, int]]


def questions_of(size: Size) -> Mapping[str, Question]:
    """What readers ask: a search, and which page of what it finds (numbered from 0)."""
    last_page = size.units // PAGE - 1
    deep = min(9_000, last_page)

    def by(facet: Facet, value: Callable[[random.Random], object], most_pages: int) -> Question:
        return lambda dice: (Search(conditions=(has(facet, value(dice)),)), dice.randrange(most_pages))

    return {
        "first page": lambda dice: (Search(), 0),
        f"page {deep:,}": lambda dice: (Search(), deep),
        "any page": lambda dice: (Search(), dice.randrange(last_page)),
        "project": by(Facet.PROJECT_KEY, lambda dice: dice.randrange(size.projects), 1),
        "vintage": by(Facet.VINTAGE_YEAR, lambda dice: dice.choice(YEARS), last_page // 11),
        "country": by(Facet.COUNTRY, lambda dice: dice.choice(("Bhutan", "Peru")), last_page // 12),
        "methodology": by(Facet.METHODOLOGY, lambda dice: "CDM - AMS-I.D.", 10),
        "label": by(Facet.LABEL, lambda dice: f"Authorization {dice.randrange(50)}", 3),
        "status": by(Facet.UNIT_STATUS, lambda dice: dice.choice(("Held", "Retired")), last_page // 6),
        "tokenized": by(Facet.TOKENIZED, lambda dice: dice.choice((True, False)), 10),
        "two values, and not a third": lambda dice: (
            Search(
                conditions=(
                    has(Facet.VINTAGE_YEAR, dice.choice(YEARS), dice.choice(YEARS)),
                    has(Facet.UNIT_STATUS, "Retired", "Cancelled", is_not=True),
                    has(Facet.COUNTRY, "Bhutan"),
                )
            ),
            dice.randrange(100),
        ),
        "full text, every fifth unit": lambda dice: (
            Search(text=dice.choice(("hydropower", "wind", "Electricity"))),
            dice.randrange(last_page // 10),
        ),
        "full text, a buyer": lambda dice: (Search(text=f"buyer {dice.randrange(2000)}"), 0),
        "full text and a value": lambda dice: (
            Search(text="dagachhu hydro", conditions=(has(Facet.UNIT_STATUS, "Held"),)),
            dice.randrange(10),
        ),
        "full text, a serial number": lambda dice: (
            Search(text=f"BT-N{dice.randrange(size.projects)}-{dice.choice(YEARS)}-{dice.randrange(1, 5000)}"),
            0,
        ),
    }


def _question(name: str, asked: tuple[Search, int]) -> Callable[[Session], None]:
    def ask(session: Session) -> None:
        _answer(session, *asked)
        if name == "first page":
            count_units(session, Search())

    return ask


def _answer(session: Session, wanted: Search, page: int) -> None:
    """The page's records with all that a buyer is shown of them, as JSON."""
    found = unit_numbers(session, wanted)
    units = UNITS.read(session, cut(found, page * PAGE, PAGE), Shape.OBSERVED)
    expected = max(0, min(PAGE, len(found) - page * PAGE))
    assert len(units) == expected, f"page {page} of {len(found)} records holds {len(units)}"
    orjson.dumps(units)


def _tokenize(register: Register, unit_ids: tuple[str, ...]) -> None:
    with seldom_collected(), register.writing("bench") as session:
        held = session.scalars(select(Unit).where(Unit.id.in_(unit_ids[:TOKENS]), Unit.unit_status == "Held"))
        for number, unit in enumerate(held, start=1):
            name = number.to_bytes(32, "big")
            event = ChainEvent(coin_id=CoinId(name), asset_id=AssetId(name), block=unit.block, height=Height(1))
            mark_tokenized(session, unit.id, event)


def peak_mib() -> float:
    """The most memory this process held, MiB."""
    return peak_memory(os.getpid())


__all__ = ["PAGE", "UNITS_A_PROJECT", "Filled", "Read", "fill", "fill_more", "questions_of", "read", "write_texts"]
