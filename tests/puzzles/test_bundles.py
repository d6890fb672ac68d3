"""What one bundle may hold: several blocks, several coins of a block, a burn and a payment beside it."""

from __future__ import annotations

from dataclasses import replace

from puzzles.cat import CatSpend, cat_ring, payment
from puzzles.recognise import Retirement, read_token_spend
from puzzles.standard import assert_spent_together
from puzzles.units import Mojos
from tests.puzzles.stage import ALICE, Stage, block, bundle, id_of, quoted, retiring


def test_holder_retires_units_of_several_blocks_in_one_bundle() -> None:
    stage = Stage()
    held = stage.issue(block(1, 100), block(101, 200), block(1, 50, series="B-7"))
    parts = [retiring(each, units, seals=True) for each, units in zip(held, (10, 100, 7), strict=True)]
    spends = [spend for part in parts for spend in (*part.spends, part.seal)]
    stage.chain.push(bundle(spends, ALICE))
    for part in parts:
        assert not stage.chain.is_unspent(part.receipt)
        read = read_token_spend(
            part.spends[0], asset_id=part.held.token.asset_id, issuance_hash=part.held.token.issuance_hash
        )
        assert isinstance(read.burn, Retirement)
        assert read.burn.receipt == part.receipt


def test_holder_retires_from_several_coins_of_one_block_with_one_receipt() -> None:
    stage = Stage()
    (whole,) = stage.issue(block(1, 100))
    coins = stage.send(whole, (ALICE, 40_000), (ALICE, 60_000))
    lead = retiring(coins[0], 90, change=False)
    change = coins[0].coin.amount + coins[1].coin.amount + lead.delta
    assert change == 10_000
    others = coins[1].spend(quoted([assert_spent_together(id_of(coins[0].coin))]))
    ring = cat_ring([_with_change(lead.part, change), others])
    stage.chain.push(bundle([*ring, lead.seal], ALICE))
    assert not stage.chain.is_unspent(lead.receipt)


def _with_change(part: CatSpend, amount: int) -> CatSpend:
    """The coin that runs the TAIL makes all outputs of its ring."""
    conditions = list(part.inner_solution.at("rfr").as_iter())
    return replace(part, inner_solution=quoted([*conditions, payment(ALICE.puzzle_hash, Mojos(amount))]))
