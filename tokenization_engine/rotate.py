"""Rotate the registry's owners: prepare an order for the cold keys, and attach it when it is signed.

The governor orders, anyone attaches. With a cold singleton the order fits whichever registry coin is the
newest, one that a waiting transaction makes included; with one cold key it is bound to the registry coin it was
prepared for, and whoever holds the issuer's key can move the registry past it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chia_rs import AugSchemeMPL, CoinSpend, SpendBundle

from chain.errors import FeeTooHigh
from chain.records import PendingTransaction
from climate_wallet.errors import BuildError, NotEnoughFunds
from climate_wallet.selection import choose_xch
from climate_wallet.spends import OwnCoin
from puzzles.owners import governor_by_message_solution, order_solution, read_allotment
from puzzles.registry_ledger import RegistryCoin
from puzzles.standard import quoted_solution
from puzzles.units import CoinId, Height, Mojos, UnitBlock
from tokenization_engine import custody
from tokenization_engine.bundles import PAYER_COST, finish, pay, unsigned_cost
from tokenization_engine.desk import Desk, Lookout
from tokenization_engine.errors import JobRefused, NotTheIssuer, OrderInvalid, OwnersInvalid
from tokenization_engine.journal import Built, Job, Kind, NewJob, write_down
from tokenization_engine.orders import Order, OrderSignature, collect, read_order, read_signature
from tokenization_engine.overtake import Footing, coins_beside, footing, spending
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
    """The signed order attached to the newest registry coin; raises JobRefused if it was used or is stale.

    If a transaction that spends that coin waits already, a cold singleton's order goes with it: see `overtake`.
    """
    order = _order(desk, state, job)
    if isinstance(order.governor, ColdKey):
        return await _attach(desk, state, job, Footing(registry=state.coin(desk.owners(state).owners)))
    peak = await desk.node.synced_peak()
    place = await footing(desk, state, desk.owners(state).owners, peak.height)
    if place.waiting is None:
        return await _attach(desk, state, job, place)
    try:
        return await _attach(desk, state, job, place)
    except (BuildError, FeeTooHigh, NotEnoughFunds) as error:
        plain = await _attach(desk, state, job, Footing(registry=state.coin(desk.owners(state).owners)))
        return replace(plain, note=_cannot_join(place.waiting, error))


async def overtaking(desk: Desk, state: RegistryState, job: Job) -> Built | str | None:
    """The order with the transaction that bars its way taken along, or why that cannot be; None if nothing bars it."""
    order = _order(desk, state, job)
    waiting = await spending(desk, state)
    if isinstance(order.governor, ColdKey) or waiting is None or job.bundle is None:
        return None
    if not set(waiting.bundle.removals()) - set(job.bundle.removals()):
        return None
    peak = await desk.node.synced_peak()
    place = await footing(desk, state, desk.owners(state).owners, peak.height)
    if place.waiting is None:
        return None
    try:
        return await _attach(desk, state, job, place)
    except (BuildError, FeeTooHigh, NotEnoughFunds) as error:
        return _cannot_join(place.waiting, error)


def _order(desk: Desk, state: RegistryState, job: Job) -> Order:
    order = read_order(job.request["order"])
    if order.registry_id != state.registry_id or order.governor != desk.owners(state).governor:
        raise OrderInvalid("the order is for another registry, or for a governor that it does not have any more")
    return order


def _cannot_join(waiting: PendingTransaction, error: Exception) -> str:
    return (
        f"the transaction 0x{waiting.tx_id.hex()} spends the registry first, and the order cannot go with it: {error}. "
        "The order waits for the next block"
    )


async def _attach(desk: Desk, state: RegistryState, job: Job, place: Footing) -> Built:
    """The signed order on that registry coin, with what makes the coin, and our fee for both."""
    order = _order(desk, state, job)
    signatures = collect(order, [read_signature(each) for each in job.request["signatures"]], desk.network)
    registry_id = CoinId(bytes(place.registry.coin.name()))
    spends = await _spends(desk, order, place.registry, frozenset(signatures))
    parts = [SpendBundle(spends, AugSchemeMPL.aggregate(list(signatures.values())))]
    cost, note = 0, None
    if place.waiting is not None:
        cost = place.waiting.cost + unsigned_cost(desk, spends)
        note = f"goes with the transaction 0x{place.waiting.tx_id.hex()}, which spends the registry first"
        parts.append(place.waiting.bundle)
    fee, coins = await _payers(desk, job, place, cost)
    funding = await pay(desk, coins, [], fee=fee, paid_for=registry_id)
    signed = await finish(desk, funding, coins, fee=fee, foreign=SpendBundle.aggregate(parts))
    return Built(bundle=signed.bundle, spent_coin_id=registry_id, note=note, fee=fee)


async def _payers(desk: Desk, job: Job, place: Footing, cost: int) -> tuple[Mojos, list[OwnCoin]]:
    """The job's fee, or what it takes to go with what waits, and the coins that pay it; raises FeeTooHigh."""
    count = 1
    while True:
        fee = Mojos(max(job.fee, place.least_fee(cost + count * PAYER_COST)))
        if fee > max(job.fee, desk.fees.ceiling):
            raise FeeTooHigh(
                f"it takes a fee of {fee} mojos, the ceiling is {desk.fees.ceiling}: raise CARBON_FEE_CEILING",
                wanted=fee,
                ceiling=desk.fees.ceiling,
            )
        coins = await choose_xch(await coins_beside(desk, place, job.id), fee) if fee else []
        if len(coins) <= count:
            return fee, coins
        count = len(coins)


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
        raise JobRefused(
            "the cold singleton has sent this order or another one since: look at `registry show`, and prepare and "
            "sign a new one if need be"
        )
    inner_puzzle_hash = custody.inner_puzzle_hash(order.governor)
    return [
        registry.spend_as_governor(
            governor_puzzle(order.governor), governor_by_message_solution(inner_puzzle_hash, order.conditions)
        ),
        custody.custody_spend(
            order.governor, cold, signers, order.delegated_puzzle, order_solution(registry.inner_puzzle_hash)
        ),
    ]


async def done_height(desk: Lookout, state: RegistryState, job: Job) -> Height | None:
    """The height at which the order was carried out, whoever attached it to whichever registry coin; None if it was
    not, or not since we built it.
    """
    if job.bundle is None:
        return None
    order = read_order(job.request["order"])
    signed = (await desk.node.coins([order.coin_id])).get(order.coin_id)
    if signed is None or signed.spent_height is None:
        return None
    wanted = order.owners.owners.owners_hash
    for height, read in state.spends.values():
        if height == signed.spent_height and read.ledger.is_governor and read.next_owners_hash == wanted:
            return height
    return None
