"""The certificate of a retirement of ours, with as many of its private fields disclosed as the holder
chooses.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

from chia.types.blockchain_format.program import Program
from chia_rs import CoinSpend

from chain.database import reading
from climate_wallet.errors import NoCertificate
from climate_wallet.holder import Kept
from climate_wallet.journal import Kind, Status, Transaction, find
from climate_wallet.registries import TokenInfo, token_info
from puzzles.cat import read_cat_spend
from puzzles.certificate import Certificate
from puzzles.fields import PrivateField
from puzzles.retirement import read_receipt_puzzle
from puzzles.units import AssetId, CoinId, PuzzleHash, mojos_to_units


def certificate_of(wallet: Kept, tx_id: bytes, *, disclosed: Collection[str] = ()) -> Certificate:
    """The certificate of a retirement that is in a block; the private fields named in `disclosed` are opened
    in it.

    Raises TransactionNotFound, or NoCertificate for anything but a confirmed retirement of a followed
    registry's token.
    """
    tx = find(wallet.engine, tx_id)
    if tx.kind is not Kind.RETIRE:
        raise NoCertificate(f"the transaction 0x{tx_id.hex()} retires nothing: a certificate is of a retirement")
    if tx.status is not Status.CONFIRMED:
        raise NoCertificate(
            f"the retirement 0x{tx_id.hex()} is {tx.status}: its certificate comes once it is in a block"
        )
    seal = _spend_of(tx, tx.marker)
    burnt = _spend_of(tx, CoinId(bytes(seal.coin.parent_coin_info)))
    receipt, token_coin = read_receipt_puzzle(Program.from_serialized(seal.puzzle_reveal)), read_cat_spend(burnt)
    assert receipt is not None, "we sealed it ourselves"
    assert token_coin is not None, "we burnt it ourselves"
    info = _token(wallet, token_coin.asset_id)
    block = info.unit_block
    if block is None:
        raise NoCertificate("the token's serials are outside the canonical form: no certificate can name them")
    return Certificate(
        genesis_challenge=wallet.network.genesis_challenge,
        registry_id=info.registry_id,
        unit_block=block,
        metadata=info.token.block.at("rrr"),
        parent_coin_id=CoinId(bytes(burnt.coin.parent_coin_info)),
        inner_puzzle_hash=PuzzleHash(bytes(token_coin.inner_puzzle.get_tree_hash())),
        amount=int(burnt.coin.amount),
        unit_count=mojos_to_units(-receipt.delta),
        record=receipt.record,
        disclosed=_opened(tx, disclosed),
    )


def _spend_of(tx: Transaction, coin_id: CoinId) -> CoinSpend:
    return next(spend for spend in tx.bundle.coin_spends if bytes(spend.coin.name()) == coin_id)


def _token(wallet: Kept, asset_id: AssetId) -> TokenInfo:
    with reading(wallet.engine) as session:
        info = token_info(session, asset_id)
    if info is None:
        raise NoCertificate(f"the registry of the token 0x{asset_id.hex()} is no longer followed: add it again first")
    return info


def _opened(tx: Transaction, keys: Collection[str]) -> tuple[PrivateField, ...]:
    """The private fields of these names as the journal keeps them, in the record's order."""
    kept = cast("list[dict[str, str]]", tx.details["private"])
    absent = sorted(set(keys) - {each["key"] for each in kept})
    if absent:
        raise NoCertificate(f"the retirement has no private field {absent[0]}: there is nothing to disclose")
    return tuple(
        PrivateField(key=each["key"], value=each["value"], salt=bytes.fromhex(each["salt"].removeprefix("0x")))
        for each in kept
        if each["key"] in keys
    )
