"""Section `register`: a nation's register on both databases: import, searches and pages under load, memory."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg
from rich.console import Console

from bench.held import held_in_memory
from bench.register_book import Booked, read_book, write_book
from bench.register_data import Size
from bench.register_http import PROJECTS_ON_PAGE, read_over_http
from bench.register_load import PAGE, Filled, Read, fill, fill_more, read, write_texts
from bench.report import Target, table, thousands, watched
from chain.connections import file_of, read_url
from tests.postgres import serving_postgres

SIZE, QUICK_SIZE = Size(projects=10_000), Size(projects=100)
MORE = Size(projects=50)
BOOK, QUICK_BOOK = Size(projects=1_000), Size(projects=10)
READERS = 10
PAUSE = 0.2
"""Seconds for which a reader over HTTP looks at a page, where it does."""
SECONDS, QUICK_SECONDS = 30.0, 5.0


def run(console: Console, is_quick: bool) -> list[Target]:
    """Import, texts of lists, ten readers who ask without a pause, and beside an import; on each database."""
    size, seconds = (QUICK_SIZE, QUICK_SECONDS) if is_quick else (SIZE, SECONDS)
    targets: list[Target] = []
    filled: dict[str, Filled] = {}
    at_once: dict[str, list[Read]] = {}
    texts: dict[str, float] = {}
    reads: dict[str, list[Read]] = {}
    beside: dict[str, list[Read]] = {}
    first: dict[str, Read] = {}
    asked: dict[str, list[Read]] = {}
    paused: dict[str, list[Read]] = {}
    for name, place in (("SQLite", _sqlite), ("PostgreSQL", _postgres)):
        with place() as url, ProcessPoolExecutor(READERS + 1, mp_context=get_context("spawn")) as pool:
            with watched(console, f"{name}, import"):
                filled[name] = pool.submit(fill, url, size).result()
            _cleaned_up(url)
            with _held(console, url), watched(console, f"{name}, readers before any text is kept"):
                at_once[name] = _together(pool, url, size, seconds)
            with watched(console, f"{name}, texts of lists"):
                texts[name] = pool.submit(write_texts, url).result()
            _cleaned_up(url)
            with _held(console, url):
                with watched(console, f"{name}, readers"):
                    reads[name] = _together(pool, url, size, seconds)
                with watched(console, f"{name}, readers over HTTP"):
                    first[name], asked[name] = read_over_http(url, size, READERS, seconds)
                with watched(console, f"{name}, readers over HTTP who pause"):
                    _, paused[name] = read_over_http(url, size, READERS, seconds, pause=PAUSE)
                with watched(console, f"{name}, readers beside an import"):
                    writer = pool.submit(fill_more, url, size.projects, MORE)
                    beside[name] = _together(pool, url, size, seconds)
                    writer.result()
        targets += _targets(name, filled[name], (at_once[name], reads[name], asked[name], paused[name]))
    written, booked = _books(console, is_quick=is_quick)
    targets += [
        Target(what=f"{name}: import of a long workbook, memory", found=one.peak_mib, limit=500 / 1.048576, unit="MiB")
        for name, one in booked.items()
    ]
    _show_imports(console, filled, texts, size)
    _show_books(console, written, booked, BOOK if not is_quick else QUICK_BOOK)
    whole = f"An answer is the exact count and a page of {PAGE} whole records as JSON. "
    own = whole + (
        "A reader is a process of its own, warmed by one answer to each question. SQLite's file is held in memory, "
        "PostgreSQL has a quarter of the machine's for its buffers"
    )
    _show_reads(console, f"{READERS} readers, each asking without a pause", reads, own)
    _show_reads(console, "The same, after the import and before the daemon has kept any text", at_once, own)
    _show_reads(console, f"The same, while {thousands(MORE.units)} units are imported", beside, own)
    door = f"A page of {PAGE} units or {PROJECTS_ON_PAGE} projects, in CADT's shape or the observer's. The door"
    _show_reads(console, f"{READERS} readers over HTTP, each asking without a pause", asked, door)
    _show_reads(console, f"The same, each pausing {PAUSE} s after an answer", paused, door)
    _show_reads(
        console, "The first answer of the door to each question, alone", {k: [v] for k, v in first.items()}, door
    )
    return targets


def _books(console: Console, *, is_quick: bool) -> tuple[Booked, dict[str, Booked]]:
    """A workbook written, and imported into each database."""
    size, booked = QUICK_BOOK if is_quick else BOOK, dict[str, Booked]()
    with TemporaryDirectory(prefix="bench-book-") as folder:
        path = Path(folder) / "units.xlsx"
        with watched(console, "a workbook, written"):
            written = write_book(path, size)
        for name, place in (("SQLite", _sqlite), ("PostgreSQL", _postgres)):
            with place() as url, watched(console, f"{name}, import of the workbook"):
                booked[name] = read_book(url, path, size)
    return written, booked


def _together(pool: ProcessPoolExecutor, url: str, size: Size, seconds: float) -> list[Read]:
    return [one.result() for one in [pool.submit(read, url, size, seed, seconds) for seed in range(READERS)]]


@contextmanager
def _sqlite() -> Iterator[str]:
    with TemporaryDirectory(prefix="bench-register-") as folder:
        yield f"sqlite:///{Path(folder) / 'register.sqlite'}"


@contextmanager
def _postgres() -> Iterator[str]:
    quarter = psutil.virtual_memory().total // 4 // 2**20
    with serving_postgres(shared_buffers=f"{quarter}MB") as server:
        yield server.new_database()


@contextmanager
def _held(console: Console, url: str) -> Iterator[None]:
    """Readers of a SQLite file have it in memory, as those of the server have its buffers."""
    path = file_of(read_url(url))
    with nullcontext(True) if path is None else held_in_memory(path) as is_held:
        if not is_held:
            console.print("The file is not held in memory: readers may have to wait for the disk.")
        yield


def _cleaned_up(url: str) -> None:
    """Do at once what the server would do beside the first readers, and has done a minute later: see to new rows."""
    if not url.startswith("sqlite:"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")


def _targets(name: str, filled: Filled, parts: tuple[list[Read], ...]) -> list[Target]:
    """Those of the readers before any text is kept, after that, over HTTP, and over HTTP with pauses."""
    at_once, slowest, over_http, at_leisure = (
        max(_percentile(found, 0.99) for found in _by_question(some).values()) for some in parts
    )
    rate = filled.units / filled.seconds
    return [
        Target(what=f"{name}: validated import", found=rate, limit=5000, unit="units/s", is_floor=True),
        Target(what=f"{name}: slowest question before any text, p99", found=at_once * 1000, limit=50, unit="ms"),
        Target(what=f"{name}: slowest question, p99", found=slowest * 1000, limit=50, unit="ms"),
        Target(what=f"{name}: slowest question over HTTP, p99", found=over_http * 1000, limit=50, unit="ms"),
        Target(what=f"{name}: the same with pauses, p99", found=at_leisure * 1000, limit=50, unit="ms"),
    ]


def _show_imports(console: Console, filled: dict[str, Filled], texts: dict[str, float], size: Size) -> None:
    drawn = table(
        f"Import of {thousands(size.projects)} projects with {thousands(size.units)} unit records",
        "database",
        "seconds",
        "units a second",
        "units a second of its core",
        "peak memory, MiB",
        "texts of lists, a second",
        caption="The validated path: every field, reference, overlap and total checked, audit trail with its hash "
        "chain, search index; one transaction. PostgreSQL's own work is on another core and runs without fsync; its "
        "clean-up among new rows (VACUUM), which falls into the minute after, is waited for before anybody reads. The "
        "texts of lists are the daemon's to keep, in the background and after the import; here without its rests.",
    )
    for name, one in filled.items():
        on_core = thousands(one.units / one.cpu_seconds)
        rate, kept = thousands(one.units / one.seconds), thousands((size.units + size.projects) / texts[name])
        drawn.add_row(name, f"{one.seconds:.1f}", rate, on_core, thousands(one.peak_mib), kept)
    console.print(drawn)


def _show_books(console: Console, written: Booked, booked: dict[str, Booked], size: Size) -> None:
    drawn = table(
        f"A workbook of {thousands(size.units)} unit records and {thousands(size.projects)} projects with their parts",
        "command",
        "seconds",
        "peak memory, MiB",
        caption="The real commands, from their start to their end: register export, and import into an empty register.",
    )
    for what, one in (("export", written), *((f"import, {name}", one) for name, one in booked.items())):
        drawn.add_row(what, f"{one.seconds:.1f}", thousands(one.peak_mib))
    console.print(drawn)


def _show_reads(console: Console, title: str, reads: dict[str, list[Read]], told: str) -> None:
    columns = [f"{name}, {what}" for name in reads for what in ("median ms", "p99 ms")]
    peak = max(one.peak_mib for some in reads.values() for one in some)
    drawn = table(
        title,
        "question",
        *columns,
        caption=f"{told}; the largest held {peak:,.0f} MiB.",
    )
    found = {name: _by_question(some) for name, some in reads.items()}
    for question in next(iter(found.values())):
        cells: list[str] = []
        for name in reads:
            seconds = found[name][question]
            cells += [f"{statistics.median(seconds) * 1000:.1f}", f"{_percentile(seconds, 0.99) * 1000:.1f}"]
        drawn.add_row(question, *cells)
    console.print(drawn)


def _by_question(reads: list[Read]) -> dict[str, list[float]]:
    return {name: [one for each in reads for one in each.seconds[name]] for name in reads[0].seconds}


def _percentile(seconds: list[float], part: float) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
