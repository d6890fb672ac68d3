"""What a workbook of many rows takes: written by one register's export, imported by another, each the real command."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.memory import Stage
from bench.register_data import Size
from bench.register_load import fill_more

_EXPORT, _IMPORT = "export", "import"
_PROGRAM = "tokenization_engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """Seconds of a command, and the most memory it held (MiB)."""

    seconds: float
    peak_mib: float


def write_book(path: Path, size: Size) -> Booked:
    """A register of that size, exported as a workbook; only the export is measured."""
    with TemporaryDirectory(prefix="bench-book-") as folder:
        url = f"sqlite:///{Path(folder) / 'register.sqlite'}"
        fill_more(url, 0, size)
        return _run(url, ["register", "export", str(path)], _EXPORT)


def read_book(url: str, path: Path, size: Size) -> Booked:
    """The workbook imported into the empty register at `url`."""
    return _run(url, ["import", str(path)], _IMPORT, units=size.units)


def _run(url: str, arguments: list[str], what: str, *, units: int | None = None) -> Booked:
    with TemporaryDirectory(prefix="bench-home-") as folder:
        own = {"CARBON_ENGINE_HOME": folder, "CARBON_ENGINE_DATABASE": url, "CARBON_ENGINE_AUTHOR": "bench"}
        stage = Stage(home=Path(folder), environment=os.environ | own)
        started = time.perf_counter()
        told = stage.command(_PROGRAM, [*arguments, "--json"], what)
        seconds = time.perf_counter() - started
    assert units is None or told["result"]["record_count"] == units, told
    return Booked(seconds=seconds, peak_mib=stage.peaks[_PROGRAM, what])
