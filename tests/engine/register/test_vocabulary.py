from __future__ import annotations

import pycountry
import pytest

from tokenization_engine.register.fields import snake_case
from tokenization_engine.register.model import RECORD_KINDS
from tokenization_engine.register.vocabulary import COUNTRIES, country_code, shipped


def test_every_country_but_the_european_union_has_its_iso_code() -> None:
    codes = {name: country_code(name) for name in shipped().pick_list(COUNTRIES)}
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
    assert shipped().admitted(COUNTRIES, given) == kept


def test_other_lists_admit_their_own_spelling_only() -> None:
    assert shipped().admitted("unitType", "Removal - nature") == "Removal - nature"
    assert shipped().admitted("unitType", "removal - nature") is None


def test_every_field_has_its_column_and_its_list() -> None:
    lists = set()
    for kind in RECORD_KINDS:
        for one in kind.fields:
            for name in filter(None, (one.pick_list, one.known_list)):
                assert shipped().pick_list(name)
                lists.add(name)
        columns = {column.key for column in kind.__table__.columns}
        assert {one.column for one in kind.fields} <= columns
    assert lists == set(shipped().lists)


def test_camel_case_reads_as_snake_case() -> None:
    names = {"coveredByNDC": "covered_by_ndc", "methodology2": "methodology2", "unitBlockStart": "unit_block_start"}
    assert {name: snake_case(name) for name in names} == names
