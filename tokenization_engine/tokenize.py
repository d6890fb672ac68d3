"""Tokenize unit records, from the names an admin gives to jobs in the journal; and what it would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chain.fees import fee_for
from puzzles.units import LauncherId, Mojos, PuzzleHash
from tokenization_engine.cadt.link import pull_now
from tokenization_engine.desk import Desk
from tokenization_engine.errors import JobRefused
from tokenization_engine.issue import Part, chosen_units, issues_of, plan_parts
from tokenization_engine.journal import Job, Kind, NewJob, find_job, write_down
from tokenization_engine.register.chain_events import check_tokenizable
from tokenization_engine.register.queries import UnitFilter
from tokenization_engine.register.units import get_unit


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What tokenizing would do: one transaction a part, each with its fee."""

    registry_id: LauncherId
    receiver: PuzzleHash
    parts: tuple[Part, ...]
    fees: tuple[Mojos, ...]

    @property
    def funding(self) -> Mojos:
        """Mojos of XCH that it takes in all, fees included."""
        return Mojos(sum(part.amount for part in self.parts) + sum(self.fees))


async def plan(
    desk: Desk,
    names: Sequence[str],
    wanted: UnitFilter | None,
    receiver: PuzzleHash,
    *,
    fee: Mojos | None,
) -> Plan:
    """What it takes to tokenize the units named and those that fit the filter, sent to `receiver`.

    `fee` is for each transaction; None asks the node. Raises what `chosen_units` and `plan_parts` raise, and
    NotTheIssuer, FeeTooHigh or NotEnoughFunds: nothing is written down that cannot be done. Where a CADT server keeps
    the register, it is pulled first, and CadtDiffers is raised for units that it does not let be tokenized.
    """
    await desk.node.synced_peak()
    state = await desk.look()
    owners = desk.owners(state).owners
    desk.issuer(owners)
    pulled = None if desk.settings.cadt is None else await pull_now(desk.settings, desk.register)
    with desk.register.reading() as session:
        issues = issues_of(state.registry_id, chosen_units(session, names, wanted), receiver)
    if pulled is not None:
        pulled.check_tokenizable(issue.block for issue in issues)
    parts = tuple(await plan_parts(desk, state, owners, issues))
    fees = tuple([fee if fee is not None else await fee_for(desk.node, part.cost, desk.fees) for part in parts])
    found = Plan(registry_id=state.registry_id, receiver=receiver, parts=parts, fees=fees)
    await desk.check_funds(found.funding)
    return found


def start(desk: Desk, planned: Plan) -> list[Job]:
    """The jobs of the plan, written down all together or not at all; nothing is pushed yet.

    Raises UnderWay, AlreadyTokenized or MoveRefused if a unit was taken meanwhile, and JobRefused if its
    record was changed since the plan.
    """
    with desk.register.writing(desk.settings.author) as session:
        numbers = []
        for part, fee in zip(planned.parts, planned.fees, strict=True):
            units = [get_unit(session, issue.unit_id) for issue in part.issues]
            for unit in units:
                check_tokenizable(unit)
            now = issues_of(planned.registry_id, units, planned.receiver)
            changed = [a.unit_id for a, b in zip(now, part.issues, strict=True) if a.asset_id != b.asset_id]
            if changed:
                raise JobRefused(f"the record of unit {changed[0]} was changed just now: tokenize it again")
            new = NewJob(kind=Kind.ISSUE, registry_id=planned.registry_id, fee=fee, request={}, issues=part.issues)
            numbers.append(write_down(session, new))
    with desk.register.reading() as session:
        jobs = [find_job(session, number) for number in numbers]
    for job in jobs:
        desk.on_step("planned", job)
    return jobs
