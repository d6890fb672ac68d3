"""One command for each list: the same filters as over HTTP, shown as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
from pydantic import ValidationError

from chain.console import Output, output_option
from chain.database import reading
from chain.errors import RequestError
from chain.forms import first_problem
from chain.json_values import to_hex
from explorer.answers import Burn, Holding, Registry, SerialBlock, Statement, Token, Transfer
from explorer.lists import LISTS, Listing
from explorer.opening import index_at_hand, wiring
from explorer.parameters import PAGING, Parameters
from explorer.shown import text_of
from puzzles.units import MOJOS_PER_UNIT

Columns = tuple[str, ...]

_OPTIONS: dict[str, str] = {"registry_id": "--registry"}


def _command(name: str, listing: Listing) -> click.Command:
    @output_option
    def show(out: Output, /, **given: object) -> None:
        wanted = _parameters(given).checked(listing.filters, wiring().node.chain)
        with index_at_hand() as index, reading(index) as session:
            page = listing.ask(session, wanted)
        columns, row = _TABLES[listing.item]
        rows = [row(item) for item in page.items]
        out.show_table(page, columns, rows, empty="nothing found")

    params = [_option(each) for each in (*listing.filters, *PAGING)]
    return click.Command(name, callback=show, params=[*show.__click_params__, *params], help=f"{listing.summary}.")  # type: ignore[attr-defined]  # click keeps what its decorators add there


def _option(name: str) -> click.Option:
    described = Parameters.model_fields[name].description
    if name == "is_open":
        return click.Option(["--open/--sealed", "is_open"], default=None, help=described)
    return click.Option([_OPTIONS.get(name, "--" + name.replace("_", "-")), name], help=described)


def _parameters(given: dict[str, object]) -> Parameters:
    """The parameters of the flags that were given; raises RequestError."""
    values = {name: _with_0x(name, value) for name, value in given.items() if value is not None}
    try:
        return Parameters.model_validate(values, strict=False)
    except ValidationError as error:
        raise RequestError(first_problem(error)) from error


def _with_0x(name: str, value: object) -> object:
    is_hash = name in {"registry_id", "asset_id", "holder"} and isinstance(value, str) and not value.startswith("0x")
    return f"0x{value}" if is_hash else value


def _short(data: bytes | None) -> str:
    return "" if data is None else to_hex(data)


def _units(mojos: int) -> str:
    whole, rest = divmod(mojos, MOJOS_PER_UNIT)
    return f"{whole:,}.{rest:03d}" if rest else f"{whole:,}"


def _block(block: SerialBlock | None) -> str:
    if block is None:
        return "not settled yet"
    return f"{block.first_serial or f'{block.series[:20]} {block.first}'} to {block.last}"


def _registry_row(each: Registry) -> Sequence[object]:
    name = each.label or (each.name or {}).get("text") or (each.name or {}).get("hex") or ""
    figures = each.supply
    note = each.fault or ("ended" if each.has_ended else "")
    return (
        name,
        _short(each.registry_id),
        each.token_count,
        *(f"{n:,}" for n in (figures.issued, figures.live, figures.retired, figures.detokenized)),
        note,
    )


def _token_row(each: Token) -> Sequence[object]:
    figures = each.supply
    project = text_of(each.metadata, "project_name") or ""
    numbers = (figures.issued, figures.live, figures.retired, figures.detokenized)
    return (_block(each.unit_block), project, *(f"{n:,}" for n in numbers), each.issued_height, _short(each.asset_id))


def _burn_row(each: Burn) -> Sequence[object]:
    who = each.beneficiary or ("not public" if each.record is not None else "")
    state = "" if each.is_sealed is None else "sealed" if each.is_sealed else "open"
    return (
        each.height,
        f"{each.unit_count:,}",
        _block(each.unit_block),
        who,
        state,
        _short(each.receipt_id or each.coin_id),
    )


def _holding_row(each: Holding) -> Sequence[object]:
    return _units(each.mojos), each.coin_count, _short(each.holder), _short(each.asset_id)


def _transfer_row(each: Transfer) -> Sequence[object]:
    sender = "issued" if each.sender is None else "change" if each.is_change else _short(each.sender)
    return each.height, _units(each.mojos), sender, _short(each.holder), _short(each.asset_id)


def _statement_row(each: Statement) -> Sequence[object]:
    said = ", ".join(f"{entry['key']}: {entry.get('value', entry.get('hex', ''))}" for entry in each.fields["fields"])
    return each.height, each.said_by, "repeated" if each.is_repeat else "", said


_FIGURES = ("issued", "live", "retired", "detokenized")
_BURN_COLUMNS = ("block", "units", "serials", "beneficiary", "receipt is", "coin")

_TABLES: dict[type[object], tuple[Columns, Callable[[Any], Sequence[object]]]] = {
    Registry: (("name", "registry", "tokens", *_FIGURES, "note"), _registry_row),
    Token: (("serials", "project", *_FIGURES, "block", "asset id"), _token_row),
    Burn: (_BURN_COLUMNS, _burn_row),
    Holding: (("units", "coins", "holder", "asset id"), _holding_row),
    Transfer: (("block", "units", "from", "to", "asset id"), _transfer_row),
    Statement: (("block", "by", "", "said"), _statement_row),
}

registries, tokens, issuances, retirements, detokenizations, holders, transfers, statements = (
    _command(name, listing) for name, listing in LISTS.items()
)
