"""Bundles taken apart on their way, joined by others, or turned to somebody else (P6).

An observer of the mempool has all spends of a bundle and its one signature, of which she may use no part; but she can
take spends without a signature out, put hers in, and leave to the chain what then still holds. Each attack stands
beside the honest bundle, which the chain takes, or beside what would get through if the wallet left one word out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, SpendBundle

from puzzles.cat import cat_ring, payment
from puzzles.issuance import PlannedIssue, eve_inner_puzzle
from puzzles.standard import assert_spent_together, create_coin, reserve_fee
from puzzles.units import Mojos
from tests.puzzles.stage import (
    ALICE,
    ANYONE,
    BOB,
    CASHIER,
    ISSUER,
    MALLORY,
    Issuing,
    Stage,
    block,
    bundle,
    coin_spend,
    id_of,
    quoted,
    retiring,
    sign,
)

# ---- an issuance


def parked(stage: Stage, issue: PlannedIssue) -> tuple[list[CoinSpend], CoinSpend]:
    """A coin of the observer's own at the eve coin's puzzle hash, and its spend: the same inner puzzle, no key."""
    funding = stage.fund(issue.amount)
    made = create_coin(issue.eve_puzzle_hash, issue.amount)
    return [coin_spend(funding, ANYONE, Program.to([made]))], issue.eve_spend(id_of(funding))


def turned(stage: Stage, issuing: Issuing) -> CoinSpend:
    """An eve coin's spend that pays Mallory instead."""
    issue = issuing.issues[0]
    inner = eve_inner_puzzle(issue.token, MALLORY.puzzle_hash, issue.amount, stage.registry.inner_puzzle_hash)
    return replace(issue, eve_inner_puzzle=inner).eve_spend(id_of(issuing.funding))


def funding_alone(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    return [issuing.payer]


def funding_and_eves(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    return [issuing.payer, *issuing.eves]


def registry_alone(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    return [issuing.registry]


def registry_and_funding(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    return [issuing.registry, issuing.payer]


def one_eve_left_out(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    return [issuing.registry, issuing.payer, *issuing.eves[1:]]


def eve_turned_to_mallory(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    return [issuing.registry, issuing.payer, turned(stage, issuing), *issuing.eves[1:]]


def parked_coin_for_an_eve(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    """The observer's parked coin takes the message, and the paid one would be left behind for good."""
    paid, spend = parked(stage, issuing.issues[0])
    return [issuing.registry, issuing.payer, *paid, spend, *issuing.eves[1:]]


def parked_coin_beside_an_eve(stage: Stage, issuing: Issuing) -> list[CoinSpend]:
    paid, spend = parked(stage, issuing.issues[0])
    return [issuing.registry, issuing.payer, *paid, spend, *issuing.eves]


@pytest.mark.parametrize(
    "apart",
    [
        funding_alone,
        funding_and_eves,
        registry_alone,
        registry_and_funding,
        one_eve_left_out,
        eve_turned_to_mallory,
        parked_coin_for_an_eve,
        parked_coin_beside_an_eve,
    ],
)
def test_nobody_takes_an_issuance_apart(apart: Callable[[Stage, Issuing], list[CoinSpend]]) -> None:
    stage = Stage()
    issuing = stage.issuing(block(1, 100), block(101, 300))
    assert stage.chain.why_not(bundle(apart(stage, issuing), ISSUER, CASHIER))
    assert stage.chain.takes(bundle(issuing.spends, ISSUER, CASHIER))


def test_paying_coin_that_names_no_eve_coin_loses_its_mojos_to_a_parked_one() -> None:
    """Why `paying` asserts each eve coin's spend: without that word the same attack gets through."""
    stage = Stage()
    issuing = stage.issuing(block(1, 100))
    paid = [
        assert_spent_together(id_of(stage.registry.coin)),
        *(create_coin(each.eve_puzzle_hash, each.amount) for each in issuing.issues),
    ]
    careless = replace(issuing, payer=coin_spend(issuing.funding, CASHIER.puzzle, quoted(paid)))
    assert stage.chain.takes(bundle(parked_coin_for_an_eve(stage, careless), ISSUER, CASHIER))
    left_behind = issuing.issues[0].eve_coin(id_of(issuing.funding))
    assert stage.chain.is_unspent(left_behind)


def test_observer_who_pays_for_an_issuance_herself_pays_its_receiver() -> None:
    """The registry's spend with coins of the observer's: the eve coin's inner puzzle is fixed, so Alice gets hers."""
    stage = Stage()
    issuing = stage.issuing(block(1, 100))
    paid, spend = parked(stage, issuing.issues[0])
    assert stage.chain.takes(bundle([issuing.registry, *paid, spend], ISSUER))
    funding = Coin(paid[0].coin.parent_coin_info, paid[0].coin.puzzle_hash, paid[0].coin.amount)
    assert stage.chain.is_unspent(issuing.issues[0].issued_coin(id_of(funding)))


# ---- a fee, a retirement, a payment


def with_fee(stage: Stage, *, is_alone: bool) -> SpendBundle:
    """A retirement with a coin that pays its fee, and that coin without it."""
    made = retiring(stage.issue(block(1, 100))[0], 10)
    coin = stage.fund(1000, ALICE.puzzle)
    fee = coin_spend(
        coin, ALICE.puzzle, quoted([reserve_fee(Mojos(1000)), assert_spent_together(id_of(made.held.coin))])
    )
    return bundle([fee] if is_alone else [fee, *made.spends], ALICE)


def with_fee_taken(stage: Stage, *, is_taken: bool) -> SpendBundle:
    """A fee that is reserved, and a coin of Mallory's that takes it."""
    fee = coin_spend(stage.fund(1000, ALICE.puzzle), ALICE.puzzle, quoted([reserve_fee(Mojos(1000))]))
    taker = coin_spend(stage.fund(0), ANYONE, Program.to([[51, MALLORY.puzzle_hash, 1000]] if is_taken else []))
    return bundle([fee, taker], ALICE)


def offered(stage: Stage, *, is_alone: bool) -> SpendBundle:
    """Alice sells ten units to Bob, whose money asserts the token coin that pays him; and his money alone."""
    held = stage.issue(block(1, 100))[0]
    paid = [payment(BOB.puzzle_hash, Mojos(10_000)), payment(ALICE.puzzle_hash, Mojos(90_000))]
    ring = cat_ring([held.spend(quoted(paid))])
    price = [create_coin(ALICE.puzzle_hash, Mojos(500)), assert_spent_together(id_of(held.coin))]
    money = coin_spend(stage.fund(500, BOB.puzzle), BOB.puzzle, quoted(price))
    return bundle([money] if is_alone else [money, *ring], ALICE, BOB)


def joined(stage: Stage, *, is_greedy: bool) -> SpendBundle:
    """Mallory's coin in the ring of Alice's payment, which puts out exactly what it holds."""
    alices, mallorys = stage.send(stage.issue(block(1, 100))[0], (ALICE, 99_000), (MALLORY, 1000))
    signed = alices.spend(quoted([payment(BOB.puzzle_hash, Mojos(99_000))]))
    took = 2000 if is_greedy else 1000
    mine = mallorys.spend(quoted([payment(MALLORY.puzzle_hash, Mojos(took))]), delta=took - 1000)
    spends = cat_ring([signed, mine])
    return bundle(spends, MALLORY, also=sign(cat_ring([signed]), ALICE))


@pytest.mark.parametrize(
    ("attack", "control"),
    [
        (lambda stage: with_fee(stage, is_alone=True), lambda stage: with_fee(stage, is_alone=False)),
        (lambda stage: with_fee_taken(stage, is_taken=True), lambda stage: with_fee_taken(stage, is_taken=False)),
        (lambda stage: offered(stage, is_alone=True), lambda stage: offered(stage, is_alone=False)),
        (lambda stage: joined(stage, is_greedy=True), lambda stage: joined(stage, is_greedy=False)),
    ],
    ids=["fee coin alone", "fee taken", "money without the token", "surplus made in a ring"],
)
def test_nobody_gains_by_taking_a_bundle_apart(
    attack: Callable[[Stage], SpendBundle], control: Callable[[Stage], SpendBundle]
) -> None:
    stage = Stage()
    assert stage.chain.why_not(attack(stage))
    stage = Stage()
    assert stage.chain.takes(control(stage))
