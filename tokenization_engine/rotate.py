"""Rotate the registry's owners: prepare an order for the cold keys, and attach it when it is signed.

The governor orders, anyone attaches. With a cold singleton the order fits whichever registry coin is the
newest; with one cold key it is bound to the registry coin it was prepared for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chia_rs import AugSchemeMPL, CoinSpend, SpendBundle

from puzzles.owners import governor_by_message_solution, order_solution, read_allotment
from puzzles.registry_ledger import RegistryCoin
from puzzles.standard import quoted_solution
from puzzles.units import CoinId, Mojos, UnitBlock
from tokenization_engine import custody
from tokenization_engine.bundles import finish, pay
from tokenization_engine.desk import Desk
from tokenization_engine.errors import JobRefused, NotTheIssuer, OrderInvalid, OwnersInvalid
from tokenization_engine.journal import Built, Job, Kind, NewJob, write_down
from tokenization_engine.orders import Order, OrderSignature, collect, read_order, read_signature
from tokenization_engine.owners import ColdKey, Custody, Governor, HiddenGovernor, OwnersInWords, governor_puzzle
from tokenization_engine.registry import RegistryState, remember_owners


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What shall be another one; None leaves it as it is. An empty allotment lifts it."""

    issuer_key: bytes | None = None
    allotment: tuple[UnitBlock, ...] | None = None
    governor: Governor | None = None


def changed(desk: Desk, state: RegistryState, change: Change) -> OwnersInWords:
    """The owners after the change; raises OwnersInvalid if the issuer stays and is not one of our keys."""
    known = desk.owners(state)
    read = read_allotment(known.owners.issuer_puzzle)
    issuer_key = change.issuer_key
    if issuer_key is None:
        try:
            issuer_key = desk.issuer(known.owners).public_key
        except NotTheIssuer as error:
            raise OwnersInvalid("the issuer's key is not one of ours: name it with --issuer-key") from error
    allotment = change.allotment
    if allotment is None:
        allotment = tuple(
            UnitBlock(series=series.decode("ascii"), first=first, last=end - 1)
            for series, first, end in (read[1] if read is not None else [])
        )
    return OwnersInWords(issuer_key=issuer_key, allotment=allotment, governor=change.governor or known.governor)


async def prepare(desk: Desk, state: RegistryState, owners: OwnersInWords) -> Order:
    """The order that rotates the registry to these owners, for the governor it has now to sign.

    Raises OwnersInvalid if nobody told us who governs, or if nothing would change.
    """
    known = desk.owners(state)
    if isinstance(known.governor, HiddenGovernor):
        raise OwnersInvalid(
            "the registry's governor is known by its puzzle hash only: open the registry with the governor's keys"
        )
    if owners.owners.owners_hash == state.owners_hash:
        raise OwnersInvalid("the registry has these owners already: nothing to rotate")
    if isinstance(known.governor, Custody):
        coin = (await custody.newest_coin(desk.node, known.governor)).coin
    else:
        coin = state.coin(known.owners).coin
    return Order(
        network=desk.network.name,
        registry_id=state.registry_id,
        governor=known.governor,
        owners=owners,
        coin_id=CoinId(bytes(coin.name())),
    )


def take_on(desk: Desk, order: Order, signatures: Sequence[OrderSignature], fee: Mojos) -> int:
    """The job that attaches the signed order; written down, not yet pushed. Raises OrderInvalid."""
    if order.network != desk.network.name:
        raise OrderInvalid(f"the order is for {order.network}, we are set to {desk.network.name}")
    collect(order, signatures, desk.network)
    request = {"order": order.to_json(), "signatures": [each.to_json() for each in signatures]}
    new = NewJob(kind=Kind.ROTATE, registry_id=order.registry_id, fee=fee, request=request)
    with desk.register.writing(desk.settings.author) as session:
        remember_owners(session, order.registry_id, order.owners.owners, order.owners.governor)
        return write_down(session, new)


async def build(desk: Desk, state: RegistryState, job: Job) -> Built:
    """The signed order attached to the newest registry coin; raises JobRefused if it was used or is stale."""
    order = read_order(job.request["order"])
    signatures = collect(order, [read_signature(each) for each in job.request["signatures"]], desk.network)
    known = desk.owners(state)
    if order.registry_id != state.registry_id or order.governor != known.governor:
        raise OrderInvalid("the order is for another registry, or for a governor that it does not have any more")
    registry = state.coin(known.owners)
    registry_id = CoinId(bytes(registry.coin.name()))
    spends = await _spends(desk, order, registry, frozenset(signatures))
    foreign = SpendBundle(spends, AugSchemeMPL.aggregate(list(signatures.values())))
    coins = await desk.choose(Mojos(job.fee))
    funding = await pay(desk, coins, [], fee=job.fee, paid_for=registry_id)
    signed = await finish(desk, funding, coins, fee=job.fee, foreign=foreign)
    return Built(bundle=signed.bundle, spent_coin_id=registry_id)


async def _spends(desk: Desk, order: Order, registry: RegistryCoin, signers: frozenset[bytes]) -> list[CoinSpend]:
    """The registry's spend by its governor, and the cold singleton's if it has one."""
    if isinstance(order.governor, ColdKey):
        if order.coin_id != bytes(registry.coin.name()):
            raise JobRefused(
                "the registry has moved on since the order was prepared, and one cold key signs for one registry "
                "coin only: prepare and sign a new order"
            )
        solution = quoted_solution(order.conditions)
        return [registry.spend_as_governor(governor_puzzle(order.governor), solution)]
    cold = await custody.newest_coin(desk.node, order.governor)
    if order.coin_id != bytes(cold.coin.name()):
        raise JobRefused("the cold singleton has sent another order since: prepare and sign a new one")
    inner_puzzle_hash = custody.inner_puzzle_hash(order.governor)
    return [
        registry.spend_as_governor(
            governor_puzzle(order.governor), governor_by_message_solution(inner_puzzle_hash, order.conditions)
        ),
        custody.custody_spend(
            order.governor, cold, signers, order.delegated_puzzle, order_solution(registry.inner_puzzle_hash)
        ),
    ]


def is_rotated(state: RegistryState, job: Job) -> bool:
    """Whether the spend that settles the job named the order's owners."""
    assert job.spent_coin_id is not None
    _, read = state.spends[job.spent_coin_id]
    return (
        read.ledger.is_governor and read.next_owners_hash == read_order(job.request["order"]).owners.owners.owners_hash
    )
