"""One record as a file gives it, and the line it begins on."""

from __future__ import annotations

from typing import Any


class Row(dict[str, Any]):
    """One record as the file gives it, and the line it begins on."""

    line: int | None = None
