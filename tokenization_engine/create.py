"""Create a registry, or open one that exists: whose keys own it, and which registry this engine works for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import CoinSpend

from climate_wallet.spends import OwnCoin, Payment
from puzzles.registry_ledger import launch
from puzzles.singleton import LAUNCHER_PUZZLE_HASH
from puzzles.standard import create_coin
from puzzles.units import CoinId, LauncherId, Mojos, PuzzleHash, UnitBlock
from tokenization_engine.bundles import finish, pay
from tokenization_engine.custody import AMOUNT, launch_custody
from tokenization_engine.desk import Desk, make_current
from tokenization_engine.errors import OwnersInvalid, OwnersUnknown
from tokenization_engine.journal import Built, Kind, NewJob, write_down
from tokenization_engine.owners import ColdKey, Custody, Governor, OwnersInWords
from tokenization_engine.registry import RegistryState, known_owners, remember_owners


@dataclass(frozen=True, slots=True, kw_only=True)
class GovernorWish:
    """What the admin asked the governor to be: one cold key, or any `threshold` of several in a cold singleton."""

    public_keys: tuple[bytes, ...]
    threshold: int | None = None
    """None for one plain key, without a singleton."""


async def create(
    desk: Desk, name: str, wish: GovernorWish, allotment: tuple[UnitBlock, ...], *, issuer_key: bytes, fee: Mojos
) -> tuple[LauncherId, int]:
    """The id of the registry about to be born, and the job that makes it; written down, not yet pushed.

    A cold singleton of the governor is born in the same transaction. Raises OwnersInvalid, RecordError for a
    name that cannot stand on chain, NotEnoughFunds.
    """
    coins = await desk.choose(Mojos(1 + (AMOUNT if wish.threshold is not None else 0) + fee))
    lead = coins[0].coin_id
    spends: list[CoinSpend] = []
    asserted: list[Program] = []
    made = [Mojos(1)]
    governor: Governor
    if wish.threshold is None:
        if len(wish.public_keys) != 1:
            raise OwnersInvalid(f"{len(wish.public_keys)} governor keys need a threshold: how many of them shall sign")
        governor = ColdKey(public_key=wish.public_keys[0])
    else:
        cold = launch_custody(lead, wish.threshold, wish.public_keys)
        governor = cold.custody
        spends.append(cold.spend)
        asserted += cold.assertions
        made.append(Mojos(AMOUNT))
    words = OwnersInWords(issuer_key=issuer_key, allotment=allotment, governor=governor)
    born = launch(lead, words.owners, name)
    registry_id = born.first_coin.registry
    spends.append(born.spend)
    asserted += [assertion for assertion in born.funding_conditions if assertion != _launcher_of(Mojos(1))]
    funding = await _fund(desk, coins, made, asserted, fee)
    signed = await finish(desk, [*funding, *spends], coins, fee=fee)
    built = Built(bundle=signed.bundle, spent_coin_id=CoinId(registry_id))
    with desk.register.writing(desk.settings.author) as session:
        new = NewJob(kind=Kind.CREATE, registry_id=registry_id, fee=fee, request={"name": name})
        job_id = write_down(session, new, built)
        remember_owners(session, registry_id, words.owners, governor)
        make_current(session, registry_id, name)
    return registry_id, job_id


async def launch_governor(
    desk: Desk, threshold: int, public_keys: tuple[bytes, ...], *, registry_id: LauncherId, fee: Mojos
) -> tuple[Custody, int]:
    """A cold singleton for a governor to come, and the job that makes it; written down, not yet pushed."""
    coins = await desk.choose(Mojos(AMOUNT + fee))
    cold = launch_custody(coins[0].coin_id, threshold, public_keys)
    funding = await _fund(desk, coins, [Mojos(AMOUNT)], cold.assertions, fee)
    signed = await finish(desk, [*funding, cold.spend], coins, fee=fee)
    built = Built(bundle=signed.bundle, spent_coin_id=CoinId(cold.custody.launcher_id))
    with desk.register.writing(desk.settings.author) as session:
        new = NewJob(kind=Kind.CUSTODY, registry_id=registry_id, fee=fee, request={"threshold": threshold})
        return cold.custody, write_down(session, new, built)


async def open_registry(desk: Desk, registry_id: LauncherId, words: OwnersInWords | None) -> RegistryState:
    """The registry of that id, from now on the one this engine works for.

    Raises NotARegistry, and OwnersUnknown unless the chain has shown its owners or these are they.
    """
    state = await desk.look(registry_id)
    with desk.register.writing(desk.settings.author) as session:
        if words is not None:
            owners = words.owners
            if owners.owners_hash != state.owners_hash:
                raise OwnersUnknown(
                    f"the registry 0x{registry_id.hex()} has other owners than those named: check the issuer's key, "
                    "the allotment, and the governor's keys in their order"
                )
            remember_owners(session, registry_id, owners, words.governor)
        known_owners(session, state)
        make_current(session, registry_id, state.name)
    return state


_LAUNCHER = PuzzleHash(bytes(LAUNCHER_PUZZLE_HASH))


def _launcher_of(amount: Mojos) -> Program:
    return create_coin(_LAUNCHER, amount)


async def _fund(
    desk: Desk, coins: Sequence[OwnCoin], made: Sequence[Mojos], asserted: Sequence[Program], fee: Mojos
) -> list[CoinSpend]:
    """Spends that make launchers of these amounts and assert what each of them announces."""
    payments = [Payment(puzzle_hash=_LAUNCHER, amount=amount) for amount in made]
    return await pay(desk, coins, payments, fee=fee, extra=asserted)
