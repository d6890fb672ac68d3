"""Rebuild everything from a registry's id and a node, and name every difference from the index and the register."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from chain.database import reading
from chain.node import Node
from explorer.answers import Supply
from explorer.dump import differences, facts
from explorer.errors import IndexBehind, NotFollowed
from explorer.follow import catch_up
from explorer.index import Mark, cursor
from explorer.queries import fault, supply
from explorer.registries import follow_registry
from explorer.store import RETIREMENT, BurnRow, RegistryRow, TokenRow, open_index
from puzzles.units import AssetId, Height, LauncherId
from tokenization_engine.register.lifecycle import RETIRED
from tokenization_engine.register.queries import units_of_token
from tokenization_engine.register.store import Register

LIVE = "live as a token"
TAKEN_BACK = "handed back"
Run = tuple[int, int, str]
"""First and last serial, inclusive, and what became of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What an audit found; `index_differences` is None if this explorer does not follow the registry."""

    registry_id: bytes
    height: int
    header_hash: bytes
    supply: Supply
    token_count: int
    node_calls: int
    index_differences: tuple[str, ...] | None
    register_differences: tuple[str, ...] | None

    @property
    def is_clean(self) -> bool:
        """Whether nothing differs."""
        return not self.index_differences and not self.register_differences


async def audit(node: Node, registry_id: LauncherId, *, index: Engine, register: Register | None = None) -> Audit:
    """Rebuild the registry from the chain alone, up to the index's block if it is followed here, and compare.

    Raises NotARegistry; BooksDoNotClose if the chain itself does not add up; IndexBehind if the index stands at a
    block that is not in the node's chain.
    """
    before = node.calls
    until = _standing(index, registry_id)
    with tempfile.TemporaryDirectory(prefix="climate-explorer-audit-") as directory:
        rebuilt = open_index(f"sqlite:///{Path(directory) / 'rebuilt.sqlite'}", node.expected_network)
        try:
            await follow_registry(node, rebuilt, registry_id)
            await catch_up(node, rebuilt, until=until)
            calls = node.calls - before
            with reading(rebuilt) as chain:
                return _compare(chain, registry_id, index, register, is_followed=until is not None, calls=calls)
        finally:
            rebuilt.dispose()


def _standing(index: Engine, registry_id: LauncherId) -> Mark | None:
    """Where the index stands with this registry; None if it does not follow it."""
    with reading(index) as session:
        row = session.get(RegistryRow, registry_id)
        newest = cursor(session)
        if row is None:
            return None
        if row.is_new or newest is None:
            raise IndexBehind("the index has not read this registry yet: run climate-explorer sync first")
        return Mark(height=Height(newest.height), header_hash=newest.header_hash, timestamp=newest.timestamp)


def _compare(
    chain: Session,
    registry_id: LauncherId,
    index: Engine,
    register: Register | None,
    *,
    is_followed: bool,
    calls: int,
) -> Audit:
    total = supply(chain, registry_id)
    newest = cursor(chain)
    if newest is None:
        raise NotFollowed(f"the registry 0x{registry_id.hex()} could not be rebuilt")
    wanted = facts(chain, registry_id)
    index_differences: tuple[str, ...] | None = None
    if is_followed:
        with reading(index) as session:
            index_differences = tuple(differences(facts(session, registry_id), wanted))
            reason = fault(session, registry_id)
            if reason is not None and not index_differences:
                index_differences = (f"the index notes a fault: {reason}",)
    return Audit(
        registry_id=registry_id,
        height=newest.height,
        header_hash=newest.header_hash,
        supply=total,
        token_count=len(wanted["issuances"]),
        node_calls=calls,
        index_differences=index_differences,
        register_differences=None if register is None else tuple(_register_differences(chain, registry_id, register)),
    )


def _register_differences(chain: Session, registry_id: LauncherId, register: Register) -> list[str]:
    """One sentence on each run of serials that the register shows otherwise than the chain."""
    sentences: list[str] = []
    burns: dict[bytes, list[BurnRow]] = defaultdict(list)
    for burn in chain.scalars(select(BurnRow)):
        burns[burn.asset_id].append(burn)
    query = select(TokenRow).where(TokenRow.registry_id == registry_id).order_by(TokenRow.series, TokenRow.first)
    with register.reading() as session:
        for token in chain.scalars(query):
            wanted = _chain_runs(token, burns[token.asset_id])
            found = _register_runs(session, AssetId(token.asset_id))
            name = f"token 0x{token.asset_id.hex()} of {token.series}"
            if not found:
                sentences.append(f"{name}, serials {token.first} to {token.last}, is not in the register")
                continue
            sentences += [
                f"{name}: serials {_said(run)} in the register, not on chain" for run in found if run not in wanted
            ]
            sentences += [
                f"{name}: serials {_said(run)} on chain, not in the register" for run in wanted if run not in found
            ]
    return sentences


def _said(run: Run) -> str:
    first, last, state = run
    return f"{first} to {last} are {state}"


def _chain_runs(token: TokenRow, burns: list[BurnRow]) -> list[Run]:
    runs: list[Run] = []
    first, last = token.first, token.last
    for burn in burns:
        assert burn.first is not None, "the books were closed"
        assert burn.last is not None, "the books were closed"
        runs.append((burn.first, burn.last, RETIRED if burn.kind == RETIREMENT else TAKEN_BACK))
        if burn.kind == RETIREMENT:
            first = max(first, burn.last + 1)
        else:
            last = min(last, burn.first - 1)
    if first <= last:
        runs.append((first, last, LIVE))
    return _joined(runs)


def _register_runs(session: Session, asset_id: AssetId) -> list[Run]:
    runs: list[Run] = []
    for unit in units_of_token(session, asset_id):
        still_held = LIVE if unit.is_tokenized else TAKEN_BACK
        runs.append((unit.first, unit.last, RETIRED if unit.unit_status == RETIRED else still_held))
    return _joined(runs)


def _joined(runs: list[Run]) -> list[Run]:
    """The same serials with neighbours of one state in one run: how records are split is not compared."""
    joined: list[Run] = []
    for first, last, state in sorted(runs):
        if joined and joined[-1][2] == state and joined[-1][1] + 1 == first:
            joined[-1] = (joined[-1][0], last, state)
        else:
            joined.append((first, last, state))
    return joined
