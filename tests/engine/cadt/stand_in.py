"""A CADT server's recorded behaviour, traps included, in two dialects: upstream's, and core registry's fork of it.

Writes only stage. A commit is pushed a moment after its answer, is pending for some looks, then confirmed and still to
be synced; when it shows, the whole staging table is emptied, with whatever was staged meanwhile. An update is a whole
record: labels left out are lost, a label that comes without its link is linked once more, other fields left out keep
their value. Parts of a split lose their labels. New metadata is pushed a moment after the answer as well: upstream
shows it when it is on chain and the organizations were read again, the fork at once. A key that is not shown yet is
written once, whatever is sent later. A fault can be put on any request.
"""

from __future__ import annotations

import json
import re
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
_WRONG_NETWORK = (
    "Your node is on mainnet but your climate warehouse is set to testnet, please change your config so they match"
)
_SAID = {
    "lock": ("Error updating new unit", "SQLITE_BUSY: database is locked"),
    "chia": ("Chia Exception", "Can not read properties of an answer that did not come"),
    "hiccup": ("Error updating new unit", "socket hang up"),
    "no metadata": ("Error getting metadata for organization", "socket hang up"),
}
"""Message and error of a refusal that passes, by the name of its fault."""
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    def __init__(
        self, error: str = "", *, message: str = "Error", errors: list[str] | None = None, status: int = 400
    ) -> None:
        self.body: dict[str, Any] = {"message": message, "error": error, "success": False}
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
    looks_before_push: int = 1
    """Looks at hasPending... before metadata that was written is pending."""
    organizations: dict[str, dict[str, Any]] = field(default_factory=dict)
    projects: dict[str, dict[str, Any]] = field(default_factory=dict)
    units: dict[str, dict[str, Any]] = field(default_factory=dict)
    labels: dict[str, dict[str, Any]] = field(default_factory=dict)
    staging: dict[str, Row] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    """What is shown."""
    metadata_on_chain: dict[str, str] = field(default_factory=dict)
    metadata_on_its_way: list[tuple[str, str, bool]] = field(default_factory=list)
    """Key, text, and whether the key was shown when it was sent."""
    metadata_phases: list[str] = field(default_factory=list)
    """As `phases`, for metadata."""
    phases: list[str] = field(default_factory=list)
    """What hasPending... meets on its next looks, first to last: `pushed late`, `pending` or `syncing`."""
    links: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """Ids of the rows that link a unit and a label; a unit shows the label once for each."""
    is_read_only: bool = False
    versions: frozenset[str] = frozenset({"v1"})
    """The interfaces that are switched on."""
    is_v1_known: bool = True
    """Whether a v1 that is switched off says so (403), or is not there (404)."""
    requests_left: int | None = None
    """Requests until the limit; None for no limit."""
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    commits: list[list[str]] = field(default_factory=list)
    metadata_written: list[str] = field(default_factory=list)
    fault: Callable[[int, str, str], str | None] = lambda _number, _method, _path: None
    """What befalls the n-th request: `drop before`, `drop after`, `429`, `500`, `503`, `html`, one of those that pass
    (`lock`, `chia`, `hiccup`, `no metadata`), or nothing.
    """
    has_text_counts: bool = False
    """Whether the database, made by an old migration, holds unitCount as a text."""
    commit_fails: bool = False
    network_is_wrong: bool = False
    most_rows: int = 1000
    """Most rows of a page."""
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
        if self.has_text_counts:
            own["unitCount"] = str(own["unitCount"])
        for name in ("unitOwner", "marketplace", "marketplaceIdentifier", "marketplaceLink", "unitStatusReason"):
            own.setdefault(name, None)
        self.units[own["warehouseUnitId"]] = own

    def shown_unit(self, unit: Mapping[str, Any]) -> dict[str, Any]:
        """The unit as a GET shows it: its issuance and labels in it, with the server's own keys and nulls."""
        shown = {name: value for name, value in deepcopy(dict(unit)).items() if name != "labels"}
        unit_id = str(unit["warehouseUnitId"])
        shown["labels"] = [
            {
                **self.labels[label_id],
                "orgUid": unit["orgUid"],
                "timeStaged": None,
                "createdAt": "2024-01-01T00:00:00.000Z",
                "label_unit": {
                    "id": link,
                    "orgUid": unit["orgUid"],
                    "warehouseUnitId": unit_id,
                    "labelId": label_id,
                    "timeStaged": None,
                },
            }
            for label_id in unit.get("labels", [])
            for link in self.links.setdefault((unit_id, label_id), [str(uuid4())])
        ]
        shown["issuance"] = self._issuance(unit.get("issuanceId"))
        return shown

    def _issuance(self, issuance_id: object) -> dict[str, Any] | None:
        parts = (one for project in self.projects.values() for one in project.get("issuances", []))
        return next((one for one in parts if one["id"] == issuance_id), None)

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
        app.router.add_get("/v2/organizations", self._organizations)
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
        if self.requests_left is not None:
            self.requests_left -= 1
            if self.requests_left < 0:
                return self._over_the_limit()
        fault = self.fault(len(self.requests), request.method, request.path)
        if fault == "drop before":
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault == "500":
            return web.json_response({"message": "Internal Server Error"}, status=500)
        if fault == "503":
            said = {"message": "CADT is still starting up. Database migrations are in progress.", "success": False}
            return web.json_response(said, status=503)
        if fault == "429":
            return self._over_the_limit()
        if fault in _SAID:
            said_of, error = _SAID[fault]
            return web.json_response({"message": said_of, "error": error, "success": False}, status=400)
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

    def _over_the_limit(self) -> web.Response:
        self.requests_left = None
        said = {"message": "Too many requests. Please slow down and try again later.", "error": "RATE_LIMIT_EXCEEDED"}
        return web.json_response({**said, "success": False, "retryAfter": 0}, status=429)

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if self.network_is_wrong:
            raise Refused(_WRONG_NETWORK, message="Chia Exception")
        if self.api_key is not None and request.headers.get("x-api-key") != self.api_key:
            raise Refused("CADT API key not found", status=403)
        if self.is_read_only and request.method != "GET":
            raise self._read_only()
        version = request.path.split("/")[1]
        if version not in self.versions and (version != "v1" or not self.is_v1_known):
            raise web.HTTPNotFound
        if version not in self.versions:
            raise Refused("V1 API is disabled", status=403)
        home = next((one for one in self.organizations.values() if one["isHome"]), None)
        if request.method in ("POST", "PUT") and home is not None and not home["synced"]:
            raise Refused("Your organization data is still resyncing, please try again after it completes")
        answer = await handler(request)
        answer.headers["cw-read-only"] = str(self.is_read_only).lower()
        return answer

    def _read_only(self) -> Refused:
        if self.is_fork:
            return Refused("You can not use this API in read-only mode")
        return Refused("Write operations are not permitted in read-only mode", status=403)

    async def _organizations(self, _: web.Request) -> web.Response:
        return web.json_response(self.organizations)

    async def _metadata(self, request: web.Request) -> web.Response:
        about = "Error getting metadata for organization"
        if request.query.get("orgUid") != ORG:
            raise Refused("Cannot read properties of null (reading 'metadata')", message=about)
        if not self.metadata:
            raise Refused("Cannot convert undefined or null to object", message=about)
        return web.json_response(self.metadata)

    async def _add_metadata(self, request: web.Request) -> web.Response:
        values = await request.json()
        self.metadata_written += list(values)
        self.metadata_on_its_way += [(key, value, key in self.metadata) for key, value in values.items()]
        self.metadata_phases += [*["pushed late"] * self.looks_before_push, *["pending"] * self.pending_looks]
        if self.is_fork:
            self.metadata |= values
        return web.json_response({"message": "Home org currently being updated, will be completed soon."})

    async def _sync(self, _: web.Request) -> web.Response:
        while self.metadata_phases and not self.is_fork:  # whoever has it read again has waited for it
            self._metadata_come_on()
        self.metadata |= self.metadata_on_chain
        return web.json_response({"message": "Syncing All Organizations Metadata", "success": True})

    async def _projects(self, request: web.Request) -> web.Response:
        return self._page(request, "warehouseProjectId", list(self.projects.values()))

    async def _units(self, request: web.Request) -> web.Response:
        query = request.query
        if unit_id := query.get("warehouseUnitId"):
            found = self.units.get(unit_id)
            return web.json_response(self.shown_unit(found) if found else None)
        rows = list(self.units.values())
        tokens = query.getall("marketplaceIdentifiers", [])
        if len(tokens) > 20:  # a list that the query's parser ended is none
            raise Refused(errors=['"marketplaceIdentifiers" must be an array'])
        if tokens:
            rows = [row for row in rows if row["marketplaceIdentifier"] in tokens]
        if wanted := query.get("filter"):
            if len(wanted) > 100 or (matched := re.match(r"(\w+):(.+):(in|eq|not|lt|gt|lte|gte|like)", wanted)) is None:
                raise Refused(errors=['"filter" length must be less than or equal to 100 characters long'])
            assert matched[3] == "eq"
            rows = [row for row in rows if row.get(matched[1]) == matched[2]]
        return self._page(request, "warehouseUnitId", rows, show=self.shown_unit)

    def _page(
        self,
        request: web.Request,
        key: str,
        rows: list[dict[str, Any]],
        *,
        show: Callable[[dict[str, Any]], dict[str, Any]] = dict,
    ) -> web.Response:
        query = request.query
        if "page" not in query or "limit" not in query:
            raise Refused(errors=['"page" is required'])
        if int(query["limit"]) > self.most_rows:
            raise Refused(errors=[f'"limit" must be less than or equal to {self.most_rows}'])
        own = [row for row in rows if query.get("orgUid") in (None, row["orgUid"])]
        if query.get("order") == f"{key}:ASC":
            own.sort(key=lambda row: str(row[key]))
        page, limit = int(query["page"]), int(query["limit"])
        shown = [show(row) for row in own[(page - 1) * limit : page * limit]]
        value: Any = {"page": page, "pageCount": -(-len(own) // limit), "data": shown}
        if self.pages is not None:
            value = self.pages(request.path, value)
        return web.Response(text=json.dumps(value), content_type="application/json")

    def _write(self) -> None:
        if not any(one["isHome"] for one in self.organizations.values()):
            raise Refused("No Home organization found, please create an organization to write data")
        if self._is_pending():
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
        if "unitCount" in record:  # Joi makes a number of it
            record["unitCount"] = int(record["unitCount"])
        if self.is_fork:
            for name in ("unitCount", "unitBlockStart", "unitBlockEnd"):
                if record.get(name, unit[name]) != unit[name]:
                    was = f"The original {name} is {unit[name]} and the updated {name} is {record[name]}"
                    raise Refused(f"You can not update the {name} of a unit. {was}", message="Error updating new unit")
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
        for row in self.staging.values():
            for record in row.change:
                if (issuance_id := record.get("issuanceId")) and (issuance := self._issuance(issuance_id)) is None:
                    raise Refused(f"Could not find issuance '{issuance_id}' for staged Units record '{row.uuid}'")
                if issuance_id:
                    record["issuance"] = issuance
        rows = [
            {
                "id": number,
                "uuid": row.uuid,
                "table": row.table,
                "action": row.action,
                "commited": row.commited,
                "failedCommit": row.failed,
                "updatedAt": "2024-01-01T00:00:00.000Z",
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
            self.phases = ["pushed late", *["pending"] * self.pending_looks, "syncing"]
        return web.json_response({"message": "Staging Table committed to full node", "success": True})

    async def _pending(self, _: web.Request) -> web.Response:
        is_confirmed = not self._is_pending()
        self._come_on()
        self._metadata_come_on()
        return web.json_response({"confirmed": is_confirmed, "message": "", "success": True})

    def _is_pending(self) -> bool:
        return "pending" in (*self.phases[:1], *self.metadata_phases[:1])

    def _metadata_come_on(self) -> None:
        """One phase on; behind the last one the metadata is on chain."""
        if not self.metadata_phases:
            return
        self.metadata_phases.pop(0)
        if self.metadata_phases:
            return
        for key, value, was_shown in self.metadata_on_its_way:
            if was_shown or key not in self.metadata_on_chain:  # a second insert of a key never comes through
                self.metadata_on_chain[key] = value
        self.metadata_on_its_way = []

    def _come_on(self) -> None:
        """One phase on; behind the last one what was committed shows, and the staging table is emptied."""
        if not self.phases:
            return
        self.phases.pop(0)
        if self.phases:
            return
        for row in [row for row in self.staging.values() if row.commited and not row.failed]:
            for index, record in enumerate(row.change):
                self._upsert(record, is_part=index > 0)
        self.staging = {}

    def _upsert(self, record: dict[str, Any], *, is_part: bool) -> None:
        known = self.units.get(record["warehouseUnitId"], {})
        issuance = record.get("issuance") or {}
        own = {name: value for name, value in record.items() if name not in ("issuance", "labels")}
        labels = [] if is_part else list(dict.fromkeys(label["id"] for label in record.get("labels") or []))
        for label in [] if is_part else record.get("labels") or []:
            links = self.links.setdefault((record["warehouseUnitId"], label["id"]), [])
            link = (label.get("label_unit") or {}).get("id") or str(uuid4())
            links += [link] if link not in links else []
        for key in [key for key in self.links if key[0] == record["warehouseUnitId"] and key[1] not in labels]:
            del self.links[key]
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
