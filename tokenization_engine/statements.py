"""What a registry says on chain under its own name: a REMARK that the issuer signed, in one small vocabulary.

The words are those of Article 6.2 (decision 2/CMA.3 and the agreed electronic format): an authorization, what
became of it, a first transfer and its adjustment; and a notice in free text. A statement names the units it
is about by series and serials, or by the token's asset id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import pycountry
from chia.types.blockchain_format.program import Program

from puzzles.errors import RecordError, SerialError
from puzzles.fields import canonical_text, write_fields
from puzzles.registry_ledger import conditions_for_issuer, statement_condition
from puzzles.standard import quoted_solution
from puzzles.units import CoinId, LauncherId, Mojos, UnitBlock
from tokenization_engine.bundles import finish, pay
from tokenization_engine.desk import Desk, signer
from tokenization_engine.errors import StatementInvalid
from tokenization_engine.journal import Built, Job, Kind, NewJob, write_down
from tokenization_engine.registry import RegistryState

KIND_KEY = "statement"

PURPOSES = ("NDC", "OIMP", "IMP", "OP", "NDC and OIMP", "NDC and IMP", "NDC and OP")
FIRST_TRANSFERS = ("Authorisation", "Issuance", "Use or Cancellation")
SCOPE = ("series", "first", "last", "asset_id")
FREE = ("reference", "document", "document_hash", "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """The fields of one kind of statement, in the order they are written."""

    about: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    needs_scope: bool = True

    @property
    def fields(self) -> tuple[str, ...]:
        """Every field that may stand in it."""
        return (*self.required, *SCOPE, *self.optional, *FREE)


FORMS: Mapping[str, Form] = {
    "authorization": Form(
        about="the Party authorizes units for use by others",
        required=("authorization_id", "date", "cooperative_approach_id", "purpose"),
        optional=("authorized_party", "authorized_entity", "first_transfer_definition", "authorized_quantity"),
    ),
    "authorization_change": Form(
        about="the terms of an authorization change",
        required=("authorization_id", "date"),
        optional=("purpose", "authorized_party", "authorized_entity", "first_transfer_definition"),
    ),
    "revocation": Form(
        about="an authorization is taken back for units not first transferred",
        required=("authorization_id", "date"),
    ),
    "first_transfer": Form(
        about="units are first transferred, as their authorization defines it",
        required=("authorization_id", "date", "first_transferring_party"),
        optional=("acquiring_party",),
    ),
    "corresponding_adjustment": Form(
        about="the first transferring Party applied its adjustment",
        required=("authorization_id", "date", "first_transferring_party", "calendar_year"),
    ),
    "use_towards_ndc": Form(
        about="a Party uses units towards its NDC",
        required=("authorization_id", "date", "using_party", "calendar_year"),
    ),
    "notice": Form(about="anything else, in free text", required=("message",), needs_scope=False),
}
"""The vocabulary, by kind."""


def write_statement(kind: str, given: Mapping[str, str]) -> Program:
    """The statement on chain, in the vocabulary's order; raises StatementInvalid for what is not in it."""
    form = FORMS.get(kind)
    if form is None:
        raise StatementInvalid(f"{kind!r} is no kind of statement: expected one of {', '.join(FORMS)}")
    values = {key: canonical_text(value) for key, value in given.items()}
    for key in values:
        if key not in form.fields:
            raise StatementInvalid(f"{key!r} is no field of {kind}: expected one of {', '.join(form.fields)}")
    missing = [key for key in form.required if not values.get(key)]
    if missing:
        raise StatementInvalid(f"the statement {kind} needs the field {missing[0]}: it has to be given")
    for key, value in values.items():
        _check(key, value)
    _check_scope(kind, form, values)
    ordered = [(key, values[key]) for key in dict.fromkeys(form.fields) if key in values]
    try:
        return write_fields([(KIND_KEY, kind), *ordered])
    except RecordError as error:
        raise StatementInvalid(str(error)) from error


def _check_scope(kind: str, form: Form, values: Mapping[str, str]) -> None:
    serials = [key in values for key in ("series", "first", "last")]
    if any(serials) and not all(serials):
        raise StatementInvalid("units are named by series, first and last together: one of the three is missing")
    if all(serials):
        try:
            UnitBlock(series=values["series"], first=_serial(values["first"]), last=_serial(values["last"]))
        except SerialError as error:
            raise StatementInvalid(str(error)) from error
    if form.needs_scope and not all(serials) and "asset_id" not in values:
        raise StatementInvalid(f"the statement {kind} names no units: give series, first and last, or an asset_id")


def _serial(text: str) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]{0,19}", text, re.ASCII):
        raise SerialError(f"{text!r} is not a serial number: expected digits without leading zeros")
    return int(text)


def _check(key: str, value: str) -> None:
    fits = _FITS.get(key)
    if fits is not None and not fits[0](value):
        raise StatementInvalid(f"the field {key} is {value!r}: expected {fits[1]}")


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_party(text: str) -> bool:
    return len(text) == 3 and text.isupper() and pycountry.countries.get(alpha_3=text) is not None


def _matches(form: str) -> Callable[[str], bool]:
    return lambda text: re.fullmatch(form, text, re.ASCII) is not None


_PARTY = (_is_party, "the ISO 3166-1 alpha-3 code of a Party, such as BTN")
_FITS: Mapping[str, tuple[Callable[[str], bool], str]] = {
    "date": (_is_date, "a date such as 2026-03-31"),
    "authorization_id": (_matches(r"[A-Za-z0-9 -]{1,64}"), "letters, digits, spaces and dashes, at most 64"),
    "cooperative_approach_id": (_matches(r"CA[0-9]{4}"), "CA and four digits, such as CA0001"),
    "purpose": (PURPOSES.__contains__, f"one of {', '.join(PURPOSES)}"),
    "first_transfer_definition": (FIRST_TRANSFERS.__contains__, f"one of {', '.join(FIRST_TRANSFERS)}"),
    "authorized_quantity": (_matches(r"[1-9][0-9]{0,18}"), "a whole number of units"),
    "calendar_year": (_matches(r"[12][0-9]{3}"), "a year of four digits"),
    "asset_id": (_matches(r"0x[0-9a-f]{64}"), "0x and 64 lower-case hex digits"),
    "document_hash": (_matches(r"[0-9a-f]{64}"), "a sha256 in 64 lower-case hex digits"),
    "authorized_party": _PARTY,
    "first_transferring_party": _PARTY,
    "acquiring_party": _PARTY,
    "using_party": _PARTY,
}


def take_on(desk: Desk, registry_id: LauncherId, kind: str, given: Mapping[str, str], fee: Mojos) -> int:
    """The job that says it; written down, not yet pushed. Raises StatementInvalid."""
    write_statement(kind, given)
    request = {"kind": kind, "fields": dict(given)}
    new = NewJob(kind=Kind.STATEMENT, registry_id=registry_id, fee=fee, request=request)
    with desk.register.writing(desk.settings.author) as session:
        return write_down(session, new)


async def build(desk: Desk, state: RegistryState, job: Job) -> Built:
    """The signed transaction in which the newest registry coin says it."""
    owners = desk.owners(state).owners
    address = desk.issuer(owners)
    registry = state.coin(owners)
    registry_id = CoinId(bytes(registry.coin.name()))
    said = statement_condition(said_by(job))
    spend = registry.spend_as_issuer(quoted_solution(conditions_for_issuer([], owners, [said])))
    coins = await desk.choose(Mojos(job.fee), job_id=job.id)
    funding = await pay(desk, coins, [], fee=job.fee, paid_for=registry_id)
    signed = await finish(desk, [spend, *funding], [*coins, signer(address, registry.coin)], fee=job.fee)
    return Built(bundle=signed.bundle, spent_coin_id=registry_id)


def said_by(job: Job) -> Program:
    """The statement of that job, as it stands on chain."""
    return write_statement(job.request["kind"], job.request["fields"])


def is_said(state: RegistryState, job: Job) -> bool:
    """Whether the spend that settles the job says this statement."""
    assert job.spent_coin_id is not None
    _, read = state.spends[job.spent_coin_id]
    wanted = bytes(said_by(job).get_tree_hash())
    return any(fields.tree_hash == wanted for fields in read.statements)
