"""The certificate of any retirement in the index, made from the node's spends and proven to a block header.

The index shows what strangers wrote; a certificate needs their very bytes, so those are read from the chain again. No
private field can be opened here: only the holder knows what opens it.
"""

from __future__ import annotations

from dataclasses import replace

from chia_rs import CoinSpend, get_flags_for_height_and_constants
from sqlalchemy import Engine

from chain.database import reading
from chain.errors import AnswerMalformed
from chain.node import Node
from chain.proofs import proof_of_spend
from explorer.answers import Burn
from explorer.errors import NoCertificate
from explorer.events import retirement
from explorer.reader import UNREADABLE
from explorer.store import TokenRow
from puzzles.certificate import Certificate
from puzzles.recognise import Retirement, read_registry_spend, read_token_spend
from puzzles.tree import is_readable
from puzzles.unit_block_tail import Token
from puzzles.units import AssetId, CoinId, UnitBlock, mojos_to_units


async def certificate_of(node: Node, index: Engine, receipt_id: CoinId) -> Certificate:
    """The certificate of the retirement that left this receipt, with its serials, and proven if it is sealed.

    Raises NotIndexed, NoCertificate for what cannot be written in canonical form, AnswerMalformed if the node's spends
    are not those that were indexed.
    """
    with reading(index) as session:
        burn = retirement(session, receipt_id)
        row = session.get_one(TokenRow, burn.asset_id)
        session.expunge(row)
    try:
        token = await _token(node, row)
        spend = await node.spend(CoinId(burn.coin_id), burn.height)
        certificate = _certificate(node, burn, token, spend, row.issuance_hash)
    except UNREADABLE as error:
        raise AnswerMalformed(f"the node's spends do not read as those that were indexed ({error})") from error
    if certificate.receipt_id != receipt_id:
        raise AnswerMalformed(f"the node gave a spend that leaves another receipt than 0x{receipt_id.hex()}")
    return replace(certificate, proof=await proof_of_spend(node, receipt_id))


async def _token(node: Node, row: TokenRow) -> Token:
    """The token with its metadata, read from the issue."""
    spend = await node.spend(CoinId(row.registry_coin_id), row.issued_height)
    read = read_registry_spend(spend, flags=_flags(node, row.issued_height))
    issues = () if read is None else read.issuances
    if row.position >= len(issues) or issues[row.position].token.asset_id != row.asset_id:
        raise AnswerMalformed(f"the node gave a spend that does not issue the token 0x{row.asset_id.hex()}")
    return issues[row.position].token


def _certificate(node: Node, burn: Burn, token: Token, spend: CoinSpend, issuance_hash: bytes) -> Certificate:
    asset_id = AssetId(burn.asset_id)
    read = read_token_spend(spend, asset_id=asset_id, issuance_hash=issuance_hash, flags=_flags(node, burn.height))
    if not isinstance(read.burn, Retirement):
        raise AnswerMalformed(f"the node gave a spend of 0x{burn.coin_id.hex()} that retires nothing")
    block, metadata = token.reading.block, token.block.at("rrr")
    if block is None:
        raise NoCertificate("the token's serials are outside the canonical form: no certificate can name them")
    if not (is_readable(read.burn.record) and is_readable(metadata)):
        raise NoCertificate("the record or the token's metadata are too large for a certificate")
    stated = burn.unit_block
    serials = None if stated is None else UnitBlock(series=stated.series, first=stated.first, last=stated.last)
    return Certificate(
        genesis_challenge=node.expected_network.genesis_challenge,
        registry_id=token.registry,
        unit_block=block,
        metadata=metadata,
        parent_coin_id=CoinId(bytes(spend.coin.parent_coin_info)),
        inner_puzzle_hash=read.holder,
        amount=int(spend.coin.amount),
        unit_count=mojos_to_units(-read.burn.delta),
        record=read.burn.record,
        serials=serials,
    )


def _flags(node: Node, height: int) -> int:
    return get_flags_for_height_and_constants(height, node.expected_network.constants)
