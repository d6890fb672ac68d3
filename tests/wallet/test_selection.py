"""Which coins pay: enough of them, few of them, quickly, and none that is not there."""

from __future__ import annotations

from hashlib import sha256

import pytest
from chia_rs import Coin
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64
from hypothesis import given, settings
from hypothesis import strategies as st

from climate_wallet.errors import NotEnoughFunds, NotEnoughUnits
from climate_wallet.selection import choose_token, choose_xch
from climate_wallet.spends import OwnCoin, total
from puzzles.units import Height, Mojos
from tests.wallet.world import Person

ALICE = Person("alice")


def coins(*amounts: int) -> list[OwnCoin]:
    return [
        OwnCoin(
            coin=Coin(bytes32(sha256(f"{index}".encode()).digest()), bytes32(ALICE.puzzle_hash), uint64(amount)),
            address=ALICE.address,
            created_height=Height(1),
        )
        for index, amount in enumerate(amounts)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(min_value=1, max_value=10**9), min_size=1, max_size=60),
    st.integers(min_value=1, max_value=10**10),
)
async def test_chosen_coins_suffice_and_are_ours_or_the_lack_is_said(amounts: list[int], wanted: int) -> None:
    held = coins(*amounts)
    if sum(amounts) < wanted:
        with pytest.raises(NotEnoughUnits):
            await choose_token(held, Mojos(wanted))
        return
    chosen = await choose_token(held, Mojos(wanted))
    assert total(chosen) >= wanted
    assert len({coin.coin_id for coin in chosen}) == len(chosen)
    assert {coin.coin_id for coin in chosen} <= {coin.coin_id for coin in held}
    assert [coin.amount for coin in chosen] == sorted((coin.amount for coin in chosen), reverse=True)


async def test_flood_of_small_coins_is_not_spent_where_a_large_one_will_do() -> None:
    chosen = await choose_xch(coins(*[1000] * 3000, 10**12), Mojos(10**11))
    assert [coin.amount for coin in chosen] == [10**12]


async def test_same_coins_are_chosen_each_time() -> None:
    held = coins(*range(1, 200))
    first = await choose_xch(held, Mojos(3000))
    assert await choose_xch(list(reversed(held)), Mojos(3000)) == first


async def test_amount_spread_over_too_many_coins_is_said_so() -> None:
    with pytest.raises(NotEnoughFunds, match="too many small coins"):
        await choose_xch(coins(*[1] * 600), Mojos(550))
