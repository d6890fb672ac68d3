from __future__ import annotations

import json
from hashlib import sha256

import pytest

from tests.engine.register.samples import (
    chain_event,
    document,
    imported,
    issuance,
    location,
    only_unit,
    project,
    unit,
)
from tokenization_engine.register.chain_events import mark_tokenized
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.records import full_record_hash, full_record_json, token_metadata, unit_json
from tokenization_engine.register.store import Register


@pytest.fixture
def filled(register: Register) -> Register:
    with register.writing("admin") as session:
        imported(session, unit(labels=["authorized"], projectLocationId="site"))
    return register


def test_metadata_says_what_the_token_stands_for_in_a_fixed_order(filled: Register) -> None:
    with filled.reading() as session:
        one = only_unit(session)
        assert token_metadata(one) == [
            ("registry", "Bhutan National Registry"),
            ("project_id", "2746"),
            ("project_name", "A hydropower project"),
            ("country", "BT"),
            ("vintage_year", "2021"),
            ("unit_type", "Reduction - technical"),
            ("methodology", "CDM - ACM0002"),
            ("unit_id", one.id),
            ("record_hash", full_record_hash(one).hex()),
        ]


def test_metadata_names_no_country_where_a_project_stands_in_two(register: Register) -> None:
    two = project(projectLocations=[location(), location(localName="there", country="India")])
    with register.writing("admin") as session:
        import_bytes(session, document(unit(), projects=[two]), "two.json")
    with register.reading() as session:
        assert "country" not in dict(token_metadata(only_unit(session)))


def test_record_hash_is_that_of_the_full_record(filled: Register) -> None:
    with filled.reading() as session:
        text = full_record_json(only_unit(session))
        assert full_record_hash(only_unit(session)) == sha256(text.encode()).digest()
    record = json.loads(text)
    assert record["project"]["projectId"] == "2746"
    assert record["project"]["projectLocations"][0]["country"] == "Bhutan"
    assert record["issuance"]["startDate"] == issuance()["startDate"]
    assert record["unit"]["unitBlockStart"] == "BT-CDM2746-2021-1"
    assert record["labels"][0]["labelType"] == "Letter of Authorization"


def test_record_hash_does_not_change_by_tokenizing(filled: Register) -> None:
    with filled.writing("engine") as session:
        before = full_record_hash(only_unit(session))
        mark_tokenized(session, only_unit(session).id, chain_event(1, 1, 100))
    with filled.reading() as session:
        assert full_record_hash(only_unit(session)) == before


@pytest.mark.parametrize(
    ("field", "value"), [("vintage_year", 2020), ("unit_type", "Removal - nature"), ("unit_owner", "x")]
)
def test_record_hash_changes_with_the_record(filled: Register, field: str, value: object) -> None:
    with filled.writing("admin") as session:
        one = only_unit(session)
        before = full_record_hash(one)
        setattr(one, field, value)
        assert full_record_hash(one) != before


def test_unit_is_shown_by_cad_trusts_names(filled: Register) -> None:
    with filled.reading() as session:
        shown = unit_json(only_unit(session))
    assert shown["serialNumberBlock"] == "BT-CDM2746-2021-1-BT-CDM2746-2021-100"
    assert (shown["unitCount"], shown["unitStatus"], len(shown["labels"])) == (100, "Held", 1)
    assert "marketplace" not in shown
