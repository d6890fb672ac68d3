"""A CADT server's recorded behaviour, traps included, in two dialects: upstream's, and core registry's fork of it.

Writes only stage; a commit is pending for some looks, then shows, and empties the whole staging table. An update is a
whole record: labels left out are lost, other fields left out keep their value. Parts of a split lose their labels. New
metadata shows after the organizations were read again. A fault can be put on any request.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.engine.cadt import joi

ORG = "a1" * 32
OTHER_ORG = "b2" * 32
_PENDING = (
    "You currently have changes pending on the blockchain. Please wait for them to propagate before making more changes"
)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    def __init__(self, error: str = "", *, errors: list[str] | None = None, status: int = 400) -> None:
        self.body: dict[str, Any] = {"message": "Error", "error": error, "success": False}
        if errors is not None:
            self.body = {"message": "Data Validation error", "errors": errors, "success": False}
        self.status = status


@dataclass(kw_only=True)
class Row:
    """A row of the staging table."""

    uuid: str
    action: str
    table: str
    original: dict[str, Any] | None
    change: list[dict[str, Any]]
    commited: bool = False
    failed: bool = False


@dataclass(kw_only=True)
class StandIn:
    """The server's state, and what a test may do to it."""

    is_fork: bool = False
    api_key: str | None = None
    prefix: str = "0"
    pending_looks: int = 2
    """Looks at hasPending... after a commit that still say so."""
    organizations: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    staging: dict[str, Row] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    late_metadata: dict[str, str] = field(default_factory=dict)
    looks_left: int = 0
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    commits: list[list[str]] = field(default_factory=list)
    metadata_written: list[str] = field(default_factory=list)
    fault: Callable[[int, str, str], str | None] = lambda _number, _method, _path: None
    """What befalls the n-th request: `drop before`, `drop after`, `500`, `html`, or nothing."""
    commit_fails: bool = False
    network_is_wrong: bool = False
    pages: Callable[[str, dict[str, Any]], Any] | None = None
    """Answers in the place of listings, for a server that lies."""

    def __post_init__(self) -> None:
        home = {"orgUid": ORG, "name": "Bhutan National Registry", "isHome": True, "synced": True, "subscribed": True}
        other = {"orgUid": OTHER_ORG, "name": "Elsewhere", "isHome": False, "synced": True, "subscribed": True}
        self.organizations = self.organizations or {ORG: home, OTHER_ORG: other}

    # -- what stands there ---------------------------------------------------------------------------------------------

    def add_project(self, project: Mapping[str, Any], org_uid: str = ORG) -> None:
        own = deepcopy(dict(project))
        for name, rows in own.items():
            if isinstance(rows, list):
                own[name] = [
                    {**row, "orgUid": org_uid, "warehouseProjectId": own["warehouseProjectId"]} for row in rows
                ]
        own |= {"orgUid": org_uid, "timeStaged": "1700000000", "createdAt": "2024-01-01T00:00:00.000Z"}
        self.projects[own["warehouseProjectId"]] = own
        self.labels |= {label["id"]: label for label in own.get("labels", [])}

    def add_unit(self, unit: Mapping[str, Any], org_uid: str = ORG) -> None:
        own = {"orgUid": org_uid, "timeStaged": "1700000000", "createdAt": "2024-01-01T00:00:00.000Z", **deepcopy(unit)}
        own.setdefault("serialNumberBlock", f"{own['unitBlockStart']}-{own['unitBlockEnd']}")
        for name in ("unitOwner", "marketplace", "marketplaceIdentifier", "marketplaceLink", "unitStatusReason"):
            own.setdefault(name, None)
        self.units[own["warehouseUnitId"]] = own

    def shown_unit(self, unit: Mapping[str, Any]) -> dict[str, Any]:
        """The unit as a GET shows it: its issuance and labels in it, with the server's own keys and nulls."""
        shown = {name: value for name, value in deepcopy(dict(unit)).items() if name != "labels"}
        shown["labels"] = [
            {
                **self.labels[label_id],
                "orgUid": unit["orgUid"],
                "createdAt": "2024-01-01T00:00:00.000Z",
                "label_unit": {"id": str(uuid4()), "orgUid": unit["orgUid"], "labelId": label_id},
            }
            for label_id in unit.get("labels", [])
        ]
        shown["issuance"] = next(
            (
                one
                for project in self.projects.values()
                for one in project.get("issuances", [])
                if one["id"] == unit.get("issuanceId")
            ),
            None,
        )
        return shown

    def says(self) -> list[tuple[str, str, str | None, str | None]]:
        """First, last, status and token of every home unit, by serial."""
        own = [unit for unit in self.units.values() if unit["orgUid"] == ORG]
        own.sort(key=lambda unit: int(str(unit["unitBlockStart"]).rpartition("-")[2]))
        return [
            (unit["unitBlockStart"], unit["unitBlockEnd"], unit["unitStatus"], unit["marketplaceIdentifier"])
            for unit in own
        ]

    # -- what it does --------------------------------------------------------------------------------------------------

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=100_000 if self.is_fork else 5_000_000)
        pending = "hasPendingCommits" if self.is_fork else "hasPendingTransactions"
        app.router.add_get("/v1/organizations", self._organizations)
        app.router.add_get("/v1/organizations/metadata", self._metadata)
        app.router.add_post("/v1/organizations/metadata", self._add_metadata)
        app.router.add_post("/v1/organizations/sync", self._sync)
        app.router.add_get("/v1/projects", self._projects)
        app.router.add_get("/v1/units", self._units)
        app.router.add_put("/v1/units", self._update)
        app.router.add_post("/v1/units/split", self._split)
        app.router.add_get("/v1/staging", self._staged)
        app.router.add_delete("/v1/staging", self._unstage)
        app.router.add_post("/v1/staging/commit", self._commit)
        app.router.add_get(f"/v1/staging/{pending}", self._pending)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path, body))
        fault = self.fault(len(self.requests), request.method, request.path)
        if fault == "drop before":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault == "500":
            return web.json_response({"message": "Internal Server Error"}, status=500)
        if fault == "html":
            return web.Response(text="<html>nginx</html>", content_type="text/html")
        try:
            answer = await self._answered(request, handler)
        except Refused as refused:
            answer = web.json_response(refused.body, status=refused.status)
        except web.HTTPNotFound:
            answer = web.Response(text="<pre>Cannot GET</pre>", status=404, content_type="text/html")
        if fault == "drop after":
            assert request.transport is not None
            request.transport.close()
        return answer

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self.network_is_wrong:
            raise Refused("Your node is on mainnet but your climate warehouse is set to testnet, please change")
        if self.api_key is not None and request.headers.get("x-api-key") != self.api_key:
            raise Refused("CADT API key not found", status=403)
        home = next((one for one in self.organizations.values() if one["isHome"]), None)
        if request.method in ("POST", "PUT") and home is not None and not home["synced"]:
            raise Refused("Your organization data is still resyncing, please try again after it completes")
        return await handler(request)

    async def _organizations(self, _: web.Request) -> web.Response:
        return web.json_response(self.organizations)

    async def _metadata(self, request: web.Request) -> web.Response:
        if request.query.get("orgUid") != ORG:
            raise Refused("Cannot read properties of null")
        return web.json_response(self.metadata)

    async def _add_metadata(self, request: web.Request) -> web.Response:
        values = await request.json()
        self.metadata_written += list(values)
        (self.metadata if self.is_fork else self.late_metadata).update(values)
        return web.json_response({"message": "Home org currently being updated, will be completed soon."})

    async def _sync(self, _: web.Request) -> web.Response:
        self.metadata |= self.late_metadata
        self.late_metadata = {}
        return web.json_response({"message": "Syncing All Organizations Metadata", "success": True})

    async def _projects(self, request: web.Request) -> web.Response:
        return self._page(request, "warehouseProjectId", list(self.projects.values()))

    async def _units(self, request: web.Request) -> web.Response:
        rows = [self.shown_unit(unit) for unit in self.units.values()]
        return self._page(request, "warehouseUnitId", rows)

    def _page(self, request: web.Request, key: str, rows: list[dict[str, Any]]) -> web.Response:
        query = request.query
        if "page" not in query or "limit" not in query or int(query["limit"]) > 1000:
            raise Refused(errors=['"page" is required'])
        own = [row for row in rows if query.get("orgUid") in (None, row["orgUid"])]
        if query.get("order") == f"{key}:ASC":
            own.sort(key=lambda row: str(row[key]))
        page, limit = int(query["page"]), int(query["limit"])
        value: Any = {"page": page, "pageCount": -(-len(own) // limit), "data": own[(page - 1) * limit : page * limit]}
        if self.pages is not None:
            value = self.pages(request.path, value)
        return web.Response(text=json.dumps(value), content_type="application/json")

    def _write(self) -> None:
        if not any(one["isHome"] for one in self.organizations.values()):
            raise Refused("No Home organization found, please create an organization to write data")
        if self.looks_left > 0:
            raise Refused(_PENDING)

    def _own_unit(self, unit_id: object) -> dict[str, Any]:
        unit = self.units.get(str(unit_id))
        if unit is None:
            raise Refused(f"The unit record for the warehouseUnitId: {unit_id} does not exist.")
        if unit["orgUid"] != ORG:
            raise Refused(f"Restricted data: can not modify this record with orgUid {unit['orgUid']}")
        return unit

    async def _update(self, request: web.Request) -> web.Response:
        body = await request.json()
        if errors := joi.unit_update(body, is_fork=self.is_fork):
            raise Refused(errors=errors)
        self._write()
        unit = self._own_unit(body["warehouseUnitId"])
        record = {**body, "orgUid": ORG}
        if "issuance" in body:
            record["issuanceId"] = body["issuance"].get("id")
        else:  # attached again, while the reference to it goes: seen in both servers' sources
            record |= {"issuance": self.shown_unit(unit)["issuance"], "issuanceId": None}
        if self.is_fork:
            for name in ("unitCount", "unitBlockStart", "unitBlockEnd"):
                if record.get(name, unit[name]) != unit[name]:
                    raise Refused(f"You can not update the {name} of a unit.")
            record |= {
                name: unit[name] for name in ("unitCount", "unitBlockStart", "unitBlockEnd", "serialNumberBlock")
            }
        else:
            record["serialNumberBlock"] = f"{record['unitBlockStart']}-{record['unitBlockEnd']}"
        self.stage("Units", "UPDATE", unit["warehouseUnitId"], [record], original=self.shown_unit(unit))
        return web.json_response({"message": "Unit update added to staging", "success": True})

    async def _split(self, request: web.Request) -> web.Response:
        body = await request.json()
        if errors := joi.unit_split(body, is_fork=self.is_fork):
            raise Refused(errors=errors)
        self._write()
        unit = self._own_unit(body["warehouseUnitId"])
        shown, records, total = self.shown_unit(unit), [], 0
        for index, part in enumerate(body["records"]):
            record = deepcopy(shown)
            if index:
                record["warehouseUnitId"] = str(uuid4())
            record |= {name: value for name, value in part.items() if value}
            if self.is_fork:
                first = int(unit["unitBlockStart"]) + total
                record |= {"unitBlockStart": str(first), "unitBlockEnd": str(first + part["unitCount"] - 1)}
                record["serialNumberBlock"] = f"{self.prefix}-{record['unitBlockStart']}-{record['unitBlockEnd']}"
            else:
                record["serialNumberBlock"] = f"{record['unitBlockStart']}-{record['unitBlockEnd']}"
            total += part["unitCount"]
            records.append(record)
        if total != unit["unitCount"]:
            raise Refused(
                f"Your total split count is {total} units and the original record is {unit['unitCount']} units"
            )
        self.stage("Units", "UPDATE", unit["warehouseUnitId"], records, original=shown)
        return web.json_response({"message": "Unit split successful", "success": True})

    def stage(
        self, table: str, action: str, uuid: str, change: list[dict[str, Any]], *, original: dict[str, Any] | None
    ) -> None:
        """Put a row on the staging table, in the place of one of the same uuid."""
        self.staging[uuid] = Row(uuid=uuid, action=action, table=table, original=original, change=change)

    async def _staged(self, request: web.Request) -> web.Response:
        rows = [
            {
                "id": number,
                "uuid": row.uuid,
                "table": row.table,
                "action": row.action,
                "commited": row.commited,
                "failedCommit": row.failed,
                "diff": {"original": row.original, "change": row.change},
            }
            for number, row in enumerate(self.staging.values(), 1)
        ]
        page, limit = int(request.query["page"]), int(request.query["limit"])
        shown = rows[(page - 1) * limit : page * limit]
        return web.json_response({"page": page, "pageCount": -(-len(rows) // limit), "data": shown})

    async def _unstage(self, request: web.Request) -> web.Response:
        uuid = (await request.json())["uuid"]
        if self.staging.pop(uuid, None) is None:
            raise Refused(f"The staging record for the staging ID: {uuid} does not exist.")
        return web.json_response({"message": "Deleted from staging", "success": True})

    async def _commit(self, request: web.Request) -> web.Response:
        if not self.staging:
            raise Refused("Cant commit empty staging table")
        self._write()
        ids = (await request.json()).get("ids") or list(self.staging)
        rows = [row for row in self.staging.values() if row.uuid in ids and not row.commited]
        if not rows:
            raise Refused("No records to send to datalayer")
        for row in rows:
            row.commited, row.failed = True, self.commit_fails
        if not self.commit_fails:
            self.commits.append([row.uuid for row in rows])
            self.looks_left = self.pending_looks
            self._come_through()
        return web.json_response({"message": "Staging Table committed to full node", "success": True})

    async def _pending(self, _: web.Request) -> web.Response:
        is_confirmed = self.looks_left == 0
        if not is_confirmed:
            self.looks_left -= 1
            self._come_through()
        return web.json_response({"confirmed": is_confirmed, "message": "", "success": True})

    def _come_through(self) -> None:
        """Show what was committed once nothing is pending, and empty the staging table, whosever it is."""
        if self.looks_left > 0:
            return
        for row in [row for row in self.staging.values() if row.commited and not row.failed]:
            for index, record in enumerate(row.change):
                self._upsert(record, is_part=index > 0)
        self.staging = {}

    def _upsert(self, record: dict[str, Any], *, is_part: bool) -> None:
        known = self.units.get(record["warehouseUnitId"], {})
        issuance = record.get("issuance") or {}
        own = {name: value for name, value in record.items() if name not in ("issuance", "labels")}
        labels = [] if is_part else [label["id"] for label in record.get("labels") or []]
        self.units[record["warehouseUnitId"]] = {
            **known,
            **own,
            "issuanceId": own["issuanceId"] if "issuanceId" in own else issuance.get("id"),
            "labels": labels,
        }


@asynccontextmanager
async def serving(stand_in: StandIn) -> AsyncIterator[str]:
    """The stand-in behind HTTP, as `cadt:URL`."""
    async with TestServer(stand_in.app()) as server:
        yield f"cadt:http://127.0.0.1:{server.port}"
