"""Tokenize unit records: choose them, plan their tokens against the tree, and build the transaction that issues.

The rules guarded here: only Held units that never were a token; metadata fixed in the journal before anything
is signed; and everything that consensus would refuse is refused before the journal knows of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from chia_rs import Coin, CoinSpend
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from sqlalchemy.orm import Session

from chain.errors import NotOnChain
from chain.node import ChainCoin
from climate_wallet.errors import BuildError
from climate_wallet.spends import MAX_COST, OwnCoin, Payment
from puzzles.cat import cat_puzzle_hash
from puzzles.fields import canonical_text, write_fields
from puzzles.issuance import IssuePlan, IssueRequest, PlannedIssue, plan_issues
from puzzles.owners import read_allotment
from puzzles.recognise import find_eve, read_token_spend
from puzzles.registry_ledger import Owners, RegistryCoin, conditions_for_issuer
from puzzles.standard import assert_spent_together, quoted_solution
from puzzles.unit_block_tail import token_of
from puzzles.units import CoinId, LauncherId, Mojos, PuzzleHash, UnitBlock
from tokenization_engine.bundles import finish, pay, unsigned_cost
from tokenization_engine.desk import Desk, Lookout, signer
from tokenization_engine.errors import NothingToDo, OutsideAllotment
from tokenization_engine.journal import Built, Issue, Job
from tokenization_engine.register.chain_events import check_tokenizable
from tokenization_engine.register.listing.pages import Listings
from tokenization_engine.register.model import Unit
from tokenization_engine.register.queries import UnitFilter, find_unit, list_units
from tokenization_engine.register.records import token_metadata
from tokenization_engine.register.search.find import MAX_PAGE
from tokenization_engine.registry import IssuedBlock, RegistryState

MOST_ISSUES = 120
"""Blocks that are tried in one transaction; about as many as a mempool admits by cost."""

TYPICAL_CHANGE = 10**12
"""Mojos that come back in a planned transaction: what makes its cost a real one's."""

NONE_STRANDED: Mapping[PuzzleHash, Coin] = {}


@dataclass(frozen=True, kw_only=True)
class Part:
    """What goes into one transaction: its issues, and its cost as planned."""

    issues: tuple[Issue, ...]
    cost: int

    @property
    def amount(self) -> Mojos:
        """Mojos of XCH that become tokens."""
        return Mojos(sum(issue.block.amount for issue in self.issues))


def chosen_units(session: Session, names: Sequence[str], wanted: UnitFilter | None = None) -> list[Unit]:
    """The units named by id or serial number, and all that fit the filter; each once, all tokenizable.

    Raises NotInRegister, AlreadyTokenized or MoveRefused; NothingToDo if there is none.
    """
    units = {unit.id: unit for unit in (find_unit(session, name) for name in names)}
    if wanted is not None:
        listings, offset = Listings(), 0
        while True:
            page = list_units(session, wanted, limit=MAX_PAGE, offset=offset, listings=listings)
            units |= {unit.id: unit for unit in page.units if unit.asset_id is None}
            offset += MAX_PAGE
            if offset >= page.record_count:
                break
    for unit in units.values():
        check_tokenizable(unit)
    if not units:
        raise NothingToDo("no unit was named, or none that fits can be tokenized: see `units list --status Held`")
    return sorted(units.values(), key=lambda unit: (unit.series, unit.first))


def issues_of(registry_id: LauncherId, units: Iterable[Unit], receiver: PuzzleHash) -> list[Issue]:
    """What each unit becomes; raises RecordError if its record cannot be written on chain."""
    found = []
    for unit in units:
        metadata = write_fields((key, canonical_text(value)) for key, value in token_metadata(unit))
        token = token_of(registry_id, unit.block, metadata)
        found.append(
            Issue(unit_id=unit.id, block=unit.block, metadata=metadata, receiver=receiver, asset_id=token.asset_id)
        )
    return found


def check_allotted(owners: Owners, blocks: Iterable[UnitBlock]) -> None:
    """Raise OutsideAllotment unless the issuer may issue all of these."""
    read = read_allotment(owners.issuer_puzzle)
    if read is None:
        return
    for block in blocks:
        series = block.series.encode("ascii")
        if not any(each == series and first <= block.first and block.last < end for each, first, end in read[1]):
            raise OutsideAllotment(
                f"the block {block} is outside what the governor allotted to the issuer: see `registry show`, "
                "and let the governor rotate to a wider allotment"
            )


async def plan_parts(desk: Desk, state: RegistryState, owners: Owners, issues: Sequence[Issue]) -> list[Part]:
    """The issues in parts, each of which one transaction can hold; in order, against the tree as it will be.

    Raises SerialsTaken for a block that is not free, and OutsideAllotment.
    """
    check_allotted(owners, [issue.block for issue in issues])
    registry, free = state.coin(owners), state.free.copy()
    parts: list[Part] = []
    rest, size = list(issues), MOST_ISSUES
    while rest:
        size = min(size, len(rest))
        after = free.copy()
        plan = plan_issues(registry, after, requests(rest[:size]))
        funding = Coin(bytes32.zeros, bytes32(desk.keys.own.puzzle_hash), uint64(amount_of(plan) + TYPICAL_CHANGE))
        spends = await _spends(desk, registry, plan, [signer(desk.keys.own, funding)], fee=Mojos(1))
        cost = unsigned_cost(desk, spends)
        if cost > MAX_COST:
            if size == 1:
                raise BuildError(f"issuing {rest[0].block} alone costs {cost}, more than one transaction may")
            size = max(1, min(size - 1, size * MAX_COST // cost))
            continue
        parts.append(Part(issues=tuple(rest[:size]), cost=cost))
        registry, free, rest = registry.child(plan.root, owners), after, rest[size:]
    return parts


def requests(issues: Iterable[Issue]) -> list[IssueRequest]:
    """The issues as the puzzle drivers take them."""
    return [IssueRequest(block=issue.block, metadata=issue.metadata, receiver=issue.receiver) for issue in issues]


def amount_of(plan: IssuePlan) -> Mojos:
    """Mojos of XCH that become tokens."""
    return Mojos(sum(issue.amount for issue in plan.issues))


async def build(desk: Desk, state: RegistryState, job: Job) -> Built:
    """The signed transaction that issues what is left of the job to issue, on the newest registry coin.

    An eve coin of an earlier transaction of this job that stands on chain unspent is taken instead of a new
    one, as far as the registry has not moved since. Raises SerialsTaken, NotTheIssuer, NotEnoughFunds.
    """
    owners = desk.owners(state).owners
    address = desk.issuer(owners)
    left = [issue for issue in job.issues if issue.asset_id not in state.issued]
    check_allotted(owners, [issue.block for issue in left])
    registry = state.coin(owners)
    plan = plan_issues(registry, state.free.copy(), requests(left))
    left_behind = await _left_behind(desk, job)
    stranded = {
        issue.eve_puzzle_hash: left_behind[issue.eve_puzzle_hash]
        for issue in plan.issues
        if issue.eve_puzzle_hash in left_behind and int(left_behind[issue.eve_puzzle_hash].amount) == int(issue.amount)
    }
    lost = sum(int(coin.amount) for coin in left_behind.values()) - sum(int(coin.amount) for coin in stranded.values())
    amount = sum(issue.amount for issue in plan.issues if issue.eve_puzzle_hash not in stranded)
    coins = await desk.choose(Mojos(amount + job.fee), job_id=job.id)
    spends = await _spends(desk, registry, plan, coins, fee=job.fee, stranded=stranded)
    signed = await finish(desk, spends, [*coins, signer(address, registry.coin)], fee=job.fee)
    eves = {issue.token.asset_id: CoinId(bytes(_eve(issue, coins, stranded).name())) for issue in plan.issues}
    missing = set(eves.values()) - signed.checked.removals
    if missing:
        raise BuildError(f"the transaction as built does not spend the eve coin {missing.pop().hex()}")
    return Built(
        bundle=signed.bundle,
        spent_coin_id=CoinId(bytes(registry.coin.name())),
        eve_coin_ids=tuple(eves.get(issue.asset_id, issue.eve_coin_id) for issue in job.issues),
        note=f"{lost} mojos lie in first coins that the registry has moved past: they are lost" if lost else None,
    )


async def _spends(
    desk: Desk,
    registry: RegistryCoin,
    plan: IssuePlan,
    coins: Sequence[OwnCoin],
    *,
    fee: Mojos,
    stranded: Mapping[PuzzleHash, Coin] = NONE_STRANDED,
) -> list[CoinSpend]:
    """The registry's spend, the funding of new eve coins, and the eve coins' spends.

    The funding asserts the spend of each eve coin, which only the ledger's message for it allows: no other spend of
    the registry can take the funding along, and nobody's coin parked at an eve coin's puzzle hash can take its place.
    """
    conditions = [issue.condition for issue in plan.issues]
    signed = quoted_solution(conditions_for_issuer(conditions, registry.owners))
    eve_coins = [_eve(issue, coins, stranded) for issue in plan.issues]
    payments = [
        Payment(puzzle_hash=issue.eve_puzzle_hash, amount=issue.amount)
        for issue in plan.issues
        if issue.eve_puzzle_hash not in stranded
    ]
    paid_for = [assert_spent_together(CoinId(bytes(coin.name()))) for coin in eve_coins]
    funding = await pay(desk, coins, payments, fee=fee, extra=paid_for)
    eves = [
        issue.eve_spend(CoinId(bytes(coin.parent_coin_info)))
        for issue, coin in zip(plan.issues, eve_coins, strict=True)
    ]
    return [registry.spend_as_issuer(signed), *funding, *eves]


def _eve(issue: PlannedIssue, coins: Sequence[OwnCoin], stranded: Mapping[PuzzleHash, Coin]) -> Coin:
    """The eve coin of that issue: one that stands on chain, or the lead funding coin's."""
    return stranded.get(issue.eve_puzzle_hash) or issue.eve_coin(coins[0].coin_id)


async def _left_behind(desk: Desk, job: Job) -> dict[PuzzleHash, Coin]:
    """Eve coins of an earlier transaction of this job that were made and never spent, by puzzle hash."""
    known = [issue.eve_coin_id for issue in job.issues if issue.eve_coin_id is not None]
    found = await desk.node.coins(known) if known else {}
    return {PuzzleHash(bytes(each.coin.puzzle_hash)): each.coin for each in found.values() if each.spent_height is None}


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCoin:
    """How a token came into the world: the eve coin it was born in, and the coin that its receiver got of it."""

    eve_coin_id: CoinId
    coin_id: CoinId


async def issued_coins(desk: Lookout, state: RegistryState, issues: Sequence[Issue]) -> list[IssuedCoin]:
    """What came of the issues, in order: from our own eve coins where those were spent, one call for all.

    An eve coin that another hand made, which the registry's message reached instead, is looked for on chain.
    """
    own = await desk.node.coins([issue.eve_coin_id for issue in issues if issue.eve_coin_id is not None])
    found: list[IssuedCoin] = []
    for issue in issues:
        seen = state.issued[issue.asset_id]
        eve = own.get(issue.eve_coin_id) if issue.eve_coin_id is not None else None
        if eve is not None and eve.spent_height == seen.height and _is_eve(eve, seen):
            puzzle_hash = cat_puzzle_hash(issue.asset_id, issue.receiver)
            coin = Coin(bytes32(eve.coin_id), bytes32(puzzle_hash), eve.coin.amount)
            found.append(IssuedCoin(eve_coin_id=eve.coin_id, coin_id=CoinId(bytes(coin.name()))))
        else:
            found.append(await _issued_by_others(desk, seen))
    return found


def _is_eve(coin: ChainCoin, seen: IssuedBlock) -> bool:
    issuance = seen.issuance
    return bytes(coin.coin.puzzle_hash) == issuance.eve_puzzle_hash and int(coin.coin.amount) == issuance.amount


async def _issued_by_others(desk: Lookout, seen: IssuedBlock) -> IssuedCoin:
    """The receiver's coin, found by the registry's own word and the block it stands in.

    Strangers can park coins at the eve coin's puzzle hash, more than a node lists: only the spends of that block count.
    Raises NotOnChain if the block has just left the chain.
    """
    token, height = seen.issuance.token, seen.height
    block = await desk.node.block(height)
    if block is None:
        raise NotOnChain(f"the block {height} left the chain: look again")
    spend = find_eve(seen.issuance, await desk.node.block_spends(block.header_hash))
    if spend is None:
        raise NotOnChain(f"the eve coin of 0x{token.asset_id.hex()} is not in block {height}: look again")
    flags = desk.network.flags_at(height)
    read = read_token_spend(spend, asset_id=token.asset_id, issuance_hash=token.issuance_hash, flags=flags)
    received = read.children[0].coin if read.children else spend.coin
    return IssuedCoin(eve_coin_id=CoinId(bytes(spend.coin.name())), coin_id=CoinId(bytes(received.name())))


def is_taken(state: RegistryState, issues: Iterable[Issue]) -> UnitBlock | None:
    """The first block that was issued, wholly or in part, as another token than the journal's; else None."""
    for issue in issues:
        if issue.asset_id not in state.issued and not state.free.is_free(issue.block):
            return issue.block
    return None
