"""A small world for the explorer: registries that issue, holders who send, retire and hand back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chia.types.blockchain_format.program import Program
from chia.types.mempool_inclusion_status import MempoolInclusionStatus
from chia_rs import Coin, CoinSpend, G2Element, SpendBundle

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, lineage_proof, payment, run_tail
from puzzles.fields import PrivateField, write_fields
from puzzles.free_serials import FreeSerials
from puzzles.issuance import IssueRequest, plan_issues
from puzzles.owners import detokenize_condition
from puzzles.registry_ledger import (
    Owners,
    RegistryCoin,
    conditions_for_issuer,
    launch,
    next_coin_condition,
    statement_condition,
)
from puzzles.retirement import receipt_coin, seal, write_record
from puzzles.standard import quoted_solution
from puzzles.unit_block_tail import Token, delta_of, detokenize_solution, retire_solution
from puzzles.units import CoinId, LauncherId, Mojos, PuzzleHash, UnitBlock, units_to_mojos
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, REGISTRY, Person

SERIES = "BT-CDM2746-2021"
METADATA = {"project_name": "A hydropower project", "vintage_year": "2021"}
GOVERNOR = Person("governor")


def unit_block(first: int, last: int, series: str = SERIES) -> UnitBlock:
    return UnitBlock(series=series, first=first, last=last)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A token coin somebody can spend, and what its lineage proof needs."""

    coin: Coin
    token: Token
    holder: Person
    parent: Coin
    parent_inner: PuzzleHash

    @property
    def coin_id(self) -> CoinId:
        return CoinId(bytes(self.coin.name()))

    def spend(self, conditions: Sequence[Program], delta: int = 0) -> CatSpend:
        return CatSpend(
            coin=self.coin,
            asset_id=self.token.asset_id,
            inner_puzzle=self.holder.puzzle,
            inner_solution=quoted_solution(conditions),
            lineage_proof=lineage_proof(self.parent, self.parent_inner),
            delta=delta,
        )

    def child(self, holder: Person, units: int) -> Held:
        puzzle_hash = cat_puzzle_hash(self.token.asset_id, holder.puzzle_hash)
        coin = Coin(self.coin.name(), puzzle_hash, units_to_mojos(units))  # type: ignore[arg-type]
        return Held(
            coin=coin,
            token=self.token,
            holder=holder,
            parent=self.coin,
            parent_inner=self.holder.puzzle_hash,
        )


def sign(spends: Sequence[CoinSpend], *people: Person) -> SpendBundle:
    signatures = [person.signed(spends).aggregated_signature for person in people]
    return SpendBundle.aggregate([SpendBundle([*spends], G2Element()), *(SpendBundle([], s) for s in signatures)])


@dataclass
class Registry:
    """A registry on the chain and the tree its officer keeps."""

    world: World
    coin: RegistryCoin
    officer: Person
    free: FreeSerials = field(default_factory=FreeSerials)

    @property
    def registry_id(self) -> LauncherId:
        return self.coin.registry

    async def issue(
        self,
        *blocks: UnitBlock,
        receiver: Person = ALICE,
        metadata: Program | None = None,
        statements: Sequence[Program] = (),
    ) -> list[Held]:
        """Issue blocks in one bundle and one block of the chain."""
        tree = metadata if metadata is not None else write_fields(METADATA.items())
        requests = [IssueRequest(block=block, metadata=tree, receiver=receiver.puzzle_hash) for block in blocks]
        plan = plan_issues(self.coin, self.free, requests)
        funding = await self.world.fund(self.officer, sum(issue.amount for issue in plan.issues) or 1)
        funding_id = CoinId(bytes(funding.name()))
        others = [statement_condition(tree) for tree in statements]
        conditions = conditions_for_issuer([issue.condition for issue in plan.issues], self.coin.owners, others)
        pays = [Program.to([51, issue.eve_puzzle_hash, issue.amount]) for issue in plan.issues]
        spends = [
            self.coin.spend_as_issuer(quoted_solution(conditions)),
            self.officer.spend(funding, pays),
            *(issue.eve_spend(funding_id) for issue in plan.issues),
        ]
        await self.world.include(sign(spends, self.officer))
        self.coin = self.coin.child(plan.root, self.coin.owners)
        return [
            Held(
                coin=issue.issued_coin(funding_id),
                token=issue.token,
                holder=receiver,
                parent=issue.eve_coin(funding_id),
                parent_inner=PuzzleHash(bytes(issue.eve_inner_puzzle.get_tree_hash())),
            )
            for issue in plan.issues
        ]

    async def say(self, *statements: Program) -> None:
        """Make statements in a spend that issues nothing."""
        await self.issue(statements=statements)

    async def take_back(self, held: Held, units: int) -> Held | None:
        """Detokenize units of a coin; the rest of it, if any."""
        delta = delta_of(units)
        order = [next_coin_condition(self.coin.owners.owners_hash), detokenize_condition(held.coin_id, delta)]
        registry_spend = self.coin.spend_as_issuer(quoted_solution(order))
        tail = run_tail(held.token.tail, detokenize_solution(held.token, self.coin.inner_puzzle_hash, units))
        rest = int(held.coin.amount) // 1000 - units
        change = [payment(held.holder.puzzle_hash, units_to_mojos(rest))] if rest else []
        spends = [registry_spend, *cat_ring([held.spend([tail, *change], delta)])]
        await self.world.include(sign(spends, self.officer, held.holder))
        self.coin = self.coin.child(self.coin.root, self.coin.owners)
        return held.child(held.holder, rest) if rest else None


@dataclass
class World:
    """The chain, and what people do on it; every deed is in a block of its own unless told otherwise."""

    chain: LocalChain

    async def fund(self, person: Person, amount: int) -> Coin:
        return await self.chain.faucet(person.puzzle_hash, Mojos(amount))

    async def include(self, bundle: SpendBundle, *, farm: bool = True) -> None:
        status, error = await self.chain.push(bundle)
        assert status == MempoolInclusionStatus.SUCCESS, error
        if farm:
            await self.chain.farm()

    async def launch(self, name: str = "Kingdom of Bhutan", officer: Person = REGISTRY) -> Registry:
        owners = Owners(issuer_puzzle=officer.puzzle, governor_puzzle_hash=GOVERNOR.puzzle_hash)
        funding = await self.fund(officer, 1)
        made = launch(CoinId(bytes(funding.name())), owners, name)
        spends = [officer.spend(funding, made.funding_conditions), made.spend]
        await self.include(sign(spends, officer))
        return Registry(world=self, coin=made.first_coin, officer=officer)

    async def send(self, held: Held, *payments: tuple[Person, int], farm: bool = True) -> list[Held]:
        """Pay units to people; the sum must be the coin's."""
        conditions = [payment(person.puzzle_hash, units_to_mojos(units)) for person, units in payments]
        await self.include(sign(cat_ring([held.spend(conditions)]), held.holder), farm=farm)
        return [held.child(person, units) for person, units in payments]

    async def retire(
        self,
        held: Held,
        units: int,
        record: Mapping[str, str] | Program | None = None,
        committed: tuple[PrivateField, ...] = (),
        *,
        is_sealed: bool = True,
        farm: bool = True,
    ) -> tuple[Coin, Held | None]:
        """The receipt, and the rest of the coin if any."""
        tree = record if isinstance(record, Program) else write_record(dict(record or {}), committed)
        delta = delta_of(units)
        receipt = receipt_coin(held.coin_id, delta, tree)
        rest = int(held.coin.amount) // 1000 - units
        change = [payment(held.holder.puzzle_hash, units_to_mojos(rest))] if rest else []
        tail = run_tail(held.token.tail, retire_solution(units, tree))
        spends = cat_ring([held.spend([tail, *change], delta)])
        if is_sealed:
            spends.append(seal(receipt, delta, tree))
        await self.include(sign(spends, held.holder), farm=farm)
        return receipt, held.child(held.holder, rest) if rest else None

    async def seal(self, receipt: Coin, units: int, record: Program) -> None:
        await self.include(SpendBundle([seal(receipt, delta_of(units), record)], G2Element()))


async def play(world: World) -> Registry:
    """A history with everything in it: blocks, sends, retirements open and sealed, a detokenization, statements."""
    registry = await world.launch()
    first, second = await registry.issue(unit_block(1, 100), unit_block(101, 200))
    (third,) = await registry.issue(
        unit_block(1, 50, "BT-CDM2746-2022"),
        receiver=BOB,
        statements=[write_fields([("kind", "authorization"), ("unit_count", "50")])],
    )
    mine, yours = await world.send(first, (ALICE, 60), (BOB, 40))
    _, rest = await world.retire(mine, 10, {"beneficiary_name": "Druk Green", "purpose": "voluntary"})
    assert rest is not None
    record = write_record({"beneficiary_name": "Tshering"})
    receipt, _ = await world.retire(yours, 15, record, is_sealed=False)
    left = await registry.take_back(rest, 20)
    assert left is not None
    await world.chain.farm(2)
    await world.seal(receipt, 15, record)
    hidden = PrivateField(key="beneficiary_name", value="Somebody", salt=b"s" * 32)
    await world.retire(left, 30, {"purpose": "NDC"}, (hidden,))
    await world.retire(third, 50)
    await world.send(second, (BOB, 100))
    await registry.say(write_fields([("kind", "first_transfer")]))
    return registry
