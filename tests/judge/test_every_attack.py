"""Every test of an attack once more, whole: set-up, attack, mutant and honest bundle; chia's mempool judges each too.

The tests are those of `tests/puzzles`, which pass or fail here as there; what is added is the fixture below.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.judge.deeds import RecordedStageChain
from tests.judge.verdicts import judged_by_chia
from tests.puzzles import (
    test_attack_issuing,
    test_attack_owners,
    test_attack_retiring,
    test_attack_seams,
    test_bundles,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

for _module in (test_attack_issuing, test_attack_owners, test_attack_retiring, test_attack_seams, test_bundles):
    globals().update({name: each for name, each in vars(_module).items() if name.startswith("test_")})


@pytest.fixture(autouse=True)
def judged(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[None]:
    """Whatever is pushed to a chain in the test is judged by the other one afterwards."""
    chains: list[RecordedStageChain] = []

    def opened() -> RecordedStageChain:
        chains.append(RecordedStageChain())
        return chains[-1]

    monkeypatch.setattr("tests.puzzles.stage.Chain", opened)
    yield
    for chain in chains:
        assert asyncio.run(judged_by_chia(request.node.name, chain.deeds)) == []
