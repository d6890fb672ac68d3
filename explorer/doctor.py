"""What `climate-explorer doctor` looks at: the node, the index and how far it is, the register, the daemon.

Nothing is changed: the index is not made, not migrated and not synced.
"""

from __future__ import annotations

from sqlalchemy import Engine

from chain.database import open_database, reading
from chain.doctor.door import check_door
from chain.doctor.findings import Found, examine, failed, of_error, off_loop, ok, unknown, warning
from chain.doctor.node import check_node, node_settings_for_doctor
from chain.doctor.store import check_store, is_current
from chain.errors import ChainError
from chain.node import connect
from explorer.errors import ExplorerError
from explorer.opening import Wiring
from explorer.queries import status
from explorer.settings import ExplorerSettings
from explorer.store import MIGRATIONS, StateRow
from tokenization_engine.register.store import MIGRATIONS as REGISTER_MIGRATIONS

MANY_BLOCKS = 32
"""So many blocks behind the node is more than a pause between two looks."""


async def examine_explorer(wiring: Wiring) -> list[Found]:
    """Every finding, in the order in which one would mend things."""
    asked = Wiring(explorer=wiring.explorer, node=node_settings_for_doctor(wiring.node))
    groups = [
        ("node", lambda: check_node(asked.node, None)),
        ("database", lambda: _index(asked)),
        ("daemon", lambda: off_loop(lambda: _door(asked.explorer))),
    ]
    if asked.explorer.register_url:
        register = asked.explorer.register_url
        groups.insert(2, ("register", lambda: check_store(register, REGISTER_MIGRATIONS, name="register")))
    return await examine(groups, known=(ChainError, ExplorerError))


def _door(settings: ExplorerSettings) -> list[Found]:
    return check_door(settings.door, settings.url, "climate-explorer")


async def _index(wiring: Wiring) -> list[Found]:
    found = await check_store(wiring.explorer.database_url, MIGRATIONS)
    if not is_current(found):
        return [*found, unknown("index", "bring the database up to date first: `sync` or `start` does")]
    engine = await off_loop(lambda: open_database(wiring.explorer.database_url, MIGRATIONS))
    try:
        return [*found, await _how_far(wiring, engine)]
    finally:
        engine.dispose()


async def _how_far(wiring: Wiring, engine: Engine) -> Found:
    """What the index holds, of which network, and how far it is behind the node."""
    with reading(engine) as session:
        state, read = session.get(StateRow, 1), status(session)
    if state is not None and state.genesis_challenge != wiring.node.chain.genesis_challenge:
        other = f"the index was made from another network than {wiring.node.network}"
        return failed("index", other, "name another --home or --database, or set the network to match")
    if read.faults:
        return failed(
            "index", f"{len(read.faults)} faults, the first: {read.faults[0][:200]}", "report it, see `status`"
        )
    if read.registry_count == 0:
        return warning("index", "no registry is followed", "`follow REGISTRY_ID`, then `sync` or `start`")
    if read.height is None:
        return warning("index", "nothing was read yet", "`sync`, or `start` the daemon")
    try:
        async with connect(wiring.node) as node:
            peak = await node.peak()
    except ChainError as error:
        return of_error("index", error)
    behind = peak.height - read.height
    shown = f"{read.registry_count} registries, {read.token_count} tokens, read up to block {read.height}"
    if behind > MANY_BLOCKS:
        return warning("index", f"{shown}, {behind} behind the node", "`sync`, or see whether the daemon runs")
    return ok("index", shown)
