"""A thief of the issuer's key against the cold governor's orders (P3)."""

from __future__ import annotations

from puzzles.registry_ledger import Owners, next_coin_condition
from tests.puzzles.cold import ColdGovernor
from tests.puzzles.stage import ISSUER, Chain, Stage, bundle, hash_of, person

NEW_ISSUER = person("new issuer")


def test_thief_of_the_issuers_key_cannot_burn_the_governors_order() -> None:
    """The cold coin's message goes to the registry's puzzle, whichever of its owners runs: the issuer's conditions
    could receive it and do nothing, and the cold ceremony would have been for nothing, every time."""
    chain = Chain()
    cold = ColdGovernor(chain)
    stage = Stage(chain=chain, governor_puzzle=cold.puzzle)
    rotated = Owners(issuer_puzzle=NEW_ISSUER.puzzle, governor_puzzle_hash=hash_of(cold.puzzle))
    order = [next_coin_condition(rotated.owners_hash)]
    sends = cold.sends(order, stage.registry)
    receives = [67, 18, stage.order_hash(order), cold.puzzle_hash]
    burn = stage.as_issuer([stage.keep_on(), receives])
    assert chain.why_not(bundle([sends, burn], ISSUER, also=cold.signature(sends)))
    assert chain.takes(bundle([sends, cold.takes(order, stage.registry)], also=cold.signature(sends)))
