"""The four routes of today's explorer, in its own words, so that climate-explorer-ui works on this index unchanged.

A registry is shown as an organization; issuances, retirements and detokenizations as activities. What the page reads
and the chain does not hold is null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import Field
from sqlalchemy import String, Subquery, literal, select, union_all
from sqlalchemy import cast as sql_cast
from sqlalchemy.orm import Session

from chain.wire import Body, to_hex
from explorer.answers import Burn, Filter, SerialBlock, Token
from explorer.events import burn_of
from explorer.paging import count
from explorer.parameters import MAX_HEIGHT
from explorer.queries import registries, registry, token
from explorer.shown import text_of
from explorer.store import RETIREMENT, BurnRow, TokenRow
from puzzles.units import MOJOS_PER_UNIT, AssetId, CoinId, LauncherId

INFO = {"blockchain_name": "Chia Network", "blockchain_name_short": "chia"}

TOKENIZATION, DETOKENIZED, RETIRED = "TOKENIZATION", "DETOKENIZATION", "PERMISSIONLESS_RETIREMENT"
Mode = Literal["TOKENIZATION", "DETOKENIZATION", "PERMISSIONLESS_RETIREMENT"]

_UNIT_NULLS = (
    "projectLocationId",
    "unitOwner",
    "inCountryJurisdictionOfOwner",
    "unitStatusReason",
    "unitRegistryLink",
    "marketplaceLink",
    "correspondingAdjustmentStatus",
    "correspondingAdjustmentDeclaration",
    "unitTags",
)
_ISSUANCE_NULLS = ("startDate", "endDate", "verificationApproach", "verificationBody", "verificationReportDate")


class ActivitiesQuery(Body):
    """Parameters of the list, by the names that the page sends."""

    page: int = Field(1, ge=1, le=MAX_HEIGHT)
    limit: int = Field(10, ge=1, le=1000)
    org_uid: str | None = Field(None, max_length=66)
    sort: Literal["asc", "desc"] = "desc"
    search: str | None = Field(None, max_length=200)
    search_by: Literal["onchain_metadata", "climate_warehouse"] | None = None
    mode: str | None = Field(None, max_length=40)
    min_height: int | None = Field(None, ge=0, le=MAX_HEIGHT)


class RecordQuery(Body):
    """Parameters of one activity."""

    cw_unit_id: str = Field(max_length=100)
    coin_id: str = Field(max_length=66)
    action_mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    mode: str
    coin_id: bytes
    asset_id: bytes


def organizations(session: Session) -> dict[str, dict[str, object]]:
    """The followed registries as the page's organizations, by id."""
    everyone: dict[str, dict[str, object]] = {}
    for each in registries(session, Filter(limit=1000)).items:
        uid = to_hex(each.registry_id)  # type: ignore[attr-defined]  # a page lists one kind, and this one registries
        everyone[uid] = _organization(session, LauncherId(each.registry_id))  # type: ignore[attr-defined]
    return everyone


def _organization(session: Session, registry_id: LauncherId) -> dict[str, object]:
    found = registry(session, registry_id)
    name = found.label or (found.name or {}).get("text") or (found.name or {}).get("hex") or to_hex(registry_id)
    return {"orgUid": to_hex(registry_id), "name": name, "icon": "", "isHome": False}


def activities(session: Session, wanted: ActivitiesQuery) -> dict[str, object]:
    """One page of activities, newest first unless told otherwise, and how many there are in all."""
    rows = _activity_rows()
    query = select(rows.c.mode, rows.c.coin_id, rows.c.asset_id)
    if wanted.org_uid is not None:
        query = query.where(rows.c.registry_id == _bytes32(wanted.org_uid))
    if wanted.mode is not None:
        query = query.where(rows.c.mode == wanted.mode.upper())
    if wanted.min_height is not None:
        query = query.where(rows.c.height >= wanted.min_height)
    if wanted.search:
        column = rows.c.metadata_json if wanted.search_by == "climate_warehouse" else rows.c.beneficiary
        text = json.dumps(wanted.search)[1:-1] if wanted.search_by == "climate_warehouse" else wanted.search
        query = query.where(column.icontains(text, autoescape=True))
    order = (rows.c.height, rows.c.coin_id)
    ordered = query.order_by(*(order if wanted.sort == "asc" else (column.desc() for column in order)))
    page = ordered.limit(wanted.limit).offset((wanted.page - 1) * wanted.limit)
    found = [_Found(mode=mode, coin_id=coin_id, asset_id=asset_id) for mode, coin_id, asset_id in session.execute(page)]
    return {"activities": [_activity(session, each) for each in found], "total": count(session, query)}


def activity_record(session: Session, wanted: RecordQuery) -> dict[str, object]:
    """The one activity, or null."""
    rows = _activity_rows()
    query = select(rows.c.mode, rows.c.coin_id, rows.c.asset_id).where(
        rows.c.mode == wanted.action_mode, rows.c.coin_id == _bytes32(wanted.coin_id)
    )
    row = session.execute(query).first()
    if row is None:
        return {"activity": None}
    found = _activity(session, _Found(mode=row[0], coin_id=row[1], asset_id=row[2]))
    unit = found["cw_unit"]
    is_asked = isinstance(unit, Mapping) and unit["warehouseUnitId"] == wanted.cw_unit_id
    return {"activity": found if is_asked else None}


def _bytes32(text: str) -> bytes:
    """The bytes of the hex; what is none finds nothing."""
    try:
        data = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        return bytes(32)
    return data if len(data) == 32 else bytes(32)


def _activity_rows() -> Subquery:
    """Issuances and burns as rows of one shape."""
    issued = select(
        literal(TOKENIZATION, String).label("mode"),
        TokenRow.eve_coin_id.label("coin_id"),
        TokenRow.asset_id.label("asset_id"),
        TokenRow.registry_id.label("registry_id"),
        TokenRow.issued_height.label("height"),
        TokenRow.metadata_json.label("metadata_json"),
        sql_cast(literal(None), String).label("beneficiary"),
    )
    burnt = [
        select(
            literal(mode, String),
            BurnRow.order_id,
            BurnRow.asset_id,
            TokenRow.registry_id,
            BurnRow.height,
            TokenRow.metadata_json,
            BurnRow.beneficiary,
        )
        .join(TokenRow, TokenRow.asset_id == BurnRow.asset_id)
        .where(BurnRow.kind == RETIREMENT if mode == RETIRED else BurnRow.kind != RETIREMENT)
        for mode in (RETIRED, DETOKENIZED)
    ]
    return union_all(issued, *burnt).subquery()


def _activity(session: Session, found: _Found) -> dict[str, object]:
    issued = token(session, AssetId(found.asset_id))
    burn = None if found.mode == TOKENIZATION else burn_of(session, CoinId(found.coin_id))
    beneficiary = None if burn is None else burn.beneficiary
    address = None if burn is None else text_of(burn.record, "beneficiary_address")
    units = issued.unit_block.unit_count if burn is None else burn.unit_count
    return {
        "metadata": {"bn": beneficiary, "ba": address, "bp": None},
        "beneficiary_name": beneficiary,
        "beneficiary_address": address,
        "beneficiary_puzzle_hash": None,
        "coin_id": to_hex(found.coin_id),
        "height": issued.issued_height if burn is None else burn.height,
        "amount": MOJOS_PER_UNIT * units,
        "mode": found.mode,
        "timestamp": issued.issued_timestamp if burn is None else burn.timestamp,
        "token": {"org_uid": to_hex(issued.registry_id), "asset_id": to_hex(issued.asset_id)},
        "cw_unit": _unit(issued, burn),
        "cw_org": _organization(session, LauncherId(issued.registry_id)),
        "cw_project": {
            "projectId": _said(issued, "project_id"),
            "projectName": _said(issued, "project_name"),
            "projectLink": None,
        },
    }


def _said(issued: Token, key: str) -> str | None:
    return text_of(issued.metadata, key)


def _unit(issued: Token, burn: Burn | None) -> dict[str, object]:
    """The unit as CAD Trust names its fields, as far as the token's metadata goes."""
    block: SerialBlock | None = issued.unit_block if burn is None else burn.unit_block
    vintage = _said(issued, "vintage_year")
    return {
        **dict.fromkeys(_UNIT_NULLS),
        "warehouseUnitId": _said(issued, "unit_id") or to_hex(issued.asset_id),
        "vintageYear": int(vintage)
        if vintage and vintage.isascii() and vintage.isdigit() and len(vintage) == 4
        else None,
        "unitBlockStart": None if block is None else block.first_serial or str(block.first),
        "unitBlockEnd": None if block is None else block.last_serial or str(block.last),
        "unitCount": issued.unit_block.unit_count if burn is None else burn.unit_count,
        "countryJurisdictionOfOwner": _said(issued, "country"),
        "unitType": _said(issued, "unit_type"),
        "unitStatus": "Retired" if burn is not None and burn.kind == RETIREMENT else "Held",
        "marketplace": "Tokenized on Chia",
        "marketplaceIdentifier": to_hex(issued.asset_id),
        "issuance": dict.fromkeys(_ISSUANCE_NULLS),
    }
