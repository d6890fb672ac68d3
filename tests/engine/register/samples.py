"""Register files for tests, made from one valid example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from puzzles.units import AssetId, CoinId, Height, UnitBlock
from tokenization_engine.register.chain_events import ChainEvent
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.intake import Written
from tokenization_engine.register.model import Unit
from tokenization_engine.register.queries import UnitFilter, list_units
from tokenization_engine.register.records import unit_json
from tokenization_engine.register.store import Register

SERIES = "BT-CDM2746-2021"
ASSET = AssetId(b"\xaa" * 32)


def location(**changes: Any) -> dict[str, Any]:
    return {"localName": "site", "country": "Bhutan", "geographicIdentifier": "Dagana", **changes}


def issuance(**changes: Any) -> dict[str, Any]:
    return {
        "localName": "issuance-2021",
        "startDate": "2021-01-01",
        "endDate": "2021-12-31",
        "verificationApproach": "Ex-post",
        "verificationReportDate": "2022-06-30",
        "verificationBody": "A body",
        **changes,
    }


def label(**changes: Any) -> dict[str, Any]:
    return {
        "localName": "authorized",
        "label": "Article 6 authorization",
        "labelType": "Letter of Authorization",
        "creditingPeriodStartDate": "2014-01-01",
        "creditingPeriodEndDate": "2021-12-31",
        "validityPeriodStartDate": "2014-01-01",
        "validityPeriodEndDate": "2030-12-31",
        "unitQuantity": 1000,
        "labelLink": "https://registry.example/labels/1",
        **changes,
    }


def project(**changes: Any) -> dict[str, Any]:
    return {
        "localName": "hydro",
        "currentRegistry": "Bhutan National Registry",
        "projectId": "2746",
        "originProjectId": "CDM 2746",
        "registryOfOrigin": "CDM Registry",
        "projectName": "A hydropower project",
        "projectLink": "https://registry.example/projects/2746",
        "projectDeveloper": "A developer",
        "sector": "Energy",
        "projectType": "Energy Demand",
        "coveredByNDC": "Outside NDC",
        "projectStatus": "Registered",
        "projectStatusDate": "2010-02-26",
        "unitMetric": "tCO2e",
        "methodology": "CDM - ACM0002",
        "projectLocations": [location()],
        "issuances": [issuance()],
        "labels": [label()],
        **changes,
    }


def unit(first: int = 1, last: int = 100, **changes: Any) -> dict[str, Any]:
    return {
        "issuanceId": "issuance-2021",
        "series": SERIES,
        "first": first,
        "last": last,
        "unitCount": last - first + 1,
        "vintageYear": 2021,
        "unitType": "Reduction - technical",
        "countryJurisdictionOfOwner": "Bhutan",
        "unitStatus": "Held",
        "unitRegistryLink": "https://registry.example/units/1",
        "correspondingAdjustmentDeclaration": "Unknown",
        "correspondingAdjustmentStatus": "Not Started",
        **changes,
    }


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def document(*units: Mapping[str, Any], projects: list[dict[str, Any]] | None = None) -> bytes:
    return json.dumps({"projects": [project()] if projects is None else projects, "units": units}).encode()


def imported(session: Session, *units: Mapping[str, Any]) -> Written:
    """Import the sample project with these units, or with one of 100."""
    return import_bytes(session, document(*(units or (unit(),))), "sample.json")


def add(register: Register, number: int) -> None:
    """Another unit of that one serial, to what `imported` wrote."""
    with register.writing("admin") as session:
        import_bytes(session, document(unit(number, number), projects=[]), "more.json")


def block(first: int, last: int, series: str = SERIES) -> UnitBlock:
    return UnitBlock(series=series, first=first, last=last)


def chain_event(number: int, first: int, last: int, *, asset_id: AssetId = ASSET, height: int = 10) -> ChainEvent:
    coin_id = CoinId(number.to_bytes(32, "big"))
    return ChainEvent(coin_id=coin_id, asset_id=asset_id, block=block(first, last), height=Height(height))


def shown(session: Session, wanted: UnitFilter | None = None) -> list[tuple[int, int, str, bool]]:
    """First, last, status and is_tokenized of every unit, by serial."""
    units = list_units(session, wanted, limit=1000).units
    return [(one.first, one.last, one.unit_status, one.is_tokenized) for one in units]


def only_unit(session: Session) -> Unit:
    (one,) = list_units(session).units
    return one


def bought(one: Unit) -> dict[str, Any]:
    """The unit as buyers are shown it, from its record."""
    of, labels = one.issuance.project, sorted(one.label_units, key=lambda link: link.label_id)
    return unit_json(one) | {
        "warehouseProjectId": of.id,
        "projectName": of.project_name,
        "methodology": of.methodology,
        "isTokenized": one.is_tokenized,
        "labels": [{"label": link.label.label, "labelType": link.label.label_type} for link in labels],
    }
