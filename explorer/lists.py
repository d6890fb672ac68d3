"""Every list that the explorer keeps: its name, what it is, how it is asked and by which filters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from explorer import answers, events, queries
from explorer.answers import Filter, Page
from explorer.parameters import HEIGHTS
from explorer.store import DETOKENIZATION, RETIREMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list: `filters` are names of `Parameters`, besides paging; `item` is what it lists."""

    summary: str
    ask: Callable[[Session, Filter], Page]
    item: type[object]
    filters: tuple[str, ...] = ()


_OF_TOKEN = ("registry_id", "asset_id", "series")
_OF_HOLDER = ("holder", "address")

LISTS: dict[str, Listing] = {
    "registries": Listing(
        summary="Registries that are followed, with their figures",
        ask=queries.registries,
        item=answers.Registry,
        filters=("registry_id",),
    ),
    "tokens": Listing(
        summary="Tokens by series and serial, with what became of each",
        ask=queries.tokens,
        item=answers.Token,
        filters=(*_OF_TOKEN, *HEIGHTS),
    ),
    "issuances": Listing(
        summary="Tokens in the order in which they were issued",
        ask=queries.issuances,
        item=answers.Token,
        filters=(*_OF_TOKEN, *HEIGHTS),
    ),
    "retirements": Listing(
        summary="Retirements with their serials and records, in chain order",
        ask=partial(events.burns, RETIREMENT),
        item=answers.Burn,
        filters=(*_OF_TOKEN, *_OF_HOLDER, "beneficiary", "is_open", *HEIGHTS),
    ),
    "detokenizations": Listing(
        summary="Units handed back to their registry, in chain order",
        ask=partial(events.burns, DETOKENIZATION),
        item=answers.Burn,
        filters=(*_OF_TOKEN, *_OF_HOLDER, *HEIGHTS),
    ),
    "holders": Listing(
        summary="Who holds how much of what now, the largest first",
        ask=events.holders,
        item=answers.Holding,
        filters=(*_OF_TOKEN, *_OF_HOLDER),
    ),
    "transfers": Listing(
        summary="Token coins as they came to their holders, in chain order",
        ask=events.transfers,
        item=answers.Transfer,
        filters=("registry_id", "asset_id", *_OF_HOLDER, *HEIGHTS),
    ),
    "statements": Listing(
        summary="What registries said, in chain order",
        ask=events.statements,
        item=answers.Statement,
        filters=("registry_id", *HEIGHTS),
    ),
}
