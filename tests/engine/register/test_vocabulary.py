from __future__ import annotations

import pycountry
import pytest

from tokenization_engine.register.fields import (
    ISSUANCE_FIELDS,
    LABEL_FIELDS,
    LOCATION_FIELDS,
    PROJECT_FIELDS,
    UNIT_FIELDS,
    snake_case,
)
from tokenization_engine.register.model import RECORD_KINDS
from tokenization_engine.register.vocabulary import COUNTRIES, admitted, country_code, pick_list


def test_every_country_but_the_european_union_has_its_iso_code() -> None:
    codes = {name: country_code(name) for name in pick_list(COUNTRIES)}
    assert len(codes) == 177
    assert [name for name, code in codes.items() if code is None] == ["European Union"]
    known = {country.alpha_2 for country in pycountry.countries}
    assert {code for code in codes.values() if code} <= known
    assert len(set(codes.values())) == len(codes)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Bhutan", "Bhutan"),
        ("BT", "Bhutan"),
        ("Dominican Republic", "Domincan Republic"),
        ("CIV", "Cote d'Ivoire"),
        ("Türkiye", "Turkey"),
        ("Eswatini", "Swaziland"),
        ("KR", "Republic of Korea"),
        ("European Union", "European Union"),
        ("Atlantis", None),
        ("", None),
    ],
)
def test_country_is_kept_in_cad_trusts_spelling(given: str, kept: str | None) -> None:
    assert admitted(COUNTRIES, given) == kept


def test_other_lists_admit_their_own_spelling_only() -> None:
    assert admitted("unitType", "Removal - nature") == "Removal - nature"
    assert admitted("unitType", "removal - nature") is None


def test_every_field_has_its_column_and_its_list() -> None:
    for fields in (PROJECT_FIELDS, LOCATION_FIELDS, ISSUANCE_FIELDS, LABEL_FIELDS, UNIT_FIELDS):
        for one in fields:
            assert one.pick_list is None or pick_list(one.pick_list)
    for kind in RECORD_KINDS:
        columns = {column.key for column in kind.__table__.columns}
        assert {one.column for one in kind.fields} <= columns
        not_fields = columns - {one.column for one in kind.fields}
        assert all(name == "id" or name.endswith("_id") for name in not_fields)


def test_camel_case_reads_as_snake_case() -> None:
    names = {"coveredByNDC": "covered_by_ndc", "methodology2": "methodology2", "unitBlockStart": "unit_block_start"}
    assert {name: snake_case(name) for name in names} == names
