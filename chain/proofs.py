"""Block-header proofs filled in from a node: that the chain spent a coin, checkable later without any node.

Nothing here is believed: what the node tells of a block must hash to the block's own header.
"""

from __future__ import annotations

from dataclasses import replace

from chain.errors import AnswerMalformed, NotOnChain
from chain.node import Node
from puzzles.certificate import Certificate
from puzzles.errors import CertificateError
from puzzles.header_proof import HeaderProof, prove_removal
from puzzles.units import CoinId


async def proof_of_spend(node: Node, coin_id: CoinId) -> HeaderProof | None:
    """The proof that a block of the node's chain spent this coin, or None while it is unspent.

    Raises NotOnChain if the chain has no such coin, or moved while it was read.
    """
    coin = (await node.coins([coin_id])).get(coin_id)
    if coin is None:
        raise NotOnChain(f"the coin 0x{coin_id.hex()} is not on chain: it was never made, or a reorg took it away")
    if coin.spent_height is None:
        return None
    block = await node.block(coin.spent_height)
    coins = None if block is None else await node.additions_and_removals(block.header_hash)
    removals = [] if coins is None else [each.coin_id for each in coins.removals]
    if block is None or coin_id not in removals:
        raise NotOnChain(f"the chain went another way while block {coin.spent_height} was read: ask again")
    header = await node.header(block.header_hash)
    try:
        return prove_removal(
            coin_id,
            removals=removals,
            foliage=header.foliage,
            transaction_block=header.transaction_block,
        )
    except CertificateError as error:
        raise AnswerMalformed(f"what the node tells of block {coin.spent_height} does not fit: {error}") from error


async def with_proof(node: Node, certificate: Certificate) -> Certificate:
    """The certificate with the proof that the chain has now for it: a new one after a reorg, none while it is open.

    Raises NotOnChain if its receipt is not on chain.
    """
    return replace(certificate, proof=await proof_of_spend(node, certificate.receipt_id))
