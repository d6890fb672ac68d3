"""What the writing half of CADT's API takes: its records without a name that CADT's own servers refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenization_engine.errors import Problem, RecordInvalid
from tokenization_engine.register.model import PROJECT_CHILDREN, Issuance, Label, Project, Record, Unit
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

_DATES = frozenset({"createdAt", "updatedAt", "timeStaged"})
_PART = frozenset({"id", "warehouseProjectId", *_DATES})
_LABEL_UNIT = frozenset({"label_unit", "labelUnit"})


def cadt_record(kind: type[Project | Unit], raw: Mapping[str, Any], *, with_id: bool) -> dict[str, Any]:
    """The record of a request, as staging takes it; raises RecordInvalid for names that CADT does not admit."""
    problems: list[Problem] = []
    own = _names(kind) | _DATES | ({kind.id_name} if with_id else frozenset())
    nested: dict[str, type[Record]] = (
        dict(PROJECT_CHILDREN) if kind is Project else {"issuance": Issuance, "labels": Label}
    )
    own |= frozenset(nested)
    own |= frozenset({"projectLocationId"}) if kind is Unit else frozenset()
    problems += [_unknown("", name) for name in raw if name not in own]
    for name, part in nested.items():
        rows = raw.get(name)
        for index, row in enumerate(rows if isinstance(rows, list) else [rows]):
            place = f"{name}[{index}]" if isinstance(rows, list) else name
            admitted = _names(part) | _PART | (_LABEL_UNIT if part is Label else frozenset())
            if isinstance(row, dict):
                problems += [_unknown(place, inner) for inner in row if inner not in admitted]
            elif row is not None and not (part is Label and isinstance(row, str)):
                problems.append(Problem(field=place, reason="must be of type object"))
    if with_id and not isinstance(raw.get(kind.id_name), str):
        problems.append(Problem(field=kind.id_name, reason="required"))
    if problems:
        raise RecordInvalid(problems, headline="the record is refused")
    return {name: value for name, value in raw.items() if name not in _DATES}


def token_claims(raw: Mapping[str, Any], place: str = "") -> list[Problem]:
    """What a new unit says of a token: only the chain can say that, and the engine writes it when it does.

    An import by the registry's admin may bring it, out of an export of ours; no caller of the API may.
    """
    found = [
        Problem(field=name, record=place, reason="is the chain's to say: the engine writes it, so leave it out")
        for name in ("assetId", "statusCoinId")
        if raw.get(name) not in (None, "")
    ]
    marketplace = raw.get("marketplace")
    if isinstance(marketplace, str) and marketplace.strip() == TOKENIZED_ON_CHIA:
        reason = "the engine writes this when the chain shows the token: tokenize the unit"
        found.append(Problem(field="marketplace", record=place, reason=reason))
    return found


def check_no_claims(kind: type[Project | Unit], raw: Mapping[str, Any]) -> None:
    """Raise RecordInvalid for a new unit that claims to be a token."""
    if kind is Unit and (problems := token_claims(raw)):
        raise RecordInvalid(problems, headline="the record is refused")


def _names(kind: type[Record]) -> frozenset[str]:
    return frozenset(one.name for one in kind.fields if not one.is_ours)


def _unknown(place: str, name: str) -> Problem:
    return Problem(field=f"{place}.{name}"[:120] if place else name[:120], reason="no field of this record")
