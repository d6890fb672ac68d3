"""A history for the explorer to read: a registry's life on a local chain, from a seed, of as many events as asked for.

Holders are many, and each token's coins are split and burnt by turns, as on a market. Every spend is signed and goes
through the mempool, so the chain is one that a node would hold.
"""

from __future__ import annotations

import asyncio
import random
from atexit import register
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from chia.types.blockchain_format.program import Program
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia.wallet.lineage_proof import LineageProof
from chia_rs import AugSchemeMPL, Coin, CoinSpend, G2Element, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from bench.operations import METADATA, Person, person
from chain.network import SIMULATOR0
from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, lineage_proof, payment, run_tail
from puzzles.fields import write_fields
from puzzles.free_serials import FreeSerials
from puzzles.issuance import IssueRequest, plan_issues
from puzzles.registry_ledger import (
    Owners,
    RegistryCoin,
    conditions_for_issuer,
    launch,
    next_coin_condition,
    statement_condition,
)
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.standard import assert_spent_together, create_coin, quoted_solution
from puzzles.unit_block_tail import Token, delta_of, retire_solution
from puzzles.units import MOJOS_PER_UNIT, CoinId, LauncherId, Mojos, PuzzleHash, UnitBlock, units_to_mojos
from sim.local_chain import LocalChain

SERIES = "BT-CDM2746-2018"
BLOCKS_A_BUNDLE = 10
UNITS_A_BLOCK = 1_000
HOLDERS = 50
SPENDS_A_BUNDLE = 10
SEED = 2746

Signed = tuple[list[CoinSpend], list[G2Element]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """How many events of each kind a history holds."""

    issuances: int
    transfers: int
    retirements: int
    statements: int

    @property
    def total(self) -> int:
        """All events."""
        return self.issuances + self.transfers + self.retirements + self.statements

    def __str__(self) -> str:
        """In words."""
        return (
            f"{self.issuances:,} issuances, {self.transfers:,} transfers, {self.retirements:,} retirements, "
            f"{self.statements:,} statements"
        )


def usual_mix(events: int) -> Mix:
    """A tenth of the events issue, a hundredth are statements, the rest is halved into transfers and retirements."""
    issuances, statements = events // 10, events // 100
    transfers = (events - issuances - statements) // 2
    retirements = events - issuances - statements - transfers
    return Mix(issuances=issuances, transfers=transfers, retirements=retirements, statements=statements)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was built: the registry to follow, its events, the blocks they lie in, and every bundle pushed."""

    registry: LauncherId
    mix: Mix
    blocks: int
    bundles: tuple[SpendBundle, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A token coin in somebody's hands."""

    coin: Coin
    token: Token
    holder: Person
    lineage: LineageProof

    def child(self, holder: Person, amount: int) -> _Held:
        puzzle_hash = bytes32(cat_puzzle_hash(self.token.asset_id, holder.puzzle_hash))
        return _Held(
            coin=Coin(self.coin.name(), puzzle_hash, uint64(amount)),
            token=self.token,
            holder=holder,
            lineage=lineage_proof(self.coin, self.holder.puzzle_hash),
        )

    def spend(self, conditions: Sequence[Program], delta: int = 0) -> Signed:
        ring = cat_ring(
            [
                CatSpend(
                    coin=self.coin,
                    asset_id=self.token.asset_id,
                    inner_puzzle=self.holder.puzzle,
                    inner_solution=quoted_solution(conditions),
                    lineage_proof=self.lineage,
                    delta=delta,
                )
            ]
        )
        return ring, [signature(self.holder, self.coin, conditions)]


def signature(signer: Person, coin: Coin, conditions: Sequence[Program]) -> G2Element:
    """What a standard puzzle asks its key to sign for these conditions: told from them, without a run."""
    delegated = Program.to((1, list(conditions))).get_tree_hash()
    return AugSchemeMPL.sign(signer.secret, delegated + coin.name() + SIMULATOR0.agg_sig_me_data)


async def build_history(chain: LocalChain, mix: Mix) -> History:
    """The events of the mix on this chain: issued ten blocks at a time, one spend of the registry in each block."""
    return await _Builder(chain=chain, mix=mix).build()


async def hand_out(chain: LocalChain, payments: Sequence[tuple[PuzzleHash, Mojos]]) -> tuple[LauncherId, Token]:
    """One block of a new registry on this chain, all of it paid out in coins of these amounts."""
    return await _Builder(chain=chain, mix=usual_mix(0)).hand_out(payments)


@dataclass(kw_only=True)
class _Builder:
    """The chain as it grows."""

    chain: LocalChain
    mix: Mix
    random: random.Random = field(default_factory=lambda: random.Random(SEED))
    issuer: Person = field(default_factory=lambda: person("issuer"))
    holders: list[Person] = field(default_factory=lambda: [person(f"holder-{n}") for n in range(HOLDERS)])
    hashes: dict[int, PuzzleHash] = field(default_factory=dict)
    live: list[_Held] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    bundles: list[SpendBundle] = field(default_factory=list)
    free: FreeSerials = field(default_factory=FreeSerials)

    async def build(self) -> History:
        bundles_of_issues = self.mix.issuances // BLOCKS_A_BUNDLE
        each = BLOCKS_A_BUNDLE * UNITS_A_BLOCK * MOJOS_PER_UNIT
        registry, funding = await self._launch([Mojos(each + number) for number in range(bundles_of_issues)])
        started = self.chain.height
        turns = [True] * bundles_of_issues + [False] * self.mix.statements
        self.random.shuffle(turns)
        wanted = self.mix.transfers + self.mix.retirements
        a_block = -(-wanted // (2 * len(turns)))
        for is_issue in turns:
            made = await self._trade(a_block)
            if is_issue:
                registry, issued = await self._issue_ten(registry, funding.pop())
                made += issued
            else:
                registry = await self._state(registry)
            await self.chain.farm()
            self.live += made
        while self.done["send"] + self.done["retire"] < wanted:
            made = await self._trade(a_block)
            await self.chain.farm()
            self.live += made
        mix = Mix(
            issuances=self.done["issue"],
            transfers=self.done["send"],
            retirements=self.done["retire"],
            statements=self.done["state"],
        )
        blocks = self.chain.height - started
        return History(registry=registry.registry, mix=mix, blocks=blocks, bundles=tuple(self.bundles))

    async def _push(self, spends: list[CoinSpend], signatures: list[G2Element]) -> None:
        bundle = SpendBundle(spends, AugSchemeMPL.aggregate(signatures))
        status, error = await self.chain.push(bundle)
        assert status is MempoolInclusionStatus.SUCCESS, error
        self.bundles.append(bundle)

    async def _launch(self, amounts: Sequence[Mojos]) -> tuple[RegistryCoin, list[Coin]]:
        """A registry, and a coin of each of these amounts to pay for an issue."""
        owners = Owners(issuer_puzzle=self.issuer.puzzle, governor_puzzle_hash=person("governor").puzzle_hash)
        fund = await self.chain.faucet(self.issuer.puzzle_hash, Mojos(sum(amounts) + 1))
        planned = launch(CoinId(bytes(fund.name())), owners, "Kingdom of Bhutan")
        conditions = [*planned.funding_conditions, *(create_coin(self.issuer.puzzle_hash, each) for each in amounts)]
        spend = CoinSpend(fund, self.issuer.puzzle.to_serialized(), quoted_solution(conditions).to_serialized())
        await self._push([spend, planned.spend], [signature(self.issuer, fund, conditions)])
        await self.chain.farm()
        puzzle_hash = bytes32(self.issuer.puzzle_hash)
        return planned.first_coin, [Coin(fund.name(), puzzle_hash, uint64(amount)) for amount in amounts]

    async def _issue_ten(self, registry: RegistryCoin, funding: Coin) -> tuple[RegistryCoin, list[_Held]]:
        """Ten blocks in running order, each to another holder."""
        first = self.done["issue"] * UNITS_A_BLOCK + 1
        blocks = [
            UnitBlock(series=SERIES, first=at, last=at + UNITS_A_BLOCK - 1)
            for at in range(first, first + BLOCKS_A_BUNDLE * UNITS_A_BLOCK, UNITS_A_BLOCK)
        ]
        receivers = self.random.sample(self.holders, BLOCKS_A_BUNDLE)
        self.done["issue"] += BLOCKS_A_BUNDLE
        return await self._issue(registry, funding, dict(zip(blocks, receivers, strict=True)))

    async def _issue(
        self, registry: RegistryCoin, funding: Coin, blocks: Mapping[UnitBlock, Person]
    ) -> tuple[RegistryCoin, list[_Held]]:
        """These blocks in one bundle, each to its receiver."""
        metadata = write_fields(METADATA)
        requests = [
            IssueRequest(block=block, metadata=metadata, receiver=receiver.puzzle_hash)
            for block, receiver in blocks.items()
        ]
        plan = plan_issues(registry, self.free, requests)
        payments = [create_coin(each.eve_puzzle_hash, each.amount) for each in plan.issues]
        payments.append(assert_spent_together(CoinId(bytes(registry.coin.name()))))
        conditions = conditions_for_issuer([each.condition for each in plan.issues], registry.owners)
        funding_id = CoinId(bytes(funding.name()))
        spends = [
            registry.spend_as_issuer(quoted_solution(conditions)),
            CoinSpend(funding, self.issuer.puzzle.to_serialized(), quoted_solution(payments).to_serialized()),
            *(each.eve_spend(funding_id) for each in plan.issues),
        ]
        signers = [(registry.coin, conditions), (funding, payments)]
        await self._push(spends, [signature(self.issuer, coin, signed) for coin, signed in signers])
        held = [
            _Held(
                coin=each.issued_coin(funding_id),
                token=each.token,
                holder=receiver,
                lineage=lineage_proof(
                    each.eve_coin(funding_id), PuzzleHash(bytes(each.eve_inner_puzzle.get_tree_hash()))
                ),
            )
            for each, receiver in zip(plan.issues, blocks.values(), strict=True)
        ]
        return registry.child(plan.root, registry.owners), held

    async def hand_out(self, payments: Sequence[tuple[PuzzleHash, Mojos]]) -> tuple[LauncherId, Token]:
        """One block of a new registry, issued to a holder who pays all of it out in one spend."""
        amount = Mojos(sum(paid for _, paid in payments))
        registry, (funding,) = await self._launch([amount])
        block = UnitBlock(series=SERIES, first=1, last=amount // MOJOS_PER_UNIT)
        _, (held,) = await self._issue(registry, funding, {block: self.holders[0]})
        await self.chain.farm()
        await self._push(*held.spend([payment(puzzle_hash, paid) for puzzle_hash, paid in payments]))
        await self.chain.farm()
        return registry.registry, held.token

    async def _state(self, registry: RegistryCoin) -> RegistryCoin:
        """One statement, in a spend of the registry of its own."""
        fields = write_fields([("kind", "authorization"), ("series", SERIES), ("last", str(self.done["state"] + 1))])
        conditions = [next_coin_condition(registry.owners.owners_hash), statement_condition(fields)]
        spend = registry.spend_as_issuer(quoted_solution(conditions))
        await self._push([spend], [signature(self.issuer, registry.coin, conditions)])
        self.done["state"] += 1
        return registry.child(registry.root, registry.owners)

    async def _trade(self, count: int) -> list[_Held]:
        """So many transfers and retirements of coins that are on the chain; the coins they make."""
        open_events = self.mix.transfers + self.mix.retirements - self.done["send"] - self.done["retire"]
        count = min(count, open_events, len(self.live))
        self.random.shuffle(self.live)
        chosen = [self.live.pop() for _ in range(count)]
        made: list[_Held] = []
        for start in range(0, count, SPENDS_A_BUNDLE):
            spends: list[CoinSpend] = []
            signatures: list[G2Element] = []
            for held in chosen[start : start + SPENDS_A_BUNDLE]:
                (part, signed), children = self._send(held) if self._is_send(held) else self._retire(held)
                spends += part
                signatures += signed
                made += children
            await self._push(spends, signatures)
        return made

    def _is_send(self, held: _Held) -> bool:
        sends = self.mix.transfers - self.done["send"]
        retirements = self.mix.retirements - self.done["retire"]
        is_splittable = held.coin.amount > MOJOS_PER_UNIT
        return retirements == 0 or (is_splittable and self.random.random() * (sends + retirements) < sends)

    def _units(self, held: _Held) -> int:
        """A part of the coin: at least a unit, at most a third of it."""
        return self.random.randint(1, max(1, held.coin.amount // MOJOS_PER_UNIT // 3))

    def _send(self, held: _Held) -> tuple[Signed, list[_Held]]:
        receiver = self.random.choice([each for each in self.holders if each is not held.holder])
        amount = units_to_mojos(self._units(held))
        rest = held.coin.amount - amount
        children = [held.child(receiver, amount)] + ([held.child(held.holder, rest)] if rest else [])
        self.done["send"] += 1
        pays = [payment(child.holder.puzzle_hash, Mojos(int(child.coin.amount))) for child in children]
        return held.spend(pays), children

    def _retire(self, held: _Held) -> tuple[Signed, list[_Held]]:
        units = self._units(held)
        delta = delta_of(units)
        record = write_record({"beneficiary_name": f"Buyer {self.done['retire'] % 97}", "purpose": "voluntary"})
        receipt = receipt_coin(CoinId(bytes(held.coin.name())), delta, record)
        rest = held.coin.amount + delta
        children = [held.child(held.holder, rest)] if rest else []
        conditions = [
            run_tail(held.token.tail, retire_solution(units, record)),
            *(payment(child.holder.puzzle_hash, Mojos(int(child.coin.amount))) for child in children),
            assert_spent_together(CoinId(bytes(receipt.name()))),
        ]
        self.done["retire"] += 1
        spends, signed = held.spend(conditions, delta)
        return ([*spends, seal(receipt, delta, record)], signed), children


@cache
def built(events: int) -> tuple[History, Path]:
    """A history of so many events and the directory of its chain's state; built once a run, gone at its end."""
    state = Path(mkdtemp(prefix="bench-chain-"))
    register(rmtree, state, ignore_errors=True)

    async def build() -> History:
        async with LocalChain.open(state) as chain:
            return await build_history(chain, usual_mix(events))

    return asyncio.run(build()), state
