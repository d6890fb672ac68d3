"""Every operation on chain as a signed bundle of typical size, for the figures in `tests/costs.json` and the bench.

The setting is the one the figures are quoted for: standard inner puzzles, no fee, 300 bytes of metadata, a record of
about 60 bytes, a registry whose tree is young.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from chia.consensus.default_constants import DEFAULT_CONSTANTS
from chia.types.blockchain_format.program import Program
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    DEFAULT_HIDDEN_PUZZLE_HASH,
    calculate_synthetic_secret_key,
)
from chia_rs import (
    AugSchemeMPL,
    Coin,
    CoinSpend,
    G2Element,
    PrivateKey,
    SpendBundle,
    get_conditions_from_spendbundle,
)
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import CatSpend, cat_ring, lineage_proof, payment, run_tail
from puzzles.fields import write_fields
from puzzles.free_serials import FreeSerials
from puzzles.issuance import IssueRequest, PlannedIssue, plan_issues
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
from puzzles.standard import assert_spent_together, create_coin, quoted_solution, standard_puzzle
from puzzles.unit_block_tail import delta_of, detokenize_solution, retire_solution
from puzzles.units import CoinId, Mojos, PuzzleHash, UnitBlock

MAX_BLOCK_COST = 11_000_000_000
MAX_BUNDLE_COST = 5_500_000_000
HEIGHT = 10_000_000
"""Past every soft fork that is scheduled by height."""

METADATA = [
    ("registry", "Kingdom of Bhutan"),
    ("project_id", "CDM 2746"),
    ("project_name", "Dagachhu Hydropower"),
    ("country", "BT"),
    ("vintage", "2018"),
    ("unit_type", "Reduction - technical"),
    ("methodology", "CDM - ACM0002"),
    ("unit_id", "7d2d0ad8-5a83-4d5a-8e0e-aa55f8c09f10"),
    ("record_hash", "ab" * 32),
]
RECORD = {"beneficiary_name": "Druk Green Power Corp", "purpose": "voluntary"}


@dataclass(frozen=True, kw_only=True)
class Person:
    """A key and its standard puzzle."""

    secret: PrivateKey
    puzzle: Program

    @cached_property
    def puzzle_hash(self) -> PuzzleHash:
        """Puzzle hash of the standard puzzle."""
        return PuzzleHash(bytes(self.puzzle.get_tree_hash()))


def person(name: str) -> Person:
    """The same person for the same name, always."""
    secret = AugSchemeMPL.key_gen(name.encode().ljust(32, b"."))
    return Person(
        secret=calculate_synthetic_secret_key(secret, DEFAULT_HIDDEN_PUZZLE_HASH),
        puzzle=standard_puzzle(secret.get_g1()),
    )


@cache
def _people() -> dict[str, Person]:
    return {name: person(name) for name in ("issuer", "governor", "funder", "holder", "buyer")}


def sign(spends: Sequence[CoinSpend], *signers: Person) -> SpendBundle:
    """The spends, signed by whoever of the signers is asked to (AGG_SIG_ME, mainnet's constants)."""
    keys = {bytes(each.secret.get_g1()): each.secret for each in signers}
    unsigned = SpendBundle(list(spends), G2Element())
    conditions = get_conditions_from_spendbundle(unsigned, MAX_BLOCK_COST, DEFAULT_CONSTANTS, HEIGHT)
    signatures = []
    for spend in conditions.spends:
        for key, message in spend.agg_sig_me:
            data = bytes(message) + bytes(spend.coin_id) + DEFAULT_CONSTANTS.AGG_SIG_ME_ADDITIONAL_DATA
            signatures.append(AugSchemeMPL.sign(keys[bytes(key)], data))
    return SpendBundle(list(spends), AugSchemeMPL.aggregate(signatures))


def cost_of(bundle: SpendBundle) -> int:
    """Mempool cost of the bundle: bytes, CLVM and conditions; also checks that the bundle is valid by itself."""
    return int(get_conditions_from_spendbundle(bundle, MAX_BLOCK_COST, DEFAULT_CONSTANTS, HEIGHT).cost)


def owners() -> Owners:
    """A registry of two plain keys."""
    people = _people()
    return Owners(issuer_puzzle=people["issuer"].puzzle, governor_puzzle_hash=people["governor"].puzzle_hash)


def funding_coin(label: bytes = b"funding") -> Coin:
    """A coin of the funder with one XCH."""
    return Coin(bytes32(label.ljust(32, b".")), bytes32(_people()["funder"].puzzle_hash), uint64(10**12))


def registry_coin() -> RegistryCoin:
    """A registry that has moved once, so that its lineage is the usual one."""
    first = launch(CoinId(bytes(funding_coin(b"birth").name())), owners(), "Kingdom of Bhutan").first_coin
    return first.child(first.root, first.owners)


def launch_registry() -> SpendBundle:
    """A registry's launch."""
    funder, coin = _people()["funder"], funding_coin()
    planned = launch(CoinId(bytes(coin.name())), owners(), "Kingdom of Bhutan")
    conditions = [*planned.funding_conditions, create_coin(funder.puzzle_hash, Mojos(coin.amount - 1))]
    spend = CoinSpend(coin, funder.puzzle.to_serialized(), quoted_solution(conditions).to_serialized())
    return sign([spend, planned.spend], funder)


def issue(count: int) -> SpendBundle:
    """One bundle that issues so many blocks of one series in running order, 1,000 units each."""
    blocks = [UnitBlock(series="BT-CDM2746-2018", first=1000 * n + 1, last=1000 * n + 1000) for n in range(count)]
    return issue_blocks(blocks, registry=registry_coin(), free=FreeSerials())


def issue_blocks(blocks: Sequence[UnitBlock], *, registry: RegistryCoin, free: FreeSerials) -> SpendBundle:
    """One bundle that issues these blocks from a registry whose free serials are given, and are taken from."""
    people, coin = _people(), funding_coin()
    plan = plan_issues(registry, free, [_request(block) for block in blocks])
    funder, funding_id = people["funder"], CoinId(bytes(coin.name()))
    spent = sum(each.amount for each in plan.issues)
    funding = [
        *(create_coin(each.eve_puzzle_hash, each.amount) for each in plan.issues),
        create_coin(funder.puzzle_hash, Mojos(coin.amount - spent)),
        *(assert_spent_together(CoinId(bytes(each.eve_coin(funding_id).name()))) for each in plan.issues),
    ]
    conditions = conditions_for_issuer([each.condition for each in plan.issues], registry.owners)
    spends = [
        registry.spend_as_issuer(quoted_solution(conditions)),
        CoinSpend(coin, funder.puzzle.to_serialized(), quoted_solution(funding).to_serialized()),
        *(each.eve_spend(funding_id) for each in plan.issues),
    ]
    return sign(spends, funder, people["issuer"])


def _request(block: UnitBlock) -> IssueRequest:
    return IssueRequest(block=block, metadata=write_fields(METADATA), receiver=_people()["holder"].puzzle_hash)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A coin of 1,000 units in the holder's hands."""

    planned: PlannedIssue
    coin: Coin

    def spend(self, conditions: Sequence[Program], delta: int = 0) -> list[CoinSpend]:
        """The holder's spend of the coin with these conditions."""
        eve = self.planned.eve_coin(CoinId(bytes(funding_coin().name())))
        inner_hash = PuzzleHash(bytes(self.planned.eve_inner_puzzle.get_tree_hash()))
        return cat_ring(
            [
                CatSpend(
                    coin=self.coin,
                    asset_id=self.planned.token.asset_id,
                    inner_puzzle=_people()["holder"].puzzle,
                    inner_solution=quoted_solution(conditions),
                    lineage_proof=lineage_proof(eve, inner_hash),
                    delta=delta,
                )
            ]
        )


def held() -> Held:
    """The first block of `issue`, received."""
    request = _request(UnitBlock(series="BT-CDM2746-2018", first=1, last=1000))
    planned = plan_issues(registry_coin(), FreeSerials(), [request]).issues[0]
    return Held(planned=planned, coin=planned.issued_coin(CoinId(bytes(funding_coin().name()))))


def send() -> SpendBundle:
    """100 of 1,000 units to a buyer, with change."""
    people, own = _people(), held()
    conditions = [
        payment(people["buyer"].puzzle_hash, Mojos(100_000)),
        payment(people["holder"].puzzle_hash, Mojos(own.coin.amount - 100_000)),
    ]
    return sign(own.spend(conditions), people["holder"])


def retire(units: int = 60, *, is_sealed: bool = True) -> SpendBundle:
    """So many of 1,000 units retired, with change if any is left, and with the receipt spent in the same bundle."""
    people, own = _people(), held()
    record, delta = write_record(RECORD), delta_of(units)
    receipt = receipt_coin(CoinId(bytes(own.coin.name())), delta, record)
    conditions = [run_tail(own.planned.token.tail, retire_solution(units, record))]
    if own.coin.amount + delta:
        conditions.append(payment(people["holder"].puzzle_hash, Mojos(own.coin.amount + delta)))
    if is_sealed:
        conditions.append(assert_spent_together(CoinId(bytes(receipt.name()))))
    spends = own.spend(conditions, delta) + ([seal(receipt, delta, record)] if is_sealed else [])
    return sign(spends, people["holder"])


def detokenize(units: int = 60) -> SpendBundle:
    """So many of 1,000 units handed back, with change if any is left, by holder and issuer together."""
    people, own, registry = _people(), held(), registry_coin()
    delta = delta_of(units)
    solution = detokenize_solution(own.planned.token, registry.inner_puzzle_hash, units)
    holder_conditions = [run_tail(own.planned.token.tail, solution)]
    if own.coin.amount + delta:
        holder_conditions.append(payment(people["holder"].puzzle_hash, Mojos(own.coin.amount + delta)))
    issuer_conditions = [
        next_coin_condition(registry.owners.owners_hash),
        detokenize_condition(CoinId(bytes(own.coin.name())), delta),
    ]
    spends = [
        registry.spend_as_issuer(quoted_solution(issuer_conditions)),
        *own.spend(holder_conditions, delta),
    ]
    return sign(spends, people["holder"], people["issuer"])


def state() -> SpendBundle:
    """One statement of the registry."""
    registry = registry_coin()
    fields = write_fields([("kind", "authorization"), ("series", "BT-CDM2746-2018"), ("first", "1"), ("last", "1000")])
    conditions = [next_coin_condition(registry.owners.owners_hash), statement_condition(fields)]
    return sign([registry.spend_as_issuer(quoted_solution(conditions))], _people()["issuer"])


def rotate() -> SpendBundle:
    """A governor with one key names a new issuer."""
    people, registry = _people(), registry_coin()
    new = Owners(issuer_puzzle=people["buyer"].puzzle, governor_puzzle_hash=people["governor"].puzzle_hash)
    solution = quoted_solution([next_coin_condition(new.owners_hash)])
    spend = registry.spend_as_governor(people["governor"].puzzle, solution)
    return sign([spend], people["governor"])


OPERATIONS: dict[str, Callable[[], SpendBundle]] = {
    "launch_registry": launch_registry,
    "issue_one_block": lambda: issue(1),
    "issue_ten_blocks": lambda: issue(10),
    "send_with_change": send,
    "retire_with_change_sealed": retire,
    "retire_with_change_open": lambda: retire(is_sealed=False),
    "retire_whole_coin_sealed": lambda: retire(1000),
    "detokenize_with_change": detokenize,
    "detokenize_whole_coin": lambda: detokenize(1000),
    "statement": state,
    "rotate_one_key": rotate,
}
