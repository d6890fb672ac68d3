"""Records as a CADT server holds them, with the ids that it gave them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tests.engine.register import samples


def uid(number: int) -> str:
    """A UUID of its own for each number."""
    return str(UUID(int=number, version=4))


PROJECT, ISSUANCE, LABEL, LOCATION = uid(1), uid(2), uid(3), uid(4)
SERIES = samples.SERIES


def project(**changes: Any) -> dict[str, Any]:
    return {
        **samples.without(samples.project(), "localName"),
        "warehouseProjectId": PROJECT,
        "projectLocations": [_part(samples.location(), LOCATION)],
        "issuances": [_part(samples.issuance(startDate="2021-01-01T00:00:00.000Z"), ISSUANCE)],
        "labels": [_part(samples.label(), LABEL)],
        **changes,
    }


def unit(first: int = 1, last: int = 100, *, number: int | None = None, **changes: Any) -> dict[str, Any]:
    """A unit of upstream's: the series before the first number, the last one plain."""
    base = samples.without(samples.unit(first, last), "series", "first", "last")
    return {
        **base,
        "warehouseUnitId": uid(1000 + (first if number is None else number)),
        "issuanceId": ISSUANCE,
        "unitBlockStart": f"{SERIES}-{first}",
        "unitBlockEnd": str(last),
        "labels": [],
        **changes,
    }


def fork_unit(first: int, last: int, *, prefix: str = "0", **changes: Any) -> dict[str, Any]:
    """A unit of the fork's: plain numbers, with the organization's prefix in the whole serial alone."""
    start, end = str(first), str(last)
    blocks = {"unitBlockStart": start, "unitBlockEnd": end, "serialNumberBlock": f"{prefix}-{start}-{end}"}
    return unit(first, last, **{**blocks, **changes})


def _part(record: dict[str, Any], part_id: str) -> dict[str, Any]:
    return {**samples.without(record, "localName"), "id": part_id}
