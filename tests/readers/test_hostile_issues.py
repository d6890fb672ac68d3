"""Issues that a thief of the issuer's key dresses up so that a reader takes another coin for the first of the token."""

from __future__ import annotations

from chia.types.blockchain_format.program import Program

from puzzles.cat import CatSpend, cat_puzzle_hash, cat_ring, lineage_proof, payment, run_tail
from puzzles.issuance import IssueRequest
from puzzles.recognise import find_eve, read_registry_spend
from puzzles.registry_ledger import issue_condition
from puzzles.standard import create_coin
from puzzles.unit_block_tail import issue_solution, token_of
from tests.puzzles.stage import (
    ANYONE,
    ISSUER,
    MALLORY,
    METADATA,
    Held,
    Stage,
    block,
    bundle,
    coin_spend,
    hash_of,
    id_of,
    token_coin,
)


def test_reader_finds_the_eve_coin_among_its_own_grandchildren() -> None:
    """Eve, child and grandchild in one block, the grandchild again at the eve coin's puzzle hash and amount: neither of
    the two is a child of the other, and only the eve coin has no token coin for a parent."""
    stage = Stage()
    what = block(1, 100)
    request = IssueRequest(block=what, metadata=METADATA, receiver=MALLORY.puzzle_hash)
    token = token_of(stage.registry.registry, what, METADATA)
    condition = issue_condition(stage.free.take(what), hash_of(ANYONE), token.block)
    registry = stage.as_issuer([condition, stage.keep_on()])
    eve_puzzle_hash = cat_puzzle_hash(token.asset_id, hash_of(ANYONE))
    funding = stage.fund(what.amount)
    payer = coin_spend(funding, ANYONE, Program.to([create_coin(eve_puzzle_hash, what.amount)]))
    eve = token_coin(funding, token.asset_id, hash_of(ANYONE), what.amount)
    tail = run_tail(token.tail, issue_solution(token, stage.registry.inner_puzzle_hash))
    between = Program.to((1, [payment(hash_of(ANYONE), what.amount)]))
    (first,) = cat_ring(
        [
            CatSpend(
                coin=eve,
                asset_id=token.asset_id,
                inner_puzzle=ANYONE,
                inner_solution=Program.to([payment(hash_of(between), what.amount), tail]),
            )
        ]
    )
    child = Held(
        coin=token_coin(eve, token.asset_id, hash_of(between), what.amount),
        token=token,
        inner_puzzle=between,
        lineage=lineage_proof(eve, hash_of(ANYONE)),
    )
    grandchild = child.child(ANYONE, what.amount)
    spends = [
        registry,
        payer,
        first,
        *cat_ring([child.spend(Program.to(0))]),
        *cat_ring([grandchild.spend(Program.to([payment(request.receiver, what.amount)]))]),
    ]
    assert (grandchild.coin.puzzle_hash, grandchild.coin.amount) == (eve.puzzle_hash, eve.amount)
    stage.chain.push(bundle(spends, ISSUER))
    reading = read_registry_spend(registry)
    assert reading is not None
    found = find_eve(reading.issuances[0], spends)
    assert found is not None
    assert id_of(found.coin) == id_of(eve)
