"""Is it really a token of ours? Only the parent's spend can say, and it is read before a coin is believed.

A coin at a token's puzzle hash proves nothing: anyone can park one there, and it can never be spent. A child
of a coin that was itself spent as a CAT of the same token is genuine, because consensus ran that spend.
"""

from __future__ import annotations

from dataclasses import dataclass

from chia_rs import Coin, CoinSpend

from climate_wallet.book import AddressBook
from puzzles.cat import cat_puzzle_hash, read_cat_spend
from puzzles.units import AssetId, PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A token coin that was spent: what its children's lineage proofs name."""

    asset_id: AssetId
    coin: Coin
    inner_puzzle_hash: PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Genuine:
    """A coin found to be a token of ours, and the address that owns it."""

    coin: Coin
    p2_puzzle_hash: PuzzleHash
    parent: Parent


def read_parent(spend: CoinSpend) -> Parent | None:
    """The spent coin as a token's, or None if it was none; its whole puzzle hash is recomputed."""
    reading = read_cat_spend(spend)
    if reading is None:
        return None
    inner_puzzle_hash = PuzzleHash(bytes(reading.inner_puzzle.get_tree_hash()))
    if cat_puzzle_hash(reading.asset_id, inner_puzzle_hash) != bytes(spend.coin.puzzle_hash):
        return None
    return Parent(asset_id=reading.asset_id, coin=spend.coin, inner_puzzle_hash=inner_puzzle_hash)


def recognise(coin: Coin, parent: Parent, book: AddressBook) -> Genuine | None:
    """The coin as a token of ours, or None: it must be the parent's child, of the parent's token, at our
    address.
    """
    p2_puzzle_hash = book.owner_of(parent.asset_id, PuzzleHash(bytes(coin.puzzle_hash)))
    if p2_puzzle_hash is None or coin.parent_coin_info != parent.coin.name():
        return None
    return Genuine(coin=coin, p2_puzzle_hash=p2_puzzle_hash, parent=parent)
