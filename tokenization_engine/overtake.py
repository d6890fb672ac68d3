"""Where a governor's order can stand: on the newest registry coin, or on the one that a waiting transaction leaves.

The rule guarded here (P3): whoever holds the issuer's key can keep a spend of the registry, with a coin of its own
beside it, in every mempool, and the mempool replaces a transaction only by one that spends all of its coins. So the
order does not compete with what waits: it takes it along, whole, spends the registry coin that it leaves, and pays
what a replacement must. The serials it issues are issued; the owners are the new ones after it. The stolen key may be
the one that pays here, too: what waits may spend our coins, so we pay with those that it leaves us or gives back.
"""

from __future__ import annotations

from dataclasses import dataclass

from chain.records import PendingTransaction
from chain.submit import least_fee
from climate_wallet.spends import OwnCoin
from puzzles.errors import PuzzleError
from puzzles.free_serials import FreeSerials
from puzzles.recognise import read_registry_spend
from puzzles.registry_ledger import Owners, RegistryCoin
from puzzles.units import CoinId, Height, Mojos
from tokenization_engine.desk import Desk, Lookout
from tokenization_engine.registry import RegistryState


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """The registry coin to spend, and the waiting transaction that makes it; None if it is on chain."""

    registry: RegistryCoin
    waiting: PendingTransaction | None = None

    def least_fee(self, cost: int) -> Mojos:
        """What we must pay beside the waiting transaction's own fee, for a transaction of that cost in all."""
        if self.waiting is None:
            return Mojos(0)
        return Mojos(least_fee([self.waiting], cost) - self.waiting.fee)


async def footing(desk: Desk, state: RegistryState, owners: Owners, height: Height) -> Footing:
    """Where the order can stand now; on the newest coin if what waits cannot be read, or is an order itself."""
    newest = Footing(registry=state.coin(owners))
    waiting = await spending(desk, state)
    if waiting is None:
        return newest
    spends = {bytes(spend.coin.name()): spend for spend in waiting.bundle.coin_spends}
    registry, free = newest.registry, state.free.copy()
    try:
        while (spend := spends.pop(bytes(registry.coin.name()), None)) is not None:
            read = read_registry_spend(spend, flags=desk.network.flags_at(height))
            if read is None or read.next_coin is None or read.ledger.is_governor:
                return newest
            for issuance in read.issuances:
                free.replay(
                    start=issuance.start,
                    end=issuance.end,
                    before=issuance.before,
                    path=issuance.path,
                    place=issuance.place,
                )
            registry = _child(registry, free, int(read.next_coin.amount))
            if registry.coin != read.next_coin:
                return newest
    except PuzzleError:
        return newest
    return Footing(registry=registry, waiting=waiting)


async def spending(desk: Lookout, state: RegistryState) -> PendingTransaction | None:
    """The transaction in the node's mempool that spends the newest registry coin; another that it names is not."""
    if state.newest is None:
        return None
    items = await desk.node.mempool_items_by_coin(CoinId(bytes(state.newest.name())))
    return next((item for item in items if state.newest in item.bundle.removals()), None)


async def coins_beside(desk: Desk, place: Footing, job_id: int) -> list[OwnCoin]:
    """The engine's XCH for that job after the waiting transaction: without what it spends, with what it pays us."""
    found = await desk.coins(job_id=job_id)
    if place.waiting is None:
        return found
    own = desk.keys.own
    spent = {bytes(coin.name()) for coin in place.waiting.bundle.removals()}
    made = [
        OwnCoin(coin=coin, address=own, created_height=Height(0))
        for coin in place.waiting.bundle.additions()
        if bytes(coin.puzzle_hash) == own.puzzle_hash
    ]
    return [each for each in [*found, *made] if bytes(each.coin.name()) not in spent]


def _child(registry: RegistryCoin, free: FreeSerials, amount: int) -> RegistryCoin:
    return registry.child(free.root, registry.owners, amount)
