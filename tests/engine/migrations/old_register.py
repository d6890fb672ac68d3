"""Registers as older versions of the engine left them: their tables at that revision, their rows by plain SQL.

Nothing of today's models is used, but for the hash of an entry, which never changes its form.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from chain.database import bring_up_to_date
from tokenization_engine.register.store import MIGRATIONS

Row = dict[str, Any]
ASSET = bytes.fromhex("aa" * 32)
WRITTEN = 1_600_000_000

PROJECT: Row = {
    "id": "11111111-1111-4111-8111-111111111111",
    "local_name": "hydro",
    "current_registry": "Bhutan National Registry",
    "project_id": "2746",
    "origin_project_id": "CDM 2746",
    "registry_of_origin": "CDM Registry",
    "program": None,
    "project_name": "འབྲུག་ Hydropower",
    "project_link": "https://registry.example/projects/2746",
    "project_developer": "A developer",
    "sector": "Energy",
    "project_type": "Energy Demand",
    "project_tags": None,
    "covered_by_ndc": "Outside NDC",
    "ndc_information": None,
    "project_status": "Registered",
    "project_status_date": "2010-02-26",
    "unit_metric": "tCO2e",
    "methodology": "CDM - ACM0002",
    "methodology2": None,
    "validation_body": None,
    "validation_date": None,
    "description": None,
}
LOCATION: Row = {
    "id": "22222222-2222-4222-8222-222222222222",
    "local_name": "site",
    "warehouse_project_id": PROJECT["id"],
    "country": "Bhutan",
    "in_country_region": None,
    "geographic_identifier": "Dagana",
    "file_id": None,
}
ISSUANCE: Row = {
    "id": "33333333-3333-4333-8333-333333333333",
    "local_name": "issuance-2021",
    "warehouse_project_id": PROJECT["id"],
    "start_date": "2021-01-01",
    "end_date": "2021-12-31",
    "verification_approach": "Ex-post",
    "verification_report_date": "2022-06-30",
    "verification_body": "A body",
}
LABEL: Row = {
    "id": "44444444-4444-4444-8444-444444444444",
    "local_name": "authorized",
    "warehouse_project_id": PROJECT["id"],
    "label": "Article 6 authorization",
    "label_type": "Letter of Authorization",
    "crediting_period_start_date": "2014-01-01",
    "crediting_period_end_date": "2021-12-31",
    "validity_period_start_date": "2014-01-01",
    "validity_period_end_date": "2030-12-31",
    "unit_quantity": 1000,
    "label_link": "https://registry.example/labels/1",
}
SERIES = "BT-CDM2746-2021"


def unit_row(first: int, last: int, **changes: Any) -> Row:
    """A unit record of these serials."""
    return {
        "id": f"{first:08d}-5555-4555-8555-555555555555",
        "issuance_id": ISSUANCE["id"],
        "project_location_id": LOCATION["id"],
        "series": SERIES,
        "first": first,
        "last": last,
        "unit_block_start": f"{SERIES}-{first}",
        "unit_block_end": f"{SERIES}-{last}",
        "unit_count": last - first + 1,
        "unit_owner": "DHPC",
        "country_jurisdiction_of_owner": "Bhutan",
        "in_country_jurisdiction_of_owner": None,
        "vintage_year": 2021,
        "unit_type": "Reduction - technical",
        "marketplace": None,
        "marketplace_link": None,
        "marketplace_identifier": None,
        "unit_tags": None,
        "unit_status": "Held",
        "unit_status_reason": None,
        "unit_registry_link": "https://registry.example/units/1",
        "corresponding_adjustment_declaration": "Unknown",
        "corresponding_adjustment_status": "Not Started",
        "asset_id": None,
        "status_coin_id": None,
        **changes,
    }


UNIT = unit_row(1, 100)
TOKEN = unit_row(
    101,
    200,
    marketplace="Tokenized on Chia",
    marketplace_identifier=f"0x{ASSET.hex()}",
    asset_id=ASSET,
)
LABEL_UNIT: Row = {
    "id": "66666666-6666-4666-8666-666666666666",
    "warehouse_unit_id": UNIT["id"],
    "label_id": LABEL["id"],
}
RECORDS: tuple[tuple[str, str, Row], ...] = (
    ("projects", "project", PROJECT),
    ("project_locations", "projectLocation", LOCATION),
    ("issuances", "issuance", ISSUANCE),
    ("labels", "label", LABEL),
    ("units", "unit", UNIT),
    ("units", "unit", TOKEN),
    ("label_units", "label_unit", LABEL_UNIT),
)
"""Table, kind in the trail, and row, in the order in which they came."""


class OldRegister:
    """Writes as the engine of one revision did."""

    def __init__(self, connection: Connection, revision: str, *, is_full: bool) -> None:
        self._connection = connection
        self._is_chained = revision >= "0003"
        self._quantity = 1000 if is_full else None
        self._last, self._head = 0, bytes(32)

    def add(self, table: str, kind: str, row: Row) -> None:
        """A record with its entry."""
        row = dict(row)
        if table == "issuances" and self._is_chained:
            row["unit_quantity"] = self._quantity
        insert(self._connection, table, {name: _stored(name, value) for name, value in row.items()})
        self._last += 1
        entry: Row = {
            "sequence": self._last,
            "written_timestamp": WRITTEN,
            "author": "admin",
            "comment": None,
            "action": "import",
            "kind": kind,
            "record_id": row["id"],
            "before": None,
            "after": _json({name: _shown(value) for name, value in row.items()}),
            "coin_id": None,
        }
        if self._is_chained:
            self._head = entry["entry_hash"] = sha256(self._head + _json(entry).encode()).digest()
        else:
            del entry["comment"]
        insert(self._connection, "audit_trail", entry)

    def end(self) -> None:
        """Note where the trail ends."""
        self._connection.execute(text("UPDATE register_state SET last_entry = :last"), {"last": self._last})
        if self._is_chained:
            self._connection.execute(text("UPDATE register_state SET head_hash = :head"), {"head": self._head})


def make_old(connection: Connection, revision: str, *, is_full: bool = True) -> None:
    """Make the tables of that revision, and rows in every table that it has; or only in those of the first two."""
    bring_up_to_date(connection, MIGRATIONS, revision=revision)
    old = OldRegister(connection, revision, is_full=is_full)
    for table, kind, row in RECORDS:
        old.add(table, kind, row)
    event = {"kind": "issued", "asset_id": ASSET, "series": SERIES, "first": f"{101:020}", "last": f"{200:020}"}
    numbers = {"height": 7, "applied_timestamp": WRITTEN, "first_entry": 6, "last_entry": 6}
    insert(connection, "chain_events_applied", {"coin_id": b"\1" * 32, **event, **numbers})
    if revision >= "0002":
        _journal(connection)
    if revision >= "0003" and is_full:
        _whole_model(connection, old)
    if revision >= "0004":
        key = {"id": "k" * 16, "name": "reader", "role": "read", "secret_hash": b"\7" * 32, "made_by": "admin"}
        insert(connection, "api_keys", {**key, "made_timestamp": WRITTEN, "revoked_timestamp": None})
        answer = {"caller": "k" * 16, "idempotency_key": "once", "request_hash": b"\6" * 32, "status": 201}
        insert(connection, "kept_answers", {**answer, "answer": "{}", "written_timestamp": WRITTEN})
    old.end()


def _journal(connection: Connection) -> None:
    registry = b"\2" * 32
    insert(connection, "registries", {"registry_id": registry, "name": "Bhutan", "is_current": False})
    owners = {"registry_id": registry, "owners_hash": b"\3" * 32, "issuer_puzzle": b"\xff\x01\x80"}
    insert(connection, "registry_owners", {**owners, "governor_puzzle_hash": b"\4" * 32, "governor": "null"})
    spend = {"registry_id": registry, "position": 0, "height": 3, "header_hash": b"\5" * 32, "spend": b"\x80"}
    insert(connection, "registry_spends", spend)
    job = {"id": 1, "kind": "issue", "state": "registered", "registry_id": registry, "author": "admin"}
    insert(connection, "jobs", {**job, "created_timestamp": WRITTEN, "fee": "0" * 20, "request": '{"to": "xch1"}'})
    issue = {"job_id": 1, "position": 0, "unit_id": TOKEN["id"], "series": SERIES, "first": f"{101:020}"}
    rest = {"last": f"{200:020}", "token_metadata": b"\x80", "receiver": b"\5" * 32, "asset_id": ASSET}
    insert(connection, "job_issues", {**issue, **rest})
    if connection.dialect.name == "postgresql":  # as the row was numbered by it
        connection.execute(text("SELECT setval(pg_get_serial_sequence('jobs', 'id'), 1)"))


def _whole_model(connection: Connection, old: OldRegister) -> None:
    org = "b" * 64
    old.add("organizations", "organization", {"id": org, "name": "Bhutan", "icon": None, "is_home": True})
    benefit = {"id": "77777777-7777-4777-8777-777777777777", "warehouse_project_id": PROJECT["id"]}
    old.add("co_benefits", "coBenefit", {**benefit, "cobenefit": "SDG 7 - Affordable and clean energy"})
    line = {"id": "88888888-8888-4888-8888-888888888888", "organization_id": org, "key": "0xaa", "value": "{}"}
    old.add("organization_metadata", "organizationMetadata", line)
    staged = {"id": 1, "record_id": UNIT["id"], "table": "Units", "action": "DELETE", "author": "clerk"}
    insert(
        connection,
        "staged_changes",
        {**staged, "staged_timestamp": WRITTEN, "data": "[]", "original": None, "base_hash": None},
    )
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT setval(pg_get_serial_sequence('staged_changes', 'id'), 1)"))


def insert(connection: Connection, table: str, row: Row) -> None:
    """Insert one row, by SQL alone."""
    quote = connection.dialect.identifier_preparer.quote
    names = ", ".join(quote(name) for name in row)
    places = ", ".join(f":{name}" for name in row)
    connection.execute(text(f"INSERT INTO {quote(table)} ({names}) VALUES ({places})"), row)


def _stored(name: str, value: Any) -> Any:
    return f"{value:020}" if name in {"first", "last"} else value


def _shown(value: Any) -> Any:
    return f"0x{value.hex()}" if isinstance(value, bytes) else value


def _json(value: Row) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
