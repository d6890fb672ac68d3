"""A thief of the issuer's key, and anyone else, against the serials: none twice, none without its message (P1, P2, P4).

Each attack that one line of a puzzle refuses gets through the puzzle without that line; every other one stands beside
the same bundle done honestly, which the chain takes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from chia.types.blockchain_format.program import Program
from chia_rs import Coin, CoinSpend, SpendBundle
from chia_rs.sized_bytes import bytes32
from chia_rs.sized_ints import uint64

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, payment, run_tail
from puzzles.free_serials import KEY_BYTES
from puzzles.program import load_mod
from puzzles.singleton import singleton_puzzle_hash
from puzzles.standard import create_coin
from puzzles.unit_block_tail import ISSUANCE
from puzzles.units import Mojos, serial_key
from tests.puzzles.crafted import Claim, claim, everything_claim, number, seize
from tests.puzzles.mutants import Mutant, is_refused_by_one_line, standing
from tests.puzzles.stage import (
    ANYONE,
    CASHIER,
    ISSUER,
    MALLORY,
    NO_SIGNATURE,
    SERIES,
    Refused,
    Stage,
    block,
    bundle,
    coin_spend,
    hash_of,
    run_as_block,
    token_coin,
)

Attack = Callable[[Stage], SpendBundle]

LEDGER = "registry_ledger.clsp"
ISSUANCE_MOD = "unit_block_issuance.clsp"
NO_PROOF = Mutant(source=LEDGER, line="(if (= root old_node) new_node (x))", instead="new_node")
NO_LEAF_START = Mutant(
    source=LEDGER, line="(not (any (>s before start) (>s stop after)))", instead="(not (>s stop after))"
)
NO_LEAF_END = Mutant(
    source=LEDGER, line="(not (any (>s before start) (>s stop after)))", instead="(not (>s before start))"
)
NO_ORDER = Mutant(source=LEDGER, line="(>s stop start)", instead="1")
ANY_LEAF_CUT = Mutant(source=LEDGER, line="(= (strlen before) 40)", instead="1")
ANY_SERIAL_SIZE = Mutant(source=LEDGER, line="(= (strlen start) 40)\n        (= (strlen stop) 40)", instead="1")
ROOT_AFTER_WRAP = Mutant(source=LEDGER, line="(pass rest () LEDGER)", instead="(pass rest root LEDGER)")
PLANT_ANYWHERE = Mutant(
    source=LEDGER,
    line="(replace path siblings (sha256 1 neighbour) (sha256 2 (sha256 1 neighbour) new_leaf) root)",
    instead="""(if (= (strlen neighbour) 32)
          (replace path siblings neighbour (sha256 2 neighbour new_leaf) root)
          (replace path siblings (sha256 1 neighbour) (sha256 2 (sha256 1 neighbour) new_leaf) root))""",
)
PLANT_AT_ANY_DEPTH = Mutant(source=LEDGER, line="(> 6 (strlen path))", instead="1")
OWNERS_SEND_ANYTHING = Mutant(source=LEDGER, line="(not (- first FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT))", instead="()")
MODE_COMPARED_AS_BYTES = Mutant(
    source=LEDGER,
    line="(not (- first FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT))",
    instead="(= first FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT)",
)
ANY_BODY = Mutant(
    source=ISSUANCE_MOD,
    line="(x))\n        FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT)\n      delta",
    instead="(x))\n        FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT)\n      (if parent_is_cat delta ())",
)
ANY_SENDER = Mutant(
    source=ISSUANCE_MOD,
    line="(singleton_hash registry registry_inner_puzzle_hash)",
    instead="registry_inner_puzzle_hash",
)
ANY_AMOUNT = Mutant(
    source="include/conditions.clib",
    line="(defconstant FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT 19)",
    instead="(defconstant FROM_PUZZLE_TO_PUZZLE_AND_AMOUNT 18)",
)
ANY_PROGRAM = Mutant(
    source="unit_block_tail.clsp", line="(if (= ISSUANCE_HASH (sha256tree claim))", instead="(if program"
)


# ---- serials that are not free


def reused(stage: Stage) -> SpendBundle:
    """The very block again, shown as part of the free run behind it."""
    stage.issue(block(1, 100))
    return seize(stage, claim(stage, 1, 100, run=1))


def contained(stage: Stage) -> SpendBundle:
    stage.issue(block(1, 100))
    return seize(stage, claim(stage, 20, 30, run=1))


def overlapping_from_behind(stage: Stage) -> SpendBundle:
    stage.issue(block(1, 100))
    return seize(stage, claim(stage, 50, 150, run=1))


def overlapping_from_before(stage: Stage) -> SpendBundle:
    stage.issue(block(100, 199))
    return seize(stage, claim(stage, 50, 150))


def across_what_was_issued(stage: Stage) -> SpendBundle:
    """From one free run over issued serials into the next."""
    stage.issue(block(100, 199))
    return seize(stage, claim(stage, 50, 250))


def with_the_leaf_of_another_series(stage: Stage) -> SpendBundle:
    """Serials issued in one series, shown as part of a free run that lies in another."""
    stage.issue(block(1, 100), block(1, 100, "A-1"), block(200, 300, "A-1"))
    start = serial_key("A-1", 101)
    run = [each[0] for each in stage.free.runs()].index(start)
    return seize(stage, claim(stage, 1, 100, run=run))


def from_the_tree_at_birth(stage: Stage) -> SpendBundle:
    """The one leaf that the tree once was."""
    stage.issue(block(1, 100))
    return seize(stage, everything_claim(stage, 1, 100))


def by_the_path_of_another_leaf(stage: Stage) -> SpendBundle:
    stage.issue(block(100, 199))
    honest = claim(stage, 1, 10)
    assert honest.path in (2, 3)
    return seize(stage, claim(stage, 1, 10, path=5 - int(str(honest.path))))


def with_false_siblings(stage: Stage) -> SpendBundle:
    stage.issue(block(100, 199))
    return seize(stage, claim(stage, 1, 10, siblings=(bytes(32),)))


def twice_in_one_spend(stage: Stage) -> SpendBundle:
    return seize(stage, everything_claim(stage, 1, 100), everything_claim(stage, 1, 100))


def twice_in_one_bundle(stage: Stage) -> SpendBundle:
    """Issued by one coin of the registry, and again by the next one."""
    honest = stage.issuing(block(1, 100))
    before, stage.registry, stage.free = stage.registry, honest.next_coin, honest.free
    again = seize(stage, everything_claim(stage, 1, 100))
    assert before != stage.registry
    return bundle([*honest.spends, *again.coin_spends], ISSUER, CASHIER)


def after_the_registrys_next_coin(stage: Stage) -> SpendBundle:
    """An issue behind the odd CREATE_COIN, whose root knows nothing of it."""
    late = claim(stage, 1, 100)
    return bundle([stage.as_issuer([stage.keep_on(), late.condition]), *late.eve(stage)], ISSUER)


def by_a_leaf_cut_in_another_place(stage: Stage) -> SpendBundle:
    """The leaf [255, 1000) read as 39 bytes and 41: its end begins with 0xff and lies behind everything."""
    stage.issue(block(1, 254), block(1000, 1099))
    run = [start for start, _ in stage.free.runs()].index(serial_key(SERIES, 255))
    start, after = stage.free.runs()[run]
    again = claim(stage, 1000, 1099, run=run, before=start[:39], after=start[39:] + after)
    assert isinstance(again.after, bytes)
    assert again.after > serial_key(SERIES, 1100)
    return seize(stage, again)


def with_numbers_of_seven_bytes(stage: Stage) -> SpendBundle:
    """Serials 5 to 9 again: in 7 bytes they stand among the free ones from 0x500 on. (One number of another size alone
    fails by its amount: the two differ by more than any coin can hold.)"""
    stage.issue(block(5, 9))
    return seize(stage, replace(claim(stage, 5, 9, run=1), first=number(5, 7), end=number(10, 7)))


def of_nothing(stage: Stage) -> SpendBundle:
    """A block that ends where it starts: a token of no units, and a leaf more each time."""
    return seize(stage, claim(stage, 50, 49))


SERIALS: list[tuple[Attack, Mutant]] = [
    (reused, NO_LEAF_START),
    (contained, NO_LEAF_START),
    (overlapping_from_behind, NO_LEAF_START),
    (overlapping_from_before, NO_LEAF_END),
    (across_what_was_issued, NO_LEAF_END),
    (with_the_leaf_of_another_series, NO_LEAF_START),
    (from_the_tree_at_birth, NO_PROOF),
    (by_the_path_of_another_leaf, NO_PROOF),
    (with_false_siblings, NO_PROOF),
    (twice_in_one_spend, NO_PROOF),
    (twice_in_one_bundle, NO_PROOF),
    (after_the_registrys_next_coin, ROOT_AFTER_WRAP),
    (by_a_leaf_cut_in_another_place, ANY_LEAF_CUT),
    (with_numbers_of_seven_bytes, ANY_SERIAL_SIZE),
    (of_nothing, NO_ORDER),
]


# ---- the tree


def beside_an_inner_node(stage: Stage) -> SpendBundle:
    """The left rest planted above everyone else's leaves: again and again, and none of them can be reached."""
    stage.issue(block(100, 199), block(300, 399))
    late = claim(stage, 500, 599, run=2)
    free = stage.free.copy()
    start, end = (serial_key(SERIES, each) for each in (500, 600))
    free._shrink(free._leaves[serial_key(SERIES, 400)], start, end)
    return seize(stage, replace(late, place=(1, ([], free.root))))


def nested(stage: Stage, count: int) -> SpendBundle:
    """So many blocks, each with both of its rests one level deeper than the last."""
    claims, at_first = [], stage.free
    stage.free = at_first.copy()
    for nth in range(count):
        first = 10 + 10 * nth
        made = claim(stage, first, first, run=nth)
        assert isinstance(made.path, int)
        assert made.path.bit_length() == nth + 1
        shortest = made.path.to_bytes((nth + 8) // 8, "big")
        claims.append(replace(made, path=shortest))
        key = serial_key(SERIES, first)
        end = serial_key(SERIES, first + 1)
        stage.free.replay(start=key, end=end, before=stage.free.runs()[nth][0], path=made.path, place=None)
    stage.free = at_first
    return seize(stage, *claims)


def forty_one_levels(stage: Stage) -> SpendBundle:
    """Rests so deep that a path to them takes more than 5 bytes."""
    return nested(stage, 41)


TREE: list[tuple[Attack, Mutant]] = [
    (beside_an_inner_node, PLANT_ANYWHERE),
    (forty_one_levels, PLANT_AT_ANY_DEPTH),
]


@pytest.mark.parametrize(("attack", "mutant"), TREE, ids=lambda each: getattr(each, "__name__", "-"))
def test_thief_cannot_sink_the_free_serials(attack: Attack, mutant: Mutant) -> None:
    assert is_refused_by_one_line(attack, mutant)


def test_issuer_plants_as_deep_as_five_bytes_of_path_reach() -> None:
    stage = Stage()
    assert stage.chain.takes(nested(stage, 40))


@pytest.mark.parametrize(("attack", "mutant"), SERIALS, ids=lambda each: getattr(each, "__name__", "-"))
def test_thief_cannot_issue_serials(attack: Attack, mutant: Mutant) -> None:
    assert is_refused_by_one_line(attack, mutant)


# ---- the message


def said_by_the_issuer(stage: Stage, mode: object, said: Claim, eve: list[CoinSpend]) -> list[CoinSpend]:
    """The ledger's message in the issuer's own words, to that eve coin, named as the mode asks for it."""
    is_to_coin = isinstance(mode, int) and mode & 7 == 7
    receiver = [eve[1].coin.name()] if is_to_coin else [said.puzzle_hash, said.amount]
    return [stage.as_issuer([stage.keep_on(), [66, mode, 0, *receiver]]), *eve]


def forged_message(stage: Stage) -> SpendBundle:
    """Serials issued long ago, and the message for them sent by the owner instead of the ledger."""
    stage.issue(block(1, 100))
    fake = claim(stage, 1, 100)
    return bundle(said_by_the_issuer(stage, 19, fake, fake.eve(stage)), ISSUER)


def message_of_any_coin(stage: Stage) -> SpendBundle:
    """No registry at all: the sender is a coin of Mallory's."""
    sender = stage.fund(0)
    fake = replace(claim(stage, 1, 100), registry=replace(stage.registry, owners=stage.owners))
    spends = pretending(stage, fake, sender.puzzle_hash)
    said = [66, 19, 0, spends[1].coin.puzzle_hash, fake.amount]
    return bundle([coin_spend(sender, ANYONE, Program.to([said])), *spends])


def pretending(stage: Stage, fake: Claim, sender: bytes) -> list[CoinSpend]:
    """An eve coin of that claim's token whose tail is told of another sender."""
    program = Program.to((load_mod(ISSUANCE), (fake.token.registry, fake.token.block_hash)))
    return eve_running(stage, fake, Program.to((program, [sender, 0])))


def eve_running(stage: Stage, fake: Claim, tail_solution: Program) -> list[CoinSpend]:
    """A coin that pays for an eve coin of that claim's token, and the eve coin with this solution for its tail."""
    token = fake.token
    inner = Program.to((1, [payment(MALLORY.puzzle_hash, Mojos(fake.amount)), run_tail(token.tail, tail_solution)]))
    funding = stage.fund(fake.amount)
    made = create_coin(cat_puzzle_hash(token.asset_id, hash_of(inner)), Mojos(fake.amount))
    eve = CatSpend(
        coin=token_coin(funding, token.asset_id, hash_of(inner), fake.amount),
        asset_id=token.asset_id,
        inner_puzzle=inner,
        inner_solution=Program.to(0),
    )
    return [coin_spend(funding, ANYONE, Program.to([made])), *cat_ring([eve])]


def program_of_ones_own(stage: Stage) -> SpendBundle:
    """A tail solution that brings a program of its own, which asks for nothing."""
    return bundle(eve_running(stage, claim(stage, 1, 100), Program.to((([1], 0), 0))))


def larger_coin(stage: Stage) -> SpendBundle:
    """The right token for the right block, one mojo too many."""
    return seize(stage, replace(claim(stage, 1, 100), amount=100_001))


def smaller_coin(stage: Stage) -> SpendBundle:
    return seize(stage, replace(claim(stage, 1, 100), amount=99_999))


def eve_coin_that_adds(stage: Stage) -> SpendBundle:
    """The right eve coin, and a thousand mojos more by its delta."""
    return seize(stage, replace(claim(stage, 1, 100), delta=1000))


def eve_coin_that_burns(stage: Stage) -> SpendBundle:
    return seize(stage, replace(claim(stage, 1, 100), delta=-1000))


MESSAGES: list[tuple[Attack, Mutant]] = [
    (forged_message, OWNERS_SEND_ANYTHING),
    (message_of_any_coin, ANY_SENDER),
    (program_of_ones_own, ANY_PROGRAM),
    (larger_coin, ANY_AMOUNT),
    (smaller_coin, ANY_AMOUNT),
    (eve_coin_that_adds, ANY_BODY),
    (eve_coin_that_burns, ANY_BODY),
]


@pytest.mark.parametrize(("attack", "mutant"), MESSAGES, ids=lambda each: getattr(each, "__name__", "-"))
def test_nobody_makes_a_token_without_its_message(attack: Attack, mutant: Mutant) -> None:
    assert is_refused_by_one_line(attack, mutant)


MODES: list[object] = [*range(64), b"\0\x13", b"\0\0\x13", b"\0" * 7 + b"\x13", b"\xff\x13", b"\x13\0", 275, -109, [19]]
"""All that there are, and 19 in every other way of writing it."""


def modes_taken() -> list[object]:
    """Modes in which a block lets the issuer send the ledger's message."""
    stage = Stage()
    fake = claim(stage, 1, 100)
    eve = fake.eve(stage)
    taken = []
    for mode in MODES:
        try:
            run_as_block(SpendBundle(said_by_the_issuer(stage, mode, fake, eve), NO_SIGNATURE), check_signature=False)
        except Refused:
            continue
        taken.append(mode)
    return taken


def test_issuer_cannot_speak_for_its_ledger_in_any_mode() -> None:
    """And where owners may send anything, 19 and only 19 gets through."""
    assert modes_taken() == []
    with standing(OWNERS_SEND_ANYTHING):
        assert modes_taken() == [19]


# ---- attacks that many lines refuse, each beside the honest bundle


def two_coins(stage: Stage, count: int) -> SpendBundle:
    """Coins of the right token and amount: only one of them finds the message."""
    one = claim(stage, 1, 100)
    honest = seize(stage, one)
    more = [spend for _ in range(count - 1) for spend in one.eve(stage)]
    return bundle([*honest.coin_spends, *more], ISSUER)


def of_another_token(stage: Stage, changes: dict[str, Any]) -> SpendBundle:
    """The issue of one block, and a coin that names another of as many units."""
    named = claim(stage, 1, 100)
    other = replace(named, **changes)
    condition = named.condition.replace(rrrrrrf=hash_of(other.inner_puzzle))
    return bundle([stage.as_issuer([condition, stage.keep_on()]), *other.eve(stage)], ISSUER)


def at_a_parked_registry_coin(stage: Stage, *, is_parked: bool) -> SpendBundle:
    """A coin that Mallory put at the registry's own puzzle hash, as it was when all was free."""
    inner_hash = stage.registry.inner_puzzle_hash
    parked = stage.fund(1)
    puzzle_hash = singleton_puzzle_hash(stage.registry.registry, inner_hash)
    parking = coin_spend(parked, ANYONE, Program.to([create_coin(puzzle_hash, Mojos(1))]))
    seized = claim(stage, 1, 100)
    if is_parked:
        stage.issue(block(1, 100))
        coin = Coin(parked.name(), bytes32(puzzle_hash), uint64(1))
        stage.registry = replace(seized.registry, coin=coin)
    stage.chain.push(bundle([parking]))
    return seize(stage, seized)


def named_otherwise(**changes: Any) -> tuple[Attack, Attack]:
    """The eve coin of another token than the one that was issued, and of the same."""
    return lambda stage: of_another_token(stage, changes), lambda stage: of_another_token(stage, {})


def written_otherwise(**changes: Any) -> tuple[Attack, Attack]:
    """An issue of free serials in another form, and as it should be."""
    return (
        lambda stage: seize(stage, replace(claim(stage, 1, 100), **changes)),
        lambda stage: seize(stage, claim(stage, 1, 100)),
    )


CONTROLLED: dict[str, tuple[Attack, Attack]] = {
    "two coins for one message": (lambda stage: two_coins(stage, 2), lambda stage: two_coins(stage, 1)),
    "a token of another series": named_otherwise(series=b"A-1"),
    "a token of other serials": named_otherwise(first=number(2), end=number(102)),
    "a token of another vintage": named_otherwise(metadata=Program.to([("vintage", "2024")])),
    "a block that runs backwards": written_otherwise(first=number(101), end=number(1)),
    "a series that is no text": written_otherwise(series=[b"A-1"]),
    "a first number that is no number": written_otherwise(first=[number(1)]),
    "a first number of nine bytes": written_otherwise(first=number(1, 9)),
    "numbers of nine bytes": written_otherwise(first=number(1, 9), end=number(101, 9)),
    "a negative first number": written_otherwise(first=-1),
    "a path that never ends": written_otherwise(path=0),
    "a negative path": written_otherwise(path=-1),
    "a leaf that is no bytes": written_otherwise(before=[b"\0" * KEY_BYTES]),
    "a coin parked at the registry's puzzle hash": (
        lambda stage: at_a_parked_registry_coin(stage, is_parked=True),
        lambda stage: at_a_parked_registry_coin(stage, is_parked=False),
    ),
}


@pytest.mark.parametrize(("attack", "control"), CONTROLLED.values(), ids=CONTROLLED)
def test_chain_refuses_to_issue(attack: Attack, control: Attack) -> None:
    stage = Stage()
    assert stage.chain.why_not(attack(stage))
    stage = Stage()
    assert stage.chain.takes(control(stage))


def branch() -> tuple[Stage, list[SpendBundle]]:
    """The same chain each time, and two bundles that wait on it for some of the same serials."""
    stage = Stage()
    waiting = stage.issuing(block(1, 100)), stage.issuing(block(50, 60), receiver=MALLORY.puzzle_hash)
    return stage, [bundle(each.spends, ISSUER, CASHIER) for each in waiting]


@pytest.mark.parametrize("first", [0, 1])
def test_serials_issued_before_a_reorg_are_issued_once_after_it(first: int) -> None:
    """Whichever of the two a branch holds, it takes no other, and not the same again."""
    stage, bundles = branch()
    assert stage.chain.takes(bundles[first])
    stage, replayed = branch()
    assert replayed == bundles
    assert stage.chain.takes(bundles[1 - first])
    assert stage.chain.why_not(bundles[first])
    assert stage.chain.why_not(bundles[1 - first])
