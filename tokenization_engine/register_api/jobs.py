"""Jobs that tokenize, started over HTTP: planned against the chain and written down, signed by nobody here.

The daemon has no key. A job waits in the journal until the admin's `resume`, at the machine that has the key, signs
it; nothing that a caller sends can make the daemon sign, pay, or show a key.
"""

from __future__ import annotations

from typing import Any

from chia_rs import G1Element
from pydantic import Field

from chain.fees import fee_for, fee_given
from chain.forms import Body, validated
from climate_wallet.addresses import PrivateKeys
from climate_wallet.errors import WalletLocked
from climate_wallet.keys import KeyInfo
from puzzles.units import Mojos
from tokenization_engine.api_keys import May
from tokenization_engine.desk import Desk
from tokenization_engine.issue import chosen_units, issues_of, plan_parts
from tokenization_engine.job_views import job_view
from tokenization_engine.keys import EngineKeys
from tokenization_engine.register_api.core import Api, Call, Route
from tokenization_engine.register_api.schemas import object_of
from tokenization_engine.tokenize import Plan, start

MAX_UNITS = 2000


class _Wanted(Body):
    units: list[str] = Field(min_length=1, max_length=MAX_UNITS)
    to: str = Field(max_length=200)
    fee: int | None = Field(None, ge=0, le=2**63 - 1)
    dry_run: bool = False


class _NoKeys(EngineKeys):
    """A public key that nobody has the other half of: enough to say what a transaction costs, and no more."""

    def __init__(self) -> None:
        self.info = KeyInfo(fingerprint=0, label=None, public_key=bytes(G1Element.generator()))
        self._addresses = []

    def private(self) -> PrivateKeys:
        raise WalletLocked("the daemon has no key: `resume` signs, where the key is")

    def close(self) -> None:
        """Nothing is open."""


async def tokenize(api: Api, call: Call) -> object:
    """Write down the jobs that tokenize these units, or say what they would be."""
    wanted = validated(_Wanted, call.body, strict=True)
    lookout = api.service.lookout
    desk = Desk(
        register=lookout.register,
        node=lookout.node,
        settings=lookout.settings.model_copy(update={"author": call.caller.name}),
        keys=_NoKeys(),
        fees=api.fees,
    )
    planned = await _plan(desk, wanted)
    if wanted.dry_run:
        return {"jobs": [], "total_funding": planned.funding}
    async with api.writing:
        made = start(desk, planned)
    return {"jobs": [job_view(job) for job in made], "total_funding": planned.funding}


async def _plan(desk: Desk, wanted: _Wanted) -> Plan:
    receiver = desk.network.decode_address(wanted.to)
    await desk.node.synced_peak()
    state = await desk.look()
    owners = desk.owners(state).owners
    with desk.register.reading() as session:
        issues = issues_of(state.registry_id, chosen_units(session, wanted.units), receiver)
    parts = tuple(await plan_parts(desk, state, owners, issues))
    given = None if wanted.fee is None else fee_given(Mojos(wanted.fee), desk.fees, is_confirmed=False)
    fees = tuple([given if given is not None else await fee_for(desk.node, part.cost, desk.fees) for part in parts])
    return Plan(registry_id=state.registry_id, receiver=receiver, parts=parts, fees=fees)


_WANTED: dict[str, Any] = object_of(
    {
        "units": {"type": "array", "minItems": 1, "maxItems": MAX_UNITS, "items": {"type": "string"}},
        "to": {"type": "string", "maxLength": 200},
        "fee": {"type": ["integer", "null"], "minimum": 0},
        "dry_run": {"type": "boolean"},
    },
    required=("units", "to"),
)

ROUTES = (
    Route(
        method="POST",
        path="/register/jobs",
        may=May.ISSUE,
        handle=tokenize,
        summary="Start to tokenize units; `resume` signs",
        body=_WANTED,
    ),
)
