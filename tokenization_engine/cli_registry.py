"""The command line's `registry`, `keys`, `free` and `rotate`: who owns the registry, and what it looks like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from chain.console import Output, output_option
from chain.json_values import plain, to_hex
from climate_wallet.cli_keys import keys_create, keys_list, keys_restore
from puzzles.units import UnitBlock
from tokenization_engine import create, rotate
from tokenization_engine.cli_desk import carry_out, with_desk
from tokenization_engine.cli_options import FILE, fee_given, fee_options, read_registry_id
from tokenization_engine.desk import Desk
from tokenization_engine.errors import OrderInvalid, OwnersInvalid
from tokenization_engine.job_views import job_view
from tokenization_engine.journal import Kind
from tokenization_engine.orders import Order, read_file, read_order, read_signature, sign_order
from tokenization_engine.owners import (
    ColdKey,
    Custody,
    Governor,
    OwnersInWords,
    check_threshold,
    parse_allotment,
    parse_key,
)
from tokenization_engine.registry_views import registry_view


def owner_options(command: Any) -> Any:
    """Decorator: who shall issue, inside what, and who shall govern."""
    for option in reversed(
        (
            click.option("--issuer-key", help="Public key that issues; this engine's own if not given."),
            click.option("--allot", multiple=True, metavar="SERIES:FIRST-LAST", help="Serials the issuer may issue."),
            click.option("--governor-key", "governor_keys", multiple=True, help="Public key that governs."),
            click.option("--threshold", type=click.IntRange(1, 100), help="How many governor keys must sign."),
        )
    ):
        command = option(command)
    return command


@click.group()
def keys() -> None:
    """The keys of this engine, in Chia's keychain (CHIA_KEYS_ROOT)."""


for command in (keys_create, keys_restore, keys_list):
    keys.add_command(command)


@keys.command("show")
@click.option("--count", type=click.IntRange(1, 50), default=3, show_default=True, help="How many public keys.")
@output_option
def keys_show(out: Output, count: int) -> None:
    """The key in use, its address, and public keys to name as issuer or governor."""

    async def look(desk: Desk) -> dict[str, Any]:
        return {
            "fingerprint": desk.keys.info.fingerprint,
            "address": desk.network.encode_address(desk.keys.own.puzzle_hash),
            "public_keys": [each.public_key for each in desk.keys.addresses[:count]],
        }

    found = with_desk(look)

    def draw(console: Console) -> None:
        console.print(f"key {found['fingerprint']}, address {found['address']}")
        for index, key in enumerate(found["public_keys"]):
            console.print(f"  {index}: {to_hex(key)}")

    out.show(found, text=draw)


@click.group()
def registry() -> None:
    """Create, open and show the registry on chain."""


@registry.command("create")
@click.argument("name")
@owner_options
@fee_options
@output_option
def registry_create(
    out: Output,
    *,
    name: str,
    issuer_key: str | None,
    allot: tuple[str, ...],
    governor_keys: tuple[str, ...],
    threshold: int | None,
    fee_xch: str | None,
    fee_mojos: int | None,
    wait: bool,
) -> None:
    """Launch a registry called NAME; with --threshold its governor is a cold singleton of those keys."""
    given = fee_given(fee_xch, fee_mojos)
    allotment = _allotment(allot)
    public_keys = tuple(parse_key(key) for key in governor_keys)
    if not public_keys:
        raise OwnersInvalid(
            "a registry needs a governor who is not the issuer: name a cold key with --governor-key, or several and "
            "a --threshold; `keys show` on the machine of that key shows it"
        )

    async def go(desk: Desk) -> dict[str, Any]:
        issuer = desk.keys.own.public_key if issuer_key is None else parse_key(issuer_key)
        wish = create.GovernorWish(public_keys=public_keys, threshold=threshold)
        fee = await desk.fee(given, Kind.CREATE)
        registry_id, job_id = await create.create(desk, name, wish, allotment, issuer_key=issuer, fee=fee)
        (job,) = await carry_out(desk, [job_id], wait=wait)
        return {"registry_id": registry_id, "name": name, "job": job_view(job)}

    made = with_desk(go)

    def draw(console: Console) -> None:
        console.print(f"registry {to_hex(made['registry_id'])}: {name}, {made['job'].state}")

    out.show(made, text=draw)


@registry.command("open")
@click.argument("registry_id")
@owner_options
@click.option("--governor-singleton", help="Launcher id of the governor's cold singleton.")
@output_option
def registry_open(
    out: Output,
    *,
    registry_id: str,
    issuer_key: str | None,
    allot: tuple[str, ...],
    governor_keys: tuple[str, ...],
    threshold: int | None,
    governor_singleton: str | None,
) -> None:
    """Work for the registry of that id; owners must be told as long as the chain shows only their hash."""
    wanted = read_registry_id(registry_id)
    governor = _governor(tuple(parse_key(key) for key in governor_keys), threshold, governor_singleton)
    allotment = _allotment(allot)

    async def go(desk: Desk) -> dict[str, Any]:
        words = None
        if governor is not None:
            issuer = desk.keys.own.public_key if issuer_key is None else parse_key(issuer_key)
            words = OwnersInWords(issuer_key=issuer, allotment=allotment, governor=governor)
        state = await create.open_registry(desk, wanted, words)
        return registry_view(state, desk.owners(state), desk.keys.addresses)

    _show_registry(out, with_desk(go))


@registry.command("show")
@output_option
def registry_show(out: Output) -> None:
    """The registry as the chain shows it now."""

    async def go(desk: Desk) -> dict[str, Any]:
        state = await desk.look()
        return registry_view(state, desk.owners(state), desk.keys.addresses)

    _show_registry(out, with_desk(go))


def _show_registry(out: Output, view: dict[str, Any]) -> None:
    def draw(console: Console) -> None:
        console.print(f"{view['name']}, registry {to_hex(view['registry_id'])}")
        console.print(f"{view['units_issued']} units issued in {view['blocks_issued']} blocks, {view['spends']} spends")
        issuer = view["issuer"]
        allotted = (
            "all serials"
            if issuer["allotment"] is None
            else ", ".join(f"{each['series']} {each['first']} to {each['last']}" for each in issuer["allotment"])
        )
        console.print(f"issuer: {'this engine' if issuer['is_ours'] else 'another key'}, {allotted}")
        console.print(f"governor: {_governor_in_words(view['governor'])}")

    out.show(view, text=draw)


def _governor_in_words(governor: Mapping[str, Any]) -> str:
    match governor["kind"]:
        case "key":
            return f"the key {governor['public_key']}"
        case "custody":
            keys = governor["public_keys"]
            listed = "".join(f"\n  {key}" for key in keys)
            return f"{governor['threshold']} of {len(keys)} keys, in the singleton {governor['launcher_id']}{listed}"
        case _:
            return f"known by its puzzle hash only, {governor['puzzle_hash']}"


@click.command()
@click.argument("series")
@output_option
def free(out: Output, series: str) -> None:
    """The serials of a series that were never tokenized."""

    async def go(desk: Desk) -> list[tuple[int, int]]:
        return [(run.first, run.last) for run in (await desk.look()).free_runs(series)]

    runs = with_desk(go)
    value = {"series": series, "free": [{"first": first, "last": last} for first, last in runs]}
    out.show_table(value, ["first", "last"], runs, empty="nothing is free in this series")


@click.group("rotate")
def rotate_group() -> None:
    """Rotate the registry's owners: prepare an order, let the cold keys sign it, attach it."""


@rotate_group.command("prepare")
@owner_options
@click.option("--any-serials", is_flag=True, help="Lift the issuer's allotment.")
@click.option("--output", "target", type=FILE, required=True, help="File for the order.")
@fee_options
@output_option
def rotate_prepare(
    out: Output,
    *,
    issuer_key: str | None,
    allot: tuple[str, ...],
    governor_keys: tuple[str, ...],
    threshold: int | None,
    any_serials: bool,
    target: Path,
    fee_xch: str | None,
    fee_mojos: int | None,
    wait: bool,
) -> None:
    """Write an order that the governor's keys can sign; what is not named stays as it is.

    A governor of several keys gets its cold singleton first, in a transaction of its own.
    """
    given, allotment = fee_given(fee_xch, fee_mojos), _allotment(allot)
    public_keys = tuple(parse_key(key) for key in governor_keys)

    async def go(desk: Desk) -> Order:
        state = await desk.look()
        change = rotate.Change(
            issuer_key=None if issuer_key is None else parse_key(issuer_key),
            allotment=() if any_serials else allotment or None,
            governor=_governor(public_keys, None, None) if threshold is None else None,
        )
        if threshold is not None:
            fee = await desk.fee(given, Kind.CUSTODY)
            custody, job_id = await create.launch_governor(
                desk, threshold, public_keys, registry_id=state.registry_id, fee=fee
            )
            await carry_out(desk, [job_id], wait=wait)
            change = rotate.Change(issuer_key=change.issuer_key, allotment=change.allotment, governor=custody)
        return await rotate.prepare(desk, state, rotate.changed(desk, state, change))

    order = with_desk(go)
    _write(target, order.to_json())
    text = f"order {order.id}, for {order.threshold} of the governor's keys to sign, is in {target}"
    out.show({"order": order.to_json(), "file": str(target)}, text=lambda console: console.print(text))


@rotate_group.command("sign")
@click.argument("order_file", type=FILE)
@click.option("--output", "target", type=FILE, required=True, help="File for the signatures.")
@output_option
def rotate_sign(out: Output, order_file: Path, target: Path) -> None:
    """Sign an order with every key of this machine's that the governor names; shows first what it says."""
    order = read_order(read_file(_read(order_file)))

    async def go(desk: Desk) -> list[dict[str, Any]]:
        return [each.to_json() for each in sign_order(order, desk.keys, desk.network)]

    if not out.is_json:
        click.echo(json.dumps(plain(order.to_json()), indent=2), err=True)
        click.confirm("Sign this order?", abort=True, err=True)
    signatures = with_desk(go)
    _write(target, {"signatures": signatures})
    text = f"{len(signatures)} signatures of order {order.id} are in {target}"
    out.show({"signatures": signatures, "file": str(target)}, text=lambda console: console.print(text))


@rotate_group.command("attach")
@click.argument("order_file", type=FILE)
@click.argument("signature_files", type=FILE, nargs=-1, required=True)
@fee_options
@output_option
def rotate_attach(
    out: Output,
    *,
    order_file: Path,
    signature_files: tuple[Path, ...],
    fee_xch: str | None,
    fee_mojos: int | None,
    wait: bool,
) -> None:
    """Attach the signed order to the newest registry coin; anyone may."""
    order = read_order(read_file(_read(order_file)))
    signatures = []
    for path in signature_files:
        value = read_file(_read(path))
        listed = value.get("signatures") if isinstance(value, dict) else None
        if not isinstance(listed, list):
            raise OrderInvalid(f"{path} holds no signatures: expected the file that `rotate sign` wrote")
        signatures += [read_signature(each) for each in listed]
    given = fee_given(fee_xch, fee_mojos)

    async def go(desk: Desk) -> Any:
        fee = await desk.fee(given, Kind.ROTATE)
        job_id = rotate.take_on(desk, order, signatures, fee)
        (job,) = await carry_out(desk, [job_id], wait=wait)
        return job_view(job)

    view = with_desk(go)
    out.show(view, text=lambda console: console.print(f"job {view.job}: rotation {view.state}"))


def _allotment(texts: tuple[str, ...]) -> tuple[UnitBlock, ...]:
    return tuple(parse_allotment(text) for text in texts)


def _governor(public_keys: tuple[bytes, ...], threshold: int | None, singleton: str | None) -> Governor | None:
    """The governor that these flags name; None if they name none. Raises OwnersInvalid."""
    if singleton is not None:
        if threshold is None:
            raise OwnersInvalid("a cold singleton governs by a --threshold of its keys: name both")
        keys_named = check_threshold(threshold, public_keys)
        return Custody(launcher_id=read_registry_id(singleton), threshold=threshold, public_keys=keys_named)
    if not public_keys:
        return None
    if threshold is not None or len(public_keys) > 1:
        raise OwnersInvalid("several keys govern through a cold singleton: name its --threshold and its id")
    return ColdKey(public_key=public_keys[0])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OrderInvalid(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, value: object) -> None:
    try:
        path.write_text(json.dumps(plain(value), indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OrderInvalid(f"{path} cannot be written: {error.strerror}") from error
