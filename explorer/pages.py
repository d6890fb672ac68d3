"""One page for people: registries with their figures, unit blocks, retirements with their serials.

Everything shown was written by strangers: the template escapes all of it, right-to-left tricks are kept inside their
own cell, and the page may run no script at all.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from sqlalchemy.orm import Session

from explorer.answers import Filter
from explorer.events import burns
from explorer.queries import registries, status, tokens
from explorer.shown import text_of
from explorer.store import RETIREMENT

ROWS_SHOWN = 200

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"hex": _hex, "units": _units, "day": _day, "said": _said, "named": _named}
    return environment.get_template("index.html")


def index_page(session: Session) -> web.Response:
    """The page as it stands now."""
    text = _template().render(
        status=status(session),
        registries=registries(session, Filter(limit=ROWS_SHOWN)),
        tokens=tokens(session, Filter(limit=ROWS_SHOWN)),
        retirements=burns(RETIREMENT, session, Filter(limit=ROWS_SHOWN, newest_first=True)),
    )
    return web.Response(text=text, content_type="text/html", headers=HEADERS)


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _units(count: int) -> str:
    return f"{count:,}"


def _day(timestamp: int | None) -> str:
    """The UTC date and time, or nothing."""
    if timestamp is None:
        return ""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M")


def _said(shown: dict[str, Any], key: str) -> str:
    return text_of(shown, key) or ""


def _named(shown: dict[str, str] | None) -> str:
    """A name as text, or as hex; what is not read yet has none."""
    return (shown or {}).get("text") or (shown or {}).get("hex") or ""
