"""The bench runs and says what it means: figures that parse, targets that are judged, an exit code that follows."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from bench import __main__ as bench
from bench.batch import most_blocks
from bench.costs import CORE_REGISTRY
from bench.operations import OPERATIONS, cost_of, issue
from bench.report import Target, show_targets


@pytest.fixture(scope="module")
def quick() -> Result:
    """Sections 1 and 2 at small sizes."""
    return CliRunner().invoke(bench.main, ["costs", "batch", "--quick", "--width", "200"])


def rows(text: str) -> dict[str, list[str]]:
    """The tables' rows by their first column."""
    cells = [[cell.strip() for cell in line.strip("│┃ ").split("│")] for line in text.splitlines() if "│" in line]
    return {first: others for first, *others in cells}


def test_reader_finds_cost_and_bytes_of_every_operation(quick: Result) -> None:
    table = rows(quick.output)
    for name in OPERATIONS:
        _, size, cost, *_ = table[name]
        assert int(size.replace(",", "")) > 500
        assert re.fullmatch(r"\d+\.\d M", cost)


def test_reader_finds_the_core_registrys_cost_beside_ours(quick: Result) -> None:
    *_, theirs, ratio = rows(quick.output)["retire_with_change_sealed"]
    assert theirs == "71.8 M"
    ours = cost_of(OPERATIONS["retire_with_change_sealed"]())
    assert float(ratio) == pytest.approx(ours / CORE_REGISTRY["retire"].cost, abs=0.005)


def test_bench_ends_well_when_every_target_is_met(quick: Result) -> None:
    assert quick.exit_code == 0
    assert rows(quick.output)["retire with change and a 60-byte record, sealed"][-1] == "met"


def test_reader_finds_size_and_time_of_a_proven_certificate() -> None:
    result = CliRunner().invoke(bench.main, ["certificates", "--quick", "--width", "200"])
    assert result.exit_code == 0, result.output
    steps, size, without, milliseconds = rows(result.output)["4,000"]
    assert int(size.replace(",", "")) > int(without.replace(",", "")) + 30 * int(steps)
    assert float(milliseconds) > 0


def test_bench_ends_with_1_when_a_target_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    missed = Target(what="a figure", found=2.0, limit=1.0, unit="s")
    monkeypatch.setitem(bench.SECTIONS, "costs", lambda _console, _is_quick: [missed])
    result = CliRunner().invoke(bench.main, ["costs", "--width", "200"])
    assert result.exit_code == 1
    assert rows(result.output)["a figure"] == ["2.00 s", "at most 1.00 s", "MISSED"]


@pytest.mark.parametrize(("found", "is_met"), [(0.9, False), (1.0, True), (1.1, True)])
def test_target_that_is_a_floor_is_met_from_its_limit_up(found: float, is_met: bool) -> None:
    assert Target(what="rate", found=found, limit=1.0, unit="x", is_floor=True).is_met == is_met


def test_targets_table_keeps_a_wide_figure_whole() -> None:
    console = Console(width=200, file=StringIO(), record=True)
    show_targets(console, [Target(what="events", found=12_345.6, limit=10_000, unit="a second", is_floor=True)])
    assert rows(console.export_text())["events"] == ["12,346 a second", "at least 10,000 a second", "met"]


def test_search_finds_the_last_bundle_that_fits() -> None:
    limit = 320_000_000
    count, cost = most_blocks(limit)
    assert cost == cost_of(issue(count)) <= limit < cost_of(issue(count + 1))
