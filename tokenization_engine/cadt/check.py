"""What `doctor` says of the CADT server that keeps the register; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence

from chain.doctor.findings import Found, of_error, ok, warning
from tokenization_engine.cadt import source
from tokenization_engine.cadt.client import CadtClient
from tokenization_engine.cadt.dialect import Dialect
from tokenization_engine.cadt.link import linked
from tokenization_engine.errors import CadtError
from tokenization_engine.settings import EngineSettings

CHECK = "cadt"


async def check_cadt(settings: EngineSettings) -> Sequence[Found]:
    """Whether the server answers, is ours to write to, and has nothing in the way; none if none keeps the register."""
    if settings.cadt is None:
        return []
    try:
        async with linked(settings) as client:
            return [await _found(client)]
    except CadtError as error:
        return [of_error(CHECK, error)]


async def _found(client: CadtClient) -> Found:
    home = await source.read_home(client)
    said = f"{client.name}, organization {home.name} ({home.org_uid})"
    if client.is_read_only:
        return warning(CHECK, f"{said}, read only", "units can be pulled; to publish, name the registry's own server")
    if await Dialect(client).is_pending():
        return ok(CHECK, f"{said}, changes pending on the chain", "publications wait until they are through")
    waiting = await source.staged(client)
    if waiting:
        advice = "`cadt publish` tells whose they are; commit or drop others' there first"
        return warning(CHECK, f"{said}, {len(waiting)} changes in its staging table", advice)
    if not home.is_synced:
        return warning(CHECK, f"{said}, not synced", "wait until the server has synced; it takes no changes before")
    return ok(CHECK, f"{said}, synced, nothing staged")
