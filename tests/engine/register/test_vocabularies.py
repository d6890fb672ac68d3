from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.register.samples import document, imported, project, shown, unit
from tokenization_engine.errors import ImportRefused, RecordInvalid, VocabularyInvalid
from tokenization_engine.register.audit import changes
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.records import whole_record
from tokenization_engine.register.staging.desk import stage_update
from tokenization_engine.register.staging.differences import Table
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify
from tokenization_engine.register.vocabularies import ENFORCED, current, load, read_file, read_vocabulary
from tokenization_engine.register.vocabulary import shipped


def governance(**changed: list[str]) -> dict[str, Any]:
    return {name: list(texts) for name, texts in shipped().lists.items()} | changed


def loaded(register: Register, lists: dict[str, Any], **beside: str) -> None:
    data = json.dumps({**beside, "lists": lists} if beside else lists).encode()
    with register.writing("admin", comment="governance of 2027") as session:
        load(session, read_vocabulary(data, "the answer"))


def test_shipped_lists_hold_until_others_are_loaded(register: Register) -> None:
    with register.reading() as session:
        assert current(session) is shipped()
    loaded(register, governance(unitType=[*shipped().pick_list("unitType"), "Avoidance"]), source="us", version="2")
    with register.writing("admin") as session:
        imported(session, unit(unitType="Avoidance"))
        assert (current(session).source, current(session).version) == ("us", "2")
    with register.reading() as session:
        assert len(shown(session)) == 1


def test_word_that_a_new_list_lacks_is_refused_from_then_on_and_rows_stay(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
    loaded(register, governance(unitType=["Removal - nature"], countries=["Bhutan", "Eswatini"]))
    with pytest.raises(ImportRefused, match="not one of Removal - nature"), register.writing("admin") as session:
        import_bytes(session, document(unit(101, 200), projects=[]), "more.json")
    with register.writing("admin") as session:
        changes_of_country = {"countryJurisdictionOfOwner": "SZ", "unitType": "Removal - nature"}
        import_bytes(session, document(unit(101, 200, **changes_of_country), projects=[]), "more.json")
    with pytest.raises(RecordInvalid, match="unitType"), register.writing("clerk") as session:
        stage_update(session, Table.UNITS, whole_record(list_units(session).units[0]))
    with register.reading() as session:
        countries = [one.country_jurisdiction_of_owner for one in list_units(session).units]
        assert countries == ["Bhutan", "Eswatini"]
        assert verify(session).holds


def test_loading_is_in_the_audit_trail(register: Register) -> None:
    loaded(register, governance())
    with register.reading() as session:
        (entry,) = changes(session)
        assert (entry.kind, entry.action, entry.author, entry.comment) == (
            "vocabulary",
            "vocabulary",
            "admin",
            "governance of 2027",
        )
        assert current(session).lists == shipped().lists
        assert (current(session).source, current(session).version) == ("the answer", "unnamed")


def test_last_loaded_lists_count(register: Register) -> None:
    for words in (["a"], ["b"], ["c"]):
        loaded(register, governance(ratingType=words))
    with register.reading() as session:
        assert current(session).pick_list("ratingType") == ("c",)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "expected a JSON object"),
        (b"{}", "lacks correspondingAdjustmentDeclaration, "),
        (json.dumps(governance(unitType=[])).encode(), "lacks unitType"),
        (json.dumps(governance(unitStatus=["Held", "Retired"])).encode(), "unitStatus lacks Buffer, Cancelled"),
        (json.dumps(governance(projectStatusValues=["Listed"])).encode(), "projectStatusValues lacks Completed"),
        (json.dumps(governance(unitType=[1])).encode(), "1 in unitType is no word"),  # type: ignore[list-item]
        (json.dumps(governance(unitType=[" "])).encode(), "is no word"),
        (json.dumps(governance(unitType=["x" * 256])).encode(), "is no word"),
        (json.dumps(governance(unitType=["a\x1b[31mb"])).encode(), "is no word"),
        (json.dumps(governance() | {"unitType": "x"}).encode(), "'unitType' is no list"),
        (json.dumps(governance() | {"../x": ["x"]}).encode(), "is no list of texts under a plain name"),
        (json.dumps(governance(unitType=["x"] * 10_001)).encode(), "is no list"),
        (b" " * (4 * 2**20 + 1), "more than"),
    ],
)
def test_file_that_is_no_governance_file_is_refused_in_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(VocabularyInvalid) as caught:
        read_vocabulary(data, "file.json")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VocabularyInvalid, match="cannot be read"):
        read_file(tmp_path / "missing.json")


def test_status_without_a_place_in_the_drawn_life_is_refused(register: Register) -> None:
    more = {name: [*shipped().pick_list(name), "Inactive"] for name in ("unitStatus", "projectStatusValues")}
    loaded(register, governance(**more))
    with pytest.raises(ImportRefused) as caught, register.writing("admin") as session:
        import_bytes(
            session, document(unit(unitStatus="Inactive"), projects=[project(projectStatus="Inactive")]), "x.json"
        )
    assert [(one.field, "no place in the life" in one.reason) for one in caught.value.problems] == [
        ("projectStatus", True),
        ("unitStatus", True),
    ]


def test_lists_that_cad_trust_enforces_are_the_ones_asked_for() -> None:
    assert {
        "coveredByNDC",
        "projectStatusValues",
        "unitMetric",
        "countries",
        "ratingType",
        "unitType",
        "unitStatus",
        "correspondingAdjustmentDeclaration",
        "correspondingAdjustmentStatus",
        "labelType",
    } == ENFORCED
