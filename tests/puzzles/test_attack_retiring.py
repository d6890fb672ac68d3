"""Burning: the holder alone, whole units, exactly as many as she signed, with her record (P5, P6); and handing back to
the registry: both together, over the same amount (P8).

Each attack that one line refuses gets through the puzzle without that line; every other one stands beside the same
bundle done honestly, which the chain takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from chia.types.blockchain_format.program import Program
from chia.wallet.lineage_proof import LineageProof
from chia_rs import CoinSpend, SpendBundle

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.owners import detokenize_condition
from puzzles.retirement import receipt_puzzle_hash, seal, write_record
from puzzles.standard import create_coin
from puzzles.unit_block_tail import delta_of, detokenize_solution, retire_solution
from puzzles.units import CoinId, Mojos
from tests.puzzles.mutants import Mutant, is_refused_by_one_line
from tests.puzzles.stage import (
    ALICE,
    ANYONE,
    ISSUER,
    MALLORY,
    NOTHING,
    RECORD,
    Held,
    Person,
    Retiring,
    Stage,
    block,
    bundle,
    coin_spend,
    hash_of,
    id_of,
    quoted,
    retiring,
    sign,
    token_coin,
)

Attack = Callable[[Stage], SpendBundle]

TAIL = "unit_block_tail.clsp"
ISSUANCE = "unit_block_issuance.clsp"
NO_LINEAGE = Mutant(source=TAIL, line="(all parent_is_cat (> units 0)", instead="(all (> units 0)")
ANY_UNITS = Mutant(source=TAIL, line="(> units 0)", instead="1")
ANY_DELTA = Mutant(source=TAIL, line="(= delta (* BURNT_MOJOS_PER_UNIT units))", instead="1")
ANY_UNITS_BACK = Mutant(source=ISSUANCE, line="(> units 0)", instead="1")
ANY_DELTA_BACK = Mutant(source=ISSUANCE, line="(= delta (* BURNT_MOJOS_PER_UNIT units))", instead="1")

FALSE_RECORD = write_record({"beneficiary_name": "Mallory"})


def issued(stage: Stage) -> Held:
    """A hundred units, Alice's."""
    return stage.issue(block(1, 100))[0]


# ---- retiring


def part_of(held: Held, units: int, delta: int, paid: int) -> CatSpend:
    """The holder's part of a ring: so many units said, so many mojos of delta, so many kept."""
    conditions = [run_tail(held.token.tail, retire_solution_of(units))]
    if paid:
        conditions.append(payment(ALICE.puzzle_hash, Mojos(paid)))
    return held.spend(quoted(conditions), delta)


def retire_solution_of(units: int) -> Program:
    """The tail's solution for any number, which the driver refuses to write."""
    return retire_solution(units, RECORD) if units > 0 else Program.to(((0, units), RECORD))


def burning(held: Held, units: int, delta: int) -> SpendBundle:
    """The holder says so many units and burns as many mojos as that delta says."""
    return bundle(cat_ring([part_of(held, units, delta, held.coin.amount + delta)]), ALICE)


def observer_in_the_ring(stage: Stage) -> SpendBundle:
    """Alice retires 99 units; Mallory, who holds one, joins the ring, burns one for her and takes 98."""
    alices, mallorys = stage.send(issued(stage), (ALICE, 99_000), (MALLORY, 1000))
    signed = retiring(alices, 99)
    took = mallorys.spend(quoted([payment(MALLORY.puzzle_hash, Mojos(99_000))]))
    spends = cat_ring([replace(signed.part, delta=-1000), took])
    return bundle(spends, MALLORY, also=sign(signed.spends, ALICE))


def fraction_of_a_unit(stage: Stage) -> SpendBundle:
    return burning(issued(stage), 1, -500)


def more_units_than_burnt(stage: Stage) -> SpendBundle:
    return burning(issued(stage), 100, -1000)


def units_out_of_nothing(stage: Stage) -> SpendBundle:
    """Minus five units retired is five units made."""
    made = burning(issued(stage), -5, 5000)
    funding = stage.fund(5000)
    return bundle([*made.coin_spends, coin_spend(funding, ANYONE, NOTHING)], also=made.aggregated_signature)


def no_units(stage: Stage) -> SpendBundle:
    """A receipt for nothing."""
    return burning(issued(stage), 0, 0)


def lineage_of_anothers(stage: Stage, lineage: LineageProof | None) -> SpendBundle:
    """A coin that Mallory made at the token's puzzle hash out of her own mojos."""
    token = issued(stage).token
    inner = Program.to((1, [run_tail(token.tail, retire_solution(10, RECORD))]))
    funding = stage.fund(10_000)
    made = create_coin(cat_puzzle_hash(token.asset_id, hash_of(inner)), Mojos(10_000))
    part = CatSpend(
        coin=token_coin(funding, token.asset_id, hash_of(inner), 10_000),
        asset_id=token.asset_id,
        inner_puzzle=inner,
        inner_solution=NOTHING,
        lineage_proof=lineage,
        delta=-10_000,
    )
    return bundle([coin_spend(funding, ANYONE, Program.to([made])), *cat_ring([part])])


def coin_without_lineage(stage: Stage) -> SpendBundle:
    return lineage_of_anothers(stage, None)


def coin_with_false_lineage(stage: Stage) -> SpendBundle:
    return lineage_of_anothers(stage, issued(Stage()).lineage)


RETIREMENTS: list[tuple[Attack, Mutant]] = [
    (observer_in_the_ring, ANY_DELTA),
    (fraction_of_a_unit, ANY_DELTA),
    (more_units_than_burnt, ANY_DELTA),
    (units_out_of_nothing, ANY_UNITS),
    (no_units, ANY_UNITS),
    (coin_without_lineage, NO_LINEAGE),
    (coin_with_false_lineage, NO_LINEAGE),
]


@pytest.mark.parametrize(("attack", "mutant"), RETIREMENTS, ids=lambda each: getattr(each, "__name__", "-"))
def test_tail_refuses_a_retirement(attack: Attack, mutant: Mutant) -> None:
    assert is_refused_by_one_line(attack, mutant)


def with_old_signature(stage: Stage, change: Callable[[Retiring], Retiring], by: Person = ALICE) -> SpendBundle:
    """A retirement that Alice signed, changed on the way."""
    signed = retiring(issued(stage), 10)
    return bundle(change(signed).spends, also=sign(signed.spends, by))


def other_units(signed: Retiring) -> Retiring:
    """Twenty units instead."""
    return retiring(signed.held, 20)


def other_record(signed: Retiring) -> Retiring:
    """Another beneficiary."""
    return retiring(signed.held, 10, record=FALSE_RECORD)


def other_change(signed: Retiring) -> Retiring:
    """The change to Mallory."""
    conditions = [
        run_tail(signed.held.token.tail, retire_solution(10, RECORD)),
        payment(MALLORY.puzzle_hash, Mojos(90_000)),
    ]
    return replace(signed, part=signed.held.spend(quoted(conditions), signed.delta))


def other_puzzle(signed: Retiring) -> Retiring:
    """Another inner puzzle around the same conditions."""
    return replace(signed, part=replace(signed.part, inner_puzzle=MALLORY.puzzle))


def unchanged(signed: Retiring) -> Retiring:
    """As she signed it."""
    return signed


@pytest.mark.parametrize("change", [other_units, other_record, other_change, other_puzzle])
def test_nobody_changes_a_retirement_that_was_signed(change: Callable[[Retiring], Retiring]) -> None:
    stage = Stage()
    assert stage.chain.why_not(with_old_signature(stage, change))
    stage = Stage()
    assert stage.chain.takes(with_old_signature(stage, unchanged))


def test_nobody_but_the_holder_retires() -> None:
    stage = Stage()
    assert stage.chain.why_not(with_old_signature(stage, unchanged, by=MALLORY))
    stage = Stage()
    assert stage.chain.takes(with_old_signature(stage, unchanged, by=ALICE))


def sealed(stage: Stage, record: Program | None) -> SpendBundle:
    """A retirement whose holder asserts her receipt's spend, and a seal with that record, or none."""
    made = retiring(issued(stage), 10, seals=True)
    seals = [] if record is None else [seal(made.receipt, made.delta, record)]
    return bundle([*made.spends, *seals], ALICE)


@pytest.mark.parametrize("record", [None, FALSE_RECORD], ids=["left out", "with another record"])
def test_nobody_leaves_out_or_changes_a_seal(record: Program | None) -> None:
    stage = Stage()
    assert stage.chain.why_not(sealed(stage, record))
    stage = Stage()
    assert stage.chain.takes(sealed(stage, RECORD))


def test_retirement_leaves_one_receipt_however_often_its_holder_asks_the_tail() -> None:
    """The CAT runs the tail of the last -113 condition only, so two records of one burn leave one receipt."""
    stage = Stage()
    held = issued(stage)
    asked = [run_tail(held.token.tail, retire_solution(10, record)) for record in (RECORD, FALSE_RECORD)]
    kept = payment(ALICE.puzzle_hash, Mojos(90_000))
    twice = bundle(cat_ring([held.spend(quoted([*asked, kept]), -10_000)]), ALICE)
    made = stage.chain.farm(twice).spends[0].create_coin
    receipts = {bytes(receipt_puzzle_hash(-10_000, record)) for record in (RECORD, FALSE_RECORD)}
    assert [bytes(each[0]) in receipts for each in made].count(True) == 1


def test_receipt_is_spent_once() -> None:
    stage = Stage()
    made = retiring(issued(stage), 10)
    stage.chain.push(bundle(made.spends, ALICE))
    seals = bundle([seal(made.receipt, made.delta, RECORD)])
    assert stage.chain.takes(seals)
    assert stage.chain.why_not(seals)


# ---- detokenizing


def handing_back(
    stage: Stage, held: Held, units: int, delta: int, *, said: int | None = None, to: CoinId | None = None
) -> tuple[list[CoinSpend], CoinSpend]:
    """The holder's ring and the registry's message: `said` mojos, to that coin."""
    program = detokenize_solution(held.token, stage.registry.inner_puzzle_hash, 1).replace(rrf=Program.to(units))
    conditions = [run_tail(held.token.tail, program)]
    rest = held.coin.amount + delta
    if rest:
        conditions.append(payment(ALICE.puzzle_hash, Mojos(rest)))
    message = detokenize_condition(to or id_of(held.coin), delta if said is None else said)
    return cat_ring([held.spend(quoted(conditions), delta)]), stage.as_issuer([stage.keep_on(), message])


def units_made_together(stage: Stage) -> SpendBundle:
    """Holder and registry hand back minus five units: supply that no serial stands for."""
    ring, registry = handing_back(stage, issued(stage), -5, 5000)
    return bundle([*ring, registry, coin_spend(stage.fund(5000), ANYONE, NOTHING)], ALICE, ISSUER)


def nothing_handed_back(stage: Stage) -> SpendBundle:
    ring, registry = handing_back(stage, issued(stage), 0, 0)
    return bundle([*ring, registry], ALICE, ISSUER)


def fraction_handed_back(stage: Stage) -> SpendBundle:
    ring, registry = handing_back(stage, issued(stage), 1, -500)
    return bundle([*ring, registry], ALICE, ISSUER)


def registry_that_keeps_the_rest(stage: Stage) -> SpendBundle:
    """Alice hands back 99 units; the registry's own coin joins the ring, one is burnt and 98 go to it."""
    alices, mallorys = stage.send(issued(stage), (ALICE, 99_000), (MALLORY, 1000))
    program = detokenize_solution(alices.token, stage.registry.inner_puzzle_hash, 99)
    signed = alices.spend(quoted([run_tail(alices.token.tail, program)]), delta_of(99))
    took = mallorys.spend(quoted([payment(MALLORY.puzzle_hash, Mojos(99_000))]))
    registry = stage.as_issuer([stage.keep_on(), detokenize_condition(id_of(alices.coin), -1000)])
    spends = [*cat_ring([replace(signed, delta=-1000), took]), registry]
    return bundle(spends, MALLORY, ISSUER, also=sign(cat_ring([signed]), ALICE))


HANDING_BACK: list[tuple[Attack, Mutant]] = [
    (units_made_together, ANY_UNITS_BACK),
    (nothing_handed_back, ANY_UNITS_BACK),
    (fraction_handed_back, ANY_DELTA_BACK),
    (registry_that_keeps_the_rest, ANY_DELTA_BACK),
]


@pytest.mark.parametrize(("attack", "mutant"), HANDING_BACK, ids=lambda each: getattr(each, "__name__", "-"))
def test_issuance_program_refuses_a_detokenization(attack: Attack, mutant: Mutant) -> None:
    assert is_refused_by_one_line(attack, mutant)


def without_the_registry(stage: Stage, held: Held, other: Held) -> SpendBundle:
    ring, _ = handing_back(stage, held, 10, -10_000)
    return bundle(ring, ALICE)


def without_the_registrys_signature(stage: Stage, held: Held, other: Held) -> SpendBundle:
    ring, registry = handing_back(stage, held, 10, -10_000)
    return bundle([*ring, registry], ALICE)


def without_the_holder(stage: Stage, held: Held, other: Held) -> SpendBundle:
    """The registry takes back what Alice did not sign."""
    ring, registry = handing_back(stage, held, 10, -10_000)
    return bundle([*ring, registry], ISSUER)


def over_more_than_the_registry_said(stage: Stage, held: Held, other: Held) -> SpendBundle:
    ring, registry = handing_back(stage, held, 10, -10_000, said=-9000)
    return bundle([*ring, registry], ALICE, ISSUER)


def over_less_than_the_registry_said(stage: Stage, held: Held, other: Held) -> SpendBundle:
    ring, registry = handing_back(stage, held, 10, -10_000, said=-11_000)
    return bundle([*ring, registry], ALICE, ISSUER)


def by_another_coin_of_the_token(stage: Stage, held: Held, other: Held) -> SpendBundle:
    ring, registry = handing_back(stage, held, 10, -10_000, to=id_of(other.coin))
    return bundle([*ring, registry], ALICE, ISSUER)


def two_coins_by_one_message(stage: Stage, held: Held, other: Held) -> SpendBundle:
    ring, registry = handing_back(stage, held, 10, -10_000)
    another, _ = handing_back(stage, other, 10, -10_000)
    return bundle([*ring, *another, registry], ALICE, ISSUER)


def message_left_over(stage: Stage, held: Held, other: Held) -> SpendBundle:
    _, registry = handing_back(stage, held, 10, -10_000)
    return bundle([registry], ISSUER)


@pytest.mark.parametrize(
    "attack",
    [
        without_the_registry,
        without_the_registrys_signature,
        without_the_holder,
        over_more_than_the_registry_said,
        over_less_than_the_registry_said,
        by_another_coin_of_the_token,
        two_coins_by_one_message,
        message_left_over,
    ],
)
@pytest.mark.parametrize("is_same_block", [True, False], ids=["one block", "two blocks"])
def test_detokenization_needs_holder_and_registry_over_one_amount(
    attack: Callable[[Stage, Held, Held], SpendBundle], *, is_same_block: bool
) -> None:
    stage = Stage()
    if is_same_block:
        held, other = stage.send(issued(stage), (ALICE, 50_000), (ALICE, 50_000 - 1), (MALLORY, 1))[:2]
    else:
        held, other = stage.issue(block(1, 50), block(201, 250))
    assert stage.chain.why_not(attack(stage, held, other))
    ring, registry = handing_back(stage, held, 10, -10_000)
    assert stage.chain.takes(bundle([*ring, registry], ALICE, ISSUER))


def test_message_that_let_a_coin_detokenize_lets_no_other_do_it_later() -> None:
    """The registry's old spend, signature and all, beside the change of the coin that it was for."""
    stage = Stage()
    held = issued(stage)
    ring, registry = handing_back(stage, held, 10, -10_000)
    stage.chain.push(bundle([*ring, registry], ALICE, ISSUER))
    old = sign([registry], ISSUER)
    inner_hash = stage.registry.inner_puzzle_hash
    stage.registry = stage.registry.child(stage.registry.root, stage.owners)
    assert stage.registry.inner_puzzle_hash == inner_hash
    change = held.child(ALICE.puzzle, 90_000)
    again, _ = handing_back(stage, change, 10, -10_000)
    said = stage.as_issuer([stage.keep_on(), detokenize_condition(id_of(held.coin), -10_000)])
    assert stage.chain.why_not(bundle([*again, said], ALICE, also=old))
    assert stage.chain.why_not(bundle([*again, registry], ALICE, also=old))
    ring, registry = handing_back(stage, change, 10, -10_000)
    assert stage.chain.takes(bundle([*ring, registry], ALICE, ISSUER))
