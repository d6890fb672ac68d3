"""Settings of the command under way, and the index and register that they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
from sqlalchemy import Engine

from chain.door import make_home
from chain.errors import RequestError
from chain.settings import NodeSettings, load_settings
from explorer.errors import NotARegistry
from explorer.settings import ExplorerSettings
from explorer.store import open_index
from puzzles.units import LauncherId
from tokenization_engine.register.store import Register


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """The settings of the command under way."""

    explorer: ExplorerSettings
    node: NodeSettings


def wiring(**flags: object) -> Wiring:
    """Settings from the top group's flags, these further ones, the environment and the file."""
    top = click.get_current_context().find_root().obj or {}
    return Wiring(
        explorer=load_settings(ExplorerSettings, home=top.get("home"), database=top.get("database"), **flags),
        node=load_settings(NodeSettings, url=top.get("node_url"), network=top.get("network")),
    )


@contextmanager
def index_at_hand() -> Iterator[Engine]:
    """The index of the command under way."""
    settings = wiring()
    with opened_index(settings.explorer, settings.node) as index:
        yield index


def parse_id(text: str) -> LauncherId:
    """The registry id of 64 hex digits, with or without 0x; raises NotARegistry."""
    data = _hash(text)
    if data is None:
        raise NotARegistry(f"{text[:80]!r} is not a registry id: expected 64 hex digits, with or without 0x")
    return LauncherId(data)


def parse_hash(text: str, what: str) -> bytes:
    """The 32 bytes of 64 hex digits, with or without 0x; raises RequestError, which says what was asked for."""
    data = _hash(text)
    if data is None:
        raise RequestError(f"{text[:80]!r} is not {what}: expected 64 hex digits, with or without 0x")
    return data


def _hash(text: str) -> bytes | None:
    digits = text.strip().removeprefix("0x")
    return bytes.fromhex(digits) if re.fullmatch(r"[0-9a-fA-F]{64}", digits, re.ASCII) else None


@contextmanager
def opened_index(settings: ExplorerSettings, node: NodeSettings) -> Iterator[Engine]:
    """The index, for the network of these settings."""
    if not settings.database:
        make_home(settings.directory)
    index = open_index(settings.database_url, node.chain)
    try:
        yield index
    finally:
        index.dispose()


@contextmanager
def opened_register(url: str) -> Iterator[Register]:
    """The register at that URL, which the engine made; raises a StoreError if it is not there."""
    register = Register.open(url, is_made=False)
    try:
        yield register
    finally:
        register.close()
