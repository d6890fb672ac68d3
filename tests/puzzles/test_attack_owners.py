"""A thief of the issuer's key, and strangers, against the registry's authority (P3).

Each attack that one line refuses gets through the puzzle without that line; every other one stands beside the same
bundle done honestly, which the chain takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import CoinSpend, SpendBundle

from puzzles.owners import allotment_puzzle
from puzzles.registry_ledger import Owners, next_coin_condition, statement_condition
from tests.puzzles.cold import ColdGovernor
from tests.puzzles.crafted import claim, seize
from tests.puzzles.mutants import Mutant, is_refused_by_one_line
from tests.puzzles.stage import (
    ANYONE,
    GOVERNOR,
    ISSUER,
    MALLORY,
    Person,
    Stage,
    block,
    bundle,
    coin_spend,
    hash_of,
    person,
    sign,
)

Attack = Callable[[Stage], SpendBundle]

LEDGER = "registry_ledger.clsp"
ALLOTMENT = "allotment.clsp"
IN_RANGE = "(not (any (>s first block_first) (>s block_end end)))"
ANY_OWNERS = Mutant(source=LEDGER, line="(= first (i owners_hash owners_hash first))", instead="1")
ANY_AMOUNT = Mutant(source=LEDGER, line="(> second 0)", instead="1")
ANY_GOVERNOR = Mutant(
    source=LEDGER,
    line="(if (= (sha256tree governor_puzzle) (r OWNERS)) governor_puzzle (x))",
    instead="governor_puzzle",
)
ISSUER_RECEIVES = Mutant(source=LEDGER, line="(all owners_hash (= opcode RECEIVE_MESSAGE))", instead="()")
ANY_SERIES = Mutant(source=ALLOTMENT, line="(= series block_series)", instead="1")
ANY_FIRST = Mutant(source=ALLOTMENT, line=IN_RANGE, instead="(not (>s block_end end))")
ANY_END = Mutant(source=ALLOTMENT, line=IN_RANGE, instead="(not (>s first block_first))")
NO_ORDER_NEEDED = Mutant(
    source="governor_by_message.clsp",
    line="""(list
      RECEIVE_MESSAGE
      FROM_PUZZLE_TO_PUZZLE
      (sha256tree conditions)
      (singleton_hash GOVERNOR governor_inner_puzzle_hash))""",
    instead="(list REMARK)",
)

THIEF = Owners(issuer_puzzle=MALLORY.puzzle, governor_puzzle_hash=hash_of(ANYONE))
NEW_ISSUER = person("new issuer")


# ---- what the issuer's key alone can do


def names_new_owners(stage: Stage) -> SpendBundle:
    return bundle([stage.as_issuer([next_coin_condition(THIEF.owners_hash)])], ISSUER)


def ends_the_registry(stage: Stage) -> SpendBundle:
    return bundle([stage.as_issuer([stage.keep_on(-113)])], ISSUER)


def governor_ends_the_registry(stage: Stage) -> SpendBundle:
    """No governor may either: tokens would be left without a registry."""
    return bundle([stage.as_governor([stage.keep_on(-113)])], GOVERNOR)


def puzzle_of_a_stranger(stage: Stage) -> SpendBundle:
    """Mallory's puzzle where the governor's is revealed."""
    order = Program.to([next_coin_condition(THIEF.owners_hash)])
    return bundle([stage.registry.spend_as_governor(ANYONE, order)])


def flipped_role(stage: Stage) -> SpendBundle:
    """One key in both roles, in an allotment as the issuer: its rotation, signed as the governor, run as the issuer."""
    inside = allotment_puzzle([block(1, 100)], GOVERNOR.puzzle)
    other = Stage(chain=stage.chain, issuer_puzzle=inside)
    signed = other.as_governor([next_coin_condition(THIEF.owners_hash)])
    flipped = other.as_issuer([next_coin_condition(THIEF.owners_hash)])
    return bundle([flipped], also=sign([signed], GOVERNOR))


def burnt_order(stage: Stage) -> SpendBundle:
    """The cold governor's order, received by the issuer's conditions, which do nothing with it."""
    cold = ColdGovernor(stage.chain)
    other = Stage(chain=stage.chain, governor_puzzle=cold.puzzle)
    order = [next_coin_condition(THIEF.owners_hash)]
    sends = cold.sends(order, other.registry)
    burn = other.as_issuer([other.keep_on(), [67, 18, other.order_hash(order), cold.puzzle_hash]])
    return bundle([sends, burn], ISSUER, also=cold.signature(sends))


def order_that_nobody_gave(stage: Stage) -> SpendBundle:
    cold = ColdGovernor(stage.chain)
    other = Stage(chain=stage.chain, governor_puzzle=cold.puzzle)
    return bundle([cold.takes([next_coin_condition(THIEF.owners_hash)], other.registry)])


def allotted(stage: Stage, first: int, last: int, series: str = "BT-CDM2746-2021") -> SpendBundle:
    """An issue by the issuer's key, which may issue 100 to 199 of the usual series and 5 to 9 of another."""
    inside = allotment_puzzle([block(100, 199), block(5, 9, "A-1")], ISSUER.puzzle)
    other = Stage(chain=stage.chain, issuer_puzzle=inside)
    return seize(other, claim(other, first, last, series=series.encode()))


def in_another_series(stage: Stage) -> SpendBundle:
    return allotted(stage, 100, 199, "B-1")


def from_before_its_allotment(stage: Stage) -> SpendBundle:
    return allotted(stage, 99, 110)


def beyond_its_allotment(stage: Stage) -> SpendBundle:
    return allotted(stage, 190, 200)


AUTHORITY: list[tuple[Attack, Mutant]] = [
    (names_new_owners, ANY_OWNERS),
    (ends_the_registry, ANY_AMOUNT),
    (governor_ends_the_registry, ANY_AMOUNT),
    (puzzle_of_a_stranger, ANY_GOVERNOR),
    (flipped_role, ANY_OWNERS),
    (burnt_order, ISSUER_RECEIVES),
    (order_that_nobody_gave, NO_ORDER_NEEDED),
    (in_another_series, ANY_SERIES),
    (from_before_its_allotment, ANY_FIRST),
    (beyond_its_allotment, ANY_END),
]


@pytest.mark.parametrize(("attack", "mutant"), AUTHORITY, ids=lambda each: getattr(each, "__name__", "-"))
def test_registry_refuses_a_thief(attack: Attack, mutant: Mutant) -> None:
    assert is_refused_by_one_line(attack, mutant)


def test_issuer_issues_all_that_was_allotted_to_it() -> None:
    for allotment in ((100, 199), (5, 9, "A-1")):
        stage = Stage()
        assert stage.chain.takes(allotted(stage, *allotment))


def odd_lists(stage: Stage) -> dict[str, object]:
    """Conditions by which an owner could try to leave the ledger, or end or split the registry."""
    bare, keep_on = bytes(stage.registry.coin.puzzle_hash), stage.keep_on()
    return {
        "no next coin": [],
        "two next coins": [keep_on, keep_on],
        "a next coin under a longer opcode": [[b"\0\x33", bare, 1]],
        "a next coin beside one under a longer opcode": [[b"\x33\0", bare, 1]],
        "only an even coin": [[51, bare, 2]],
        "a negative amount": [[51, stage.owners.owners_hash, -1]],
        "an amount with a zero before it": [[51, stage.owners.owners_hash, b"\0\x01"]],
        "an amount that is a list": [[51, stage.owners.owners_hash, [1]]],
        "an opcode that is a list": [[[51], stage.owners.owners_hash, 1]],
        "a condition that is an atom": [keep_on, b"\x33"],
        "a list that ends in an atom": Program.to((keep_on, b"\x33")),
        "no list at all": b"\x33",
        "a message mode that is a list": [keep_on, [66, [19], 0, bare, 1000]],
    }


@pytest.mark.parametrize("name", odd_lists(Stage()))
@pytest.mark.parametrize("role", ["issuer", "governor"])
def test_no_owner_escapes_from_the_ledger(role: str, name: str) -> None:
    stage = Stage()

    def said(conditions: object) -> SpendBundle:
        solution = Program.to([0, (1, conditions), 0])
        if role == "issuer":
            return bundle([stage.registry.spend_as_issuer(solution)], ISSUER)
        return bundle([stage.registry.spend_as_governor(GOVERNOR.puzzle, solution)], GOVERNOR)

    assert stage.chain.why_not(said(odd_lists(stage)[name]))
    assert stage.chain.takes(said([stage.keep_on()]))


# ---- what was signed once


def statement_by_the_issuer(stage: Stage) -> tuple[CoinSpend, Person]:
    said = statement_condition(Program.to([("kind", "authorization")]))
    return stage.as_issuer([stage.keep_on(), said]), ISSUER


def rotation_by_the_governor(stage: Stage) -> tuple[CoinSpend, Person]:
    return stage.as_governor([stage.keep_on()]), GOVERNOR


@pytest.mark.parametrize("said", [statement_by_the_issuer, rotation_by_the_governor])
def test_nobody_says_again_what_an_owner_said(said: Callable[[Stage], tuple[CoinSpend, Person]]) -> None:
    """The registry's next coin has the same puzzle; the signature names the coin."""
    stage = Stage()
    spend, who = said(stage)
    old = sign([spend], who)
    stage.move(spend, who)
    again, _ = said(stage)
    assert again.puzzle_reveal == spend.puzzle_reveal
    assert stage.chain.why_not(bundle([again], also=old))
    assert stage.chain.takes(bundle([again], who))


@pytest.mark.parametrize("by", [None, MALLORY, GOVERNOR])
def test_nobody_but_the_issuer_issues(by: Person | None) -> None:
    stage = Stage()
    seized = seize(stage, claim(stage, 1, 100)).coin_spends
    assert stage.chain.why_not(bundle(seized, *([by] if by else [])))
    assert stage.chain.takes(bundle(seized, ISSUER))


# ---- the cold governor's order


def cold_stage() -> tuple[Stage, ColdGovernor, list[Program], Owners]:
    """A registry with a cold governor, who orders a new issuer."""
    start = Stage()
    cold = ColdGovernor(start.chain)
    stage = Stage(chain=start.chain, governor_puzzle=cold.puzzle)
    rotated = Owners(issuer_puzzle=NEW_ISSUER.puzzle, governor_puzzle_hash=hash_of(cold.puzzle))
    return stage, cold, [next_coin_condition(rotated.owners_hash)], rotated


def alone(stage: Stage, cold: ColdGovernor, order: Sequence[Program]) -> list[CoinSpend]:
    """The cold spend burnt by a front-runner."""
    return [cold.sends(order, stage.registry)]


def beside_a_registry_that_does_not_take_it(
    stage: Stage, cold: ColdGovernor, order: Sequence[Program]
) -> list[CoinSpend]:
    return [cold.sends(order, stage.registry), stage.as_issuer([stage.keep_on()])]


def received_by_a_stranger(stage: Stage, cold: ColdGovernor, order: Sequence[Program]) -> list[CoinSpend]:
    receives = [67, 18, stage.order_hash(order), cold.puzzle_hash]
    return [cold.sends(order, stage.registry), coin_spend(stage.fund(0), ANYONE, Program.to([receives]))]


def taken_by_another_registry(stage: Stage, cold: ColdGovernor, order: Sequence[Program]) -> list[CoinSpend]:
    """Of the same governor."""
    other = Stage(chain=stage.chain, governor_puzzle=cold.puzzle)
    return [cold.sends(order, stage.registry), cold.takes(order, other.registry)]


def taken_by_two_registries(stage: Stage, cold: ColdGovernor, order: Sequence[Program]) -> list[CoinSpend]:
    other = Stage(chain=stage.chain, governor_puzzle=cold.puzzle)
    takes = [cold.takes(order, each.registry) for each in (stage, other)]
    return [cold.sends(order, stage.registry), *takes]


def with_other_words(stage: Stage, cold: ColdGovernor, order: Sequence[Program]) -> list[CoinSpend]:
    """An order to Mallory's liking."""
    return [cold.sends(order, stage.registry), cold.takes([next_coin_condition(THIEF.owners_hash)], stage.registry)]


def with_words_added(stage: Stage, cold: ColdGovernor, order: Sequence[Program]) -> list[CoinSpend]:
    added = statement_condition(Program.to([("kind", "false")]))
    return [cold.sends(order, stage.registry), cold.takes([*order, added], stage.registry)]


@pytest.mark.parametrize(
    "attack",
    [
        alone,
        beside_a_registry_that_does_not_take_it,
        received_by_a_stranger,
        taken_by_another_registry,
        taken_by_two_registries,
        with_other_words,
        with_words_added,
    ],
)
def test_nobody_burns_turns_or_changes_the_governors_order(
    attack: Callable[[Stage, ColdGovernor, Sequence[Program]], list[CoinSpend]],
) -> None:
    stage, cold, order, _ = cold_stage()
    sends = cold.sends(order, stage.registry)
    signed = cold.signature(sends)
    assert stage.chain.why_not(bundle(attack(stage, cold, order), ISSUER, also=signed))
    assert stage.chain.takes(bundle([sends, cold.takes(order, stage.registry)], also=signed))


def test_governors_order_is_taken_once() -> None:
    stage, cold, order, rotated = cold_stage()
    sends = cold.sends(order, stage.registry)
    signed = cold.signature(sends)
    stage.move(cold.takes(order, stage.registry), beside=[sends], owners=rotated, also=signed)
    again = [cold.sends(order, stage.registry), cold.takes(order, stage.registry)]
    assert stage.chain.why_not(bundle(again, also=signed))
    cold.go_on()
    again = [cold.sends(order, stage.registry), cold.takes(order, stage.registry)]
    assert stage.chain.why_not(bundle(again, also=signed))
    assert stage.chain.takes(bundle(again, also=cold.signature(again[0])))


@pytest.mark.parametrize("is_in_one_bundle", [False, True])
def test_thief_who_spends_every_block_cannot_outrun_the_governor(*, is_in_one_bundle: bool) -> None:
    """The order was signed once, at first. Anyone attaches it to the newest coin, or to the child of a spend of the
    thief's that still waits."""
    stage, cold, order, rotated = cold_stage()
    signed = cold.signature(cold.sends(order, stage.registry))
    for _ in range(3):
        stage.move(stage.as_issuer([stage.keep_on()]), ISSUER)
    waiting = stage.as_issuer([stage.keep_on()])
    before = bundle([waiting], ISSUER)
    child = stage.registry.child(stage.registry.root, stage.owners)
    if not is_in_one_bundle:
        stage.chain.push(before)
    spends = [cold.sends(order, child), cold.takes(order, child)]
    if is_in_one_bundle:
        spends.insert(0, waiting)
        stage.chain.push(bundle(spends, also=before.aggregated_signature + signed))
    else:
        stage.chain.push(bundle(spends, also=signed))
    stage.registry, stage.owners = child.child(child.root, rotated), rotated
    assert stage.chain.why_not(bundle([stage.as_issuer([stage.keep_on()])], ISSUER))
    assert stage.chain.takes(bundle([stage.as_issuer([stage.keep_on()])], NEW_ISSUER))
