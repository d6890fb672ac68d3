"""The tree drawn in each errors module is the tree of its classes."""

from __future__ import annotations

import inspect
import re
from types import ModuleType

import pytest

import chain.errors
import sim.errors


def drawn(module: ModuleType) -> dict[str, str | None]:
    """Class and the class it hangs from, as the docstring draws it."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (module.__doc__ or "").splitlines():
        match = re.match(r"^((?:\|   |    )*)([|`]-- )?(\w+)(?: {2,}|$)", line)
        if match is None:
            continue
        depth = len(match[1]) // 4 + (1 if match[2] else 0)
        path = [*path[:depth], match[3]]
        parents[match[3]] = path[depth - 1] if depth else None
    return parents


def defined(module: ModuleType) -> dict[str, str | None]:
    """Class and its base within the module, as it is written."""
    classes = {
        name: kind for name, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__
    }
    bases = {name: kind.__bases__[0].__name__ for name, kind in classes.items()}
    return {name: base if base in classes else None for name, base in bases.items()}


@pytest.mark.parametrize("module", [chain.errors, sim.errors])
def test_drawing_is_the_tree(module: ModuleType) -> None:
    assert drawn(module) == defined(module)
