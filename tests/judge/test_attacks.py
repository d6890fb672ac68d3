"""The attacks of `tests/puzzles` before two judges: what chia-wallet-sdk's simulator refused there, chia's own mempool
refuses for the same reason, and what it took, chia's takes.

Here the tables of attacks, each of which one line of a puzzle refuses, and hostile bundles of the fuzz, most of which
no line was written for; `test_every_attack` has the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import cast

import pytest
from chia_rs import SpendBundle

from tests.judge.deeds import Pushed, RecordedStageChain
from tests.judge.judges import Reason
from tests.judge.verdicts import judged_by_chia
from tests.puzzles.fuzz import hostile_bundle, world
from tests.puzzles.stage import Refused, Stage
from tests.puzzles.test_attack_issuing import MESSAGES, SERIALS, TREE
from tests.puzzles.test_attack_owners import AUTHORITY
from tests.puzzles.test_attack_retiring import HANDING_BACK, RETIREMENTS

Attack = Callable[[Stage], SpendBundle]

ATTACKS: list[Attack] = [attack for attack, _ in (*SERIALS, *TREE, *MESSAGES, *AUTHORITY, *RETIREMENTS, *HANDING_BACK)]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_attack_is_refused_by_both_for_one_reason(attack: Attack) -> None:
    chain = RecordedStageChain()
    bundle = attack(Stage(chain=chain))
    with pytest.raises(Refused):
        chain.push(bundle)
    assert await judged_by_chia(attack.__name__, chain.deeds) == []


async def test_hostile_bundles_are_judged_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles of the fuzz, one after the other on one chain, as long as its past is what they were made for."""
    monkeypatch.setattr("tests.puzzles.stage.Chain", RecordedStageChain)
    rng, seen = Random(7), Counter[Reason]()
    while seen.total() < 40:
        made = world()
        chain, reason = made.stage.chain, cast("Reason", "none yet")
        assert isinstance(chain, RecordedStageChain)
        while reason is not None:
            if (what := hostile_bundle(rng, made)) is None:
                continue
            with suppress(Refused):
                chain.push(what)
            last = chain.deeds[-1]
            assert isinstance(last, Pushed)
            reason = last.reason
            seen[reason] += 1
        assert await judged_by_chia("fuzz", chain.deeds) == []
    assert seen[None] > 2
    assert len(seen) > 3, "refused for several reasons, or nothing was tried"
