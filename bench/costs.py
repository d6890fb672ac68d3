"""Section `costs`: what each operation costs on chain, beside the Core Registry suite that users know today."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chia.types.blockchain_format.program import Program
from chia_rs import AugSchemeMPL, Coin, SpendBundle
from chia_rs.sized_bytes import bytes32
from rich.console import Console

from bench.operations import (
    METADATA,
    OPERATIONS,
    RECORD,
    Person,
    cost_of,
    funding_coin,
    person,
    registry_coin,
    sign,
)
from bench.report import Target, millions, table, thousands
from puzzles.fields import write_fields
from puzzles.owners import (
    governor_by_message_puzzle,
    governor_by_message_solution,
    order_puzzle,
    order_solution,
)
from puzzles.registry_ledger import Owners, RegistryCoin, next_coin_condition
from puzzles.retirement import write_record
from puzzles.singleton import lineage_of, singleton_puzzle_hash
from puzzles.units import CoinId, PuzzleHash
from tokenization_engine.custody import (
    CustodyCoin,
    child_condition,
    custody_spend,
    inner_puzzle_hash,
    launch_custody,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Mempool cost and bytes of a bundle."""

    cost: int
    size: int


CORE_REGISTRY: dict[str, Measured] = {
    "mint": Measured(cost=48_831_229, size=3_354),
    "send": Measured(cost=35_820_237, size=2_661),
    "retire": Measured(cost=71_785_162, size=5_478),
    "detokenise": Measured(cost=69_796_367, size=5_358),
}
"""World Bank / Chia Core Registry, climate-token-driver, measured on SpendSim: standard inner puzzles, hints, change,
no fee. Its mint has no ledger, no cap on serials and no metadata on chain; its detokenise burns whole coins only.
"""

COUNTERPARTS = {
    "issue_one_block": "mint",
    "issue_ten_blocks": "mint",
    "send_with_change": "send",
    "retire_with_change_sealed": "retire",
    "retire_with_change_open": "retire",
    "retire_whole_coin_sealed": "retire",
    "detokenize_with_change": "detokenise",
    "detokenize_whole_coin": "detokenise",
}

BLOCKS = {"issue_ten_blocks": 10}
"""Operations that do their work several times: figures are shown for one of them."""


def rotate_by_custody() -> SpendBundle:
    """A cold 2-of-3 names a new issuer: its order, signed before the registry coin that takes it was known."""
    roots = [AugSchemeMPL.key_gen(name.encode().ljust(32, b".")) for name in ("cold-1", "cold-2", "cold-3")]
    public_keys = tuple(bytes(root.get_g1()) for root in roots)
    launch = launch_custody(CoinId(bytes(funding_coin(b"cold").name())), 2, public_keys)
    custody = launch.custody
    inner = inner_puzzle_hash(custody)
    puzzle_hash = bytes32(singleton_puzzle_hash(custody.launcher_id, inner))
    first = Coin(launch.spend.coin.name(), puzzle_hash, launch.spend.coin.amount)
    coin = Coin(first.name(), puzzle_hash, first.amount)
    cold = CustodyCoin(coin=coin, lineage_proof=lineage_of(first, inner))
    governor = governor_by_message_puzzle(custody.launcher_id)
    registry = _governed(registry_coin(), governor)
    new = Owners(issuer_puzzle=person("next").puzzle, governor_puzzle_hash=registry.owners.governor_puzzle_hash)
    order = [next_coin_condition(new.owners_hash)]
    delegated = order_puzzle(registry.registry, order, [child_condition(custody)])
    solution = order_solution(registry.inner_puzzle_hash)
    spends = [
        registry.spend_as_governor(governor, governor_by_message_solution(inner, order)),
        custody_spend(custody, cold, frozenset(public_keys[:2]), delegated, solution),
    ]
    return sign(spends, *_cold_people())


def _cold_people() -> tuple[Person, Person]:
    return person("cold-1"), person("cold-2")


def _governed(registry: RegistryCoin, governor: Program) -> RegistryCoin:
    """The registry's next coin, under that governor."""
    owners = Owners(
        issuer_puzzle=registry.owners.issuer_puzzle,
        governor_puzzle_hash=PuzzleHash(bytes(governor.get_tree_hash())),
    )
    return registry.child(registry.root, owners)


def _operations() -> dict[str, Callable[[], SpendBundle]]:
    return OPERATIONS | {"rotate_cold_2_of_3": rotate_by_custody}


def run(console: Console, _is_quick: bool) -> list[Target]:
    """Cost and bytes of every operation, and of its counterpart in the Core Registry."""
    metadata, record = len(bytes(write_fields(METADATA))), len(bytes(write_record(RECORD)))
    drawn = table(
        "On-chain cost of each operation (mempool cost: bytes, CLVM and conditions)",
        "operation",
        "spends",
        "bytes",
        "cost",
        "Core Registry",
        "its bytes",
        "its cost",
        "cost ratio",
        caption=f"Standard inner puzzles, no fee, metadata {metadata} bytes, record {record} bytes. Core Registry: "
        "World Bank / Chia Core Registry, climate-token-driver, measured on SpendSim, quoted; its mint has neither "
        "ledger nor cap nor metadata. Ten blocks: cost and bytes of one of the ten.",
    )
    found: dict[str, float] = {}
    for name, build in _operations().items():
        bundle, parts = build(), BLOCKS.get(name, 1)
        found[name] = cost_of(bundle) / parts
        size = len(bytes(bundle)) / parts
        row = [name, str(len(bundle.coin_spends)), thousands(size), millions(found[name])]
        other = COUNTERPARTS.get(name)
        if other is None:
            row += ["-", "-", "-", "-"]
        else:
            theirs = CORE_REGISTRY[other]
            row += [other, thousands(theirs.size), millions(theirs.cost), f"{found[name] / theirs.cost:.2f}"]
        drawn.add_row(*row)
    console.print(drawn)
    return [
        Target(
            what="retire with change and a 60-byte record, sealed",
            found=found["retire_with_change_sealed"] / 1e6,
            limit=43.0,
            unit="M cost",
        ),
        Target(
            what="issue ten blocks with 300 bytes of metadata, one block",
            found=found["issue_ten_blocks"] / 1e6,
            limit=57.0,
            unit="M cost",
        ),
    ]
