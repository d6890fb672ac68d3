from __future__ import annotations

import pytest

from puzzles.fields import read_fields
from puzzles.units import LauncherId, Mojos
from sim.local_chain import LocalChain
from tokenization_engine import journal, work
from tokenization_engine.desk import Desk
from tokenization_engine.errors import StatementInvalid
from tokenization_engine.journal import Kind, NewJob, State
from tokenization_engine.statements import FORMS, write_statement

AUTHORIZATION = {
    "authorization_id": "BTN-2026-01",
    "date": "2026-03-31",
    "cooperative_approach_id": "CA0001",
    "purpose": "NDC and OIMP",
    "series": "BT-CDM2746-2021",
    "first": "1",
    "last": "1000",
}
ALL = {
    **AUTHORIZATION,
    "first_transferring_party": "BTN",
    "using_party": "CHE",
    "calendar_year": "2026",
    "message": "a notice",
}


def test_every_kind_is_written_with_its_kind_first() -> None:
    for kind, form in FORMS.items():
        given = {key: ALL[key] for key in form.required}
        if form.needs_scope:
            given |= {key: ALL[key] for key in ("series", "first", "last")}
        fields = read_fields(write_statement(kind, given))
        assert fields.is_canonical
        assert (fields.entries[0].key, fields.entries[0].value) == ("statement", kind)
        assert {each.key: each.value for each in fields.entries[1:]} == given


def test_order_in_which_fields_are_given_makes_no_difference() -> None:
    backwards = dict(reversed(AUTHORIZATION.items()))
    assert write_statement("authorization", backwards) == write_statement("authorization", AUTHORIZATION)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"date": "31.3.2026"}, "expected a date"),
        ({"date": "20260331"}, "expected a date"),
        ({"date": ""}, "needs the field date"),
        ({"cooperative_approach_id": "CA1"}, "CA and four digits"),
        ({"purpose": "sale"}, "expected one of NDC"),
        ({"authorization_id": "a/b"}, "letters, digits"),
        ({"authorized_party": "CH"}, "alpha-3"),
        ({"authorized_party": "XXQ"}, "alpha-3"),
        ({"first": "0100"}, "without leading zeros"),
        ({"first": "1001"}, "not a run of serials"),
        ({"series": "bt"}, "not in canonical form"),
        ({"colour": "green"}, "'colour' is no field of authorization"),
        ({"asset_id": "0xAB"}, "64 lower-case hex digits"),
        ({"message": "a\nb"}, "control characters"),
    ],
)
def test_field_outside_the_vocabulary_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(StatementInvalid, match=sentence):
        write_statement("authorization", AUTHORIZATION | changes)


def test_statement_without_units_is_refused() -> None:
    given = {key: value for key, value in AUTHORIZATION.items() if key not in ("series", "first", "last")}
    with pytest.raises(StatementInvalid, match="names no units"):
        write_statement("authorization", given)
    assert write_statement("authorization", given | {"asset_id": "0x" + "ab" * 32})


def test_half_a_block_is_refused() -> None:
    with pytest.raises(StatementInvalid, match="one of the three is missing"):
        write_statement("authorization", {key: value for key, value in AUTHORIZATION.items() if key != "last"})


def test_kind_outside_the_vocabulary_is_refused() -> None:
    with pytest.raises(StatementInvalid, match="'gift' is no kind of statement"):
        write_statement("gift", {})


async def test_issuer_says_an_authorization_on_chain(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    request = {"kind": "authorization", "fields": AUTHORIZATION}
    new = NewJob(kind=Kind.STATEMENT, registry_id=founded, fee=Mojos(9), request=request)
    with desk.register.writing("admin") as session:
        number = journal.write_down(session, new)
    await work.run(desk, wait=False)
    await chain.farm(2)
    await work.run(desk, wait=False)
    with desk.register.reading() as session:
        assert journal.find_job(session, number).state == State.CONFIRMED
    (said,) = [fields for _, read in (await desk.look()).spends.values() for fields in read.statements]
    assert said.text("authorization_id") == "BTN-2026-01"


async def test_statement_that_was_overtaken_is_said_once(desk: Desk, founded: LauncherId, chain: LocalChain) -> None:
    for text in ("first", "second"):
        request = {"kind": "notice", "fields": {"message": text}}
        new = NewJob(kind=Kind.STATEMENT, registry_id=founded, fee=Mojos(0), request=request)
        with desk.register.writing("admin") as session:
            journal.write_down(session, new)
    await work.run(desk, wait=False)
    await chain.farm(1)
    await chain.reorg(1, keep_transactions=True)
    for _ in range(3):
        await work.run(desk, wait=False)
        await chain.farm(2)
    said = [fields.text("message") for _, read in (await desk.look()).spends.values() for fields in read.statements]
    assert said == ["first", "second"]
