"""What `tokenization-engine doctor` looks at: the node, the key, the register, the registry, the balance, the jobs, the
CADT server if one keeps the register, the daemon.

Nothing is changed and nobody is asked for a passphrase.
"""

from __future__ import annotations

from dataclasses import replace

from chain.doctor.door import check_door
from chain.doctor.findings import Found, Verdict, examine, of_error, off_loop, ok, unknown, warning
from chain.doctor.node import check_node, node_settings_for_doctor, present_fee
from chain.doctor.store import check_store, is_current
from chain.errors import ChainError
from chain.node import connect
from climate_wallet.doctor import balance, check_keys, has_failed
from climate_wallet.errors import WalletError
from puzzles.errors import PuzzleError
from puzzles.units import Mojos
from tokenization_engine.app import Wiring
from tokenization_engine.cadt.check import check_cadt
from tokenization_engine.desk import Desk
from tokenization_engine.errors import EngineError, NoRegistry
from tokenization_engine.journal import unfinished
from tokenization_engine.keys import EngineKeys
from tokenization_engine.register.store import MIGRATIONS, Register
from tokenization_engine.settings import EngineSettings

TYPICAL_COST = 100_000_000
"""CLVM cost of issuing one block with a fee, rounded up."""

TYPICAL_BLOCK = Mojos(1_000_000)
"""Mojos that become tokens when a block of a thousand units is issued."""

KNOWN = (ChainError, WalletError, EngineError, PuzzleError)


async def examine_engine(wiring: Wiring) -> list[Found]:
    """Every finding, in the order in which one would mend things."""
    asked = replace(wiring, node=node_settings_for_doctor(wiring.node))
    return await examine(
        [
            ("node", lambda: check_node(asked.node, asked.fees, typical_cost=TYPICAL_COST)),
            ("key", lambda: _work(asked)),
            ("cadt", lambda: check_cadt(asked.engine)),
            ("daemon", lambda: off_loop(lambda: _door(asked.engine))),
        ],
        known=KNOWN,
    )


def _door(settings: EngineSettings) -> list[Found]:
    return check_door(settings.door, settings.url, "tokenization-engine")


async def _work(wiring: Wiring) -> list[Found]:
    """Key, register, registry, jobs and balance, each as far as those before it allow."""
    keys = await off_loop(lambda: check_keys(wiring.keys_root, wiring.engine.fingerprint))
    store = await check_store(wiring.engine.database, MIGRATIONS)
    found = [*keys, *store]
    if not is_current(store):
        first = "bring the register up to date first: any command does"
        return [*found, *(unknown(name, first) for name in ("registry", "jobs", "balance"))]
    register = await off_loop(lambda: Register.open(wiring.engine.database))
    try:
        found.append(_jobs(register))
        is_locked = has_failed(keys) or any(each.check == "key" and each.verdict != "ok" for each in keys)
        if is_locked:
            first = "mend or unlock the keychain first"
            return [*found, *(unknown(name, first) for name in ("registry", "balance"))]
        engine_keys = await off_loop(lambda: EngineKeys.open(wiring.keys_root, wiring.engine.fingerprint))
        try:
            return [*found, *await _on_chain(wiring, register, engine_keys)]
        finally:
            engine_keys.close()
    finally:
        register.close()


def _jobs(register: Register) -> Found:
    with register.reading() as session:
        waiting = unfinished(session)
    stuck = [job for job in waiting if job.reason is not None]
    if stuck:
        first = stuck[0]
        said = f"{len(waiting)} jobs under way, job {first.id}: {first.reason}"
        return warning("jobs", said, "`resume` looks again; `raise-fee` lets a stuck one pay more")
    return ok("jobs", f"{len(waiting)} under way" if waiting else "none under way")


async def _on_chain(wiring: Wiring, register: Register, keys: EngineKeys) -> list[Found]:
    """The registry and the balance, as the node shows them."""
    async with connect(wiring.node) as node:
        desk = Desk(register=register, node=node, keys=keys, settings=wiring.engine, fees=wiring.fees)
        found = [await _registry(desk)]
        try:
            held = await desk.balance()
            fee = await present_fee(node, wiring.fees, TYPICAL_COST)
        except ChainError as error:
            return [*found, of_error("balance", error)]
    return [*found, balance(held, fee, "issues of a thousand units", each=TYPICAL_BLOCK)]


async def _registry(desk: Desk) -> Found:
    """Whether the registry that the engine works for is on chain, and its issuer's key here."""
    try:
        state = await desk.look()
        desk.issuer(desk.owners(state).owners)
    except NoRegistry as error:  # not a failure: the engine is new
        return of_error("registry", error, verdict=Verdict.WARNING)
    except KNOWN as error:
        return of_error("registry", error)
    return ok("registry", f"{state.name[:60]!r}, 0x{state.registry_id.hex()}, and its issuer's key is here")
