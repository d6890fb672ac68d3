"""The people of the tests, each with coins of their own on the test's chain."""

from __future__ import annotations

from dataclasses import dataclass

from chia_rs import Coin

from puzzles.units import Mojos
from sim.local_chain import LocalChain
from sim.people import Person

FUNDS = Mojos(10 * 10**12)
"""What each person starts with, in one coin: ten XCH."""


@dataclass(frozen=True, slots=True)
class Funded:
    """A person and the coin they start with."""

    person: Person
    coin: Coin


async def funded(chain: LocalChain, person: Person, amount: Mojos = FUNDS) -> Funded:
    """The person with a coin of that amount on the chain."""
    return Funded(person, await chain.faucet(person.puzzle_hash, amount))
