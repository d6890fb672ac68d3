"""The table of promises names tests that are there, and every promise has some."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "promises.md").read_text()
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", PAGE)


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED)))
def test_named_test_is_there(path: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("promise", [f"P{number}" for number in range(1, 11)])
def test_promise_names_its_tests(promise: str) -> None:
    (row,) = (line for line in PAGE.splitlines() if line.startswith(f"| {promise} |"))
    assert len(re.findall(r"::test_\w+", row)) >= 3
    assert f"| {promise} |" in (ROOT / "README.md").read_text()
