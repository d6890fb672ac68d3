"""The local chain's blocks have true headers: chia's own checks of a block body hold for them."""

from __future__ import annotations

from itertools import pairwise

from chia.consensus.block_body_validation import validate_block_merkle_roots
from chia.util.hash import std_hash
from chia_rs import FullBlock
from chia_rs.sized_bytes import bytes32

from puzzles.units import Mojos
from sim.headers import Header
from sim.local_chain import LocalChain
from sim.people import ALICE, BOB, Payment
from tests.people import Funded


async def blocks_of(chain: LocalChain) -> list[FullBlock]:
    records = [record for height in range(chain.height + 1) if (record := chain.blocks.at(height)) is not None]
    blocks = [await chain.blocks.full_block(chain.constants, record) for record in records]
    assert [block.header_hash for block in blocks] == [record.header_hash for record in records]
    return blocks


async def check(chain: LocalChain, block: FullBlock) -> None:
    """What consensus asks of a block's hashes and roots, told the coins of the chain's own coin store."""
    transaction_block, info = block.foliage_transaction_block, block.transactions_info
    assert transaction_block is not None
    assert info is not None
    additions = await chain.coin_store.get_coins_added_at_height(block.height)
    removals = await chain.coin_store.get_coins_removed_at_height(block.height) if block.height else []
    assert block.foliage.foliage_transaction_block_hash == transaction_block.get_hash()
    assert block.foliage.reward_block_hash == block.reward_chain_block.get_hash()
    assert transaction_block.transactions_info_hash == info.get_hash()
    assert set(info.reward_claims_incorporated) == {record.coin for record in additions if record.coinbase}
    generator = block.transactions_generator
    assert info.generator_root == (bytes32.zeros if generator is None else std_hash(bytes(generator)))
    error = validate_block_merkle_roots(
        transaction_block.additions_root,
        transaction_block.removals_root,
        [(record.coin, record.coin.name()) for record in additions],
        [record.coin.name() for record in removals],
    )
    assert error is None


async def test_every_header_commits_to_what_its_block_did(chain: LocalChain, alice: Funded, bob: Funded) -> None:
    first = ALICE.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))], fee=Mojos(3))
    await chain.push(first)
    await chain.push(BOB.pay([bob.coin], [Payment(puzzle_hash=ALICE.puzzle_hash, amount=Mojos(6))]))
    await chain.farm(2)

    blocks = await blocks_of(chain)

    for block in blocks:
        await check(chain, block)
    assert [block.height for block in blocks] == list(range(len(blocks)))
    for before, block in pairwise(blocks):
        assert block.prev_header_hash == before.header_hash
    spending = blocks[-2]
    assert spending.transactions_info is not None
    assert (spending.transactions_info.fees, spending.transactions_info.cost > 0) == (3, True)


async def test_block_of_the_same_contents_on_another_branch_has_another_header(chain: LocalChain) -> None:
    await chain.farm(2)
    before = [block.header_hash for block in await blocks_of(chain)]

    await chain.reorg(2, new_blocks=2)

    after = await blocks_of(chain)
    assert [block.header_hash for block in after[:-2]] == before[:-2]
    assert not set(before[-2:]) & {block.header_hash for block in after}
    for block in after:
        await check(chain, block)


async def test_header_reads_as_it_was_written(chain: LocalChain, alice: Funded) -> None:
    await chain.push(ALICE.pay([alice.coin], [Payment(puzzle_hash=BOB.puzzle_hash, amount=Mojos(5))]))
    await chain.farm()

    header = (await chain.blocks.contents(chain.height)).header

    assert Header.from_bytes(header.to_bytes()) == header
