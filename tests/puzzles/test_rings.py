"""Rings of token coins are built by our own hands, for speed: byte for byte what chia's own code builds."""

from __future__ import annotations

import pytest
from chia.types.blockchain_format.program import Program
from chia.wallet.cat_wallet.cat_utils import SpendableCAT, unsigned_spend_bundle_for_spendable_cats
from chia.wallet.lineage_proof import LineageProof
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from hypothesis import given
from hypothesis import strategies as st

from puzzles.cat import CAT_MOD, CatSpend, cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.errors import SpendRefused
from puzzles.units import AssetId, Mojos, PuzzleHash

ASSET_ID = AssetId(b"\xa5" * 32)
TAIL = Program.to((1, [b"a tail", b"of some", b"size"]))


def token_spend(number: int, amount: int, paid: list[int], delta: int, *, has_lineage: bool = True) -> CatSpend:
    """A coin of that amount whose inner puzzle is quoted: it pays these amounts, and runs the TAIL if it burns."""
    conditions = [payment(PuzzleHash(bytes([number]) * 32), Mojos(mojos)) for mojos in paid]
    conditions += [run_tail(TAIL, Program.to(0))] if delta else []
    inner = Program.to((1, conditions))
    puzzle_hash = bytes32(cat_puzzle_hash(ASSET_ID, inner.get_tree_hash()))
    proof = LineageProof(parent_name=bytes32(b"\x01" * 32), inner_puzzle_hash=bytes32(b"\x02" * 32), amount=uint64(7))
    return CatSpend(
        coin=Coin(bytes32(bytes([number + 100]) * 32), puzzle_hash, uint64(amount)),
        asset_id=ASSET_ID,
        inner_puzzle=inner,
        inner_solution=Program.to([b"any"]),
        lineage_proof=proof if has_lineage else None,
        delta=delta,
    )


def by_chia(ring: list[CatSpend]) -> list[object]:
    spendable = [
        SpendableCAT(
            coin=each.coin,
            limitations_program_hash=bytes32(each.asset_id),
            inner_puzzle=each.inner_puzzle,
            inner_solution=each.inner_solution,
            limitations_solution=Program.to(0),
            lineage_proof=each.lineage_proof or LineageProof(),
            extra_delta=each.delta,
        )
        for each in ring
    ]
    return list(unsigned_spend_bundle_for_spendable_cats(CAT_MOD, spendable).coin_spends)


AMOUNTS = st.lists(st.integers(min_value=0, max_value=2**40), min_size=1, max_size=5)


@given(amounts=AMOUNTS, burnt=st.integers(min_value=0, max_value=2**40), payer=st.integers(min_value=0))
def test_ring_is_byte_for_byte_what_chia_builds(amounts: list[int], burnt: int, payer: int) -> None:
    burnt = min(burnt, sum(amounts))
    lead = payer % len(amounts)
    ring = [
        token_spend(number, amount, [sum(amounts) - burnt] if number == lead else [], -burnt if number == lead else 0)
        for number, amount in enumerate(amounts)
    ]
    assert cat_ring(ring) == by_chia(ring)


def test_eve_coin_alone_is_what_chia_builds() -> None:
    ring = [token_spend(1, 5_000, [5_000], 0, has_lineage=False)]
    assert cat_ring(ring) == by_chia(ring)


@pytest.mark.parametrize("paid", [[4_999], [5_001], []])
def test_ring_that_does_not_add_up_is_refused(paid: list[int]) -> None:
    with pytest.raises(SpendRefused, match="do not add up"):
        cat_ring([token_spend(1, 5_000, paid, 0)])
