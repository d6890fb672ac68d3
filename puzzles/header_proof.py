"""The proof that a block spent a coin, checked against the block's header hash and nothing else.

    coin id --path--> removals root, in FoliageTransactionBlock --sha256--> its hash, in Foliage --sha256--> header hash

A header hash is the hash of the block's Foliage. It commits to the block before, to the reward chain block (which has
the height; 1.3 kB more would show it, and are left out) and, in a transaction block, to a FoliageTransactionBlock with
the timestamp and two roots of coins. Consensus lets into the *removals* root only ids of coins that the block really
spent. The *additions* root is of no use here: it mixes ids with puzzle hashes, which their creator chooses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from chia_rs import Foliage, FoliageTransactionBlock

from puzzles.errors import CertificateError
from puzzles.merkle_path import Path, path_to, root_of
from puzzles.units import CoinId

Streamed = TypeVar("Streamed", Foliage, FoliageTransactionBlock)


@dataclass(frozen=True, kw_only=True)
class HeaderProof:
    """A coin id's way to a header hash; raises CertificateError unless every step of it holds.

    What it shows: *if* the block of `header_hash` is one of the chain, it spent that coin, at `timestamp`.
    """

    coin_id: CoinId
    removal_path: Path
    transaction_block: FoliageTransactionBlock
    foliage: Foliage

    def __post_init__(self) -> None:
        """Hold every step from the coin id up to the foliage."""
        named = self.foliage.foliage_transaction_block_hash
        if named is None:
            raise CertificateError(
                f"the block 0x{self.header_hash.hex()} is no transaction block: it spent no coin at all"
            )
        if named != self.transaction_block.get_hash():
            raise CertificateError(
                f"the proof's transaction block is not the one that the header 0x{self.header_hash.hex()} commits to"
            )
        if root_of(self.coin_id, self.removal_path) != self.transaction_block.removals_root:
            raise CertificateError(
                f"the removal path does not lead from the coin 0x{self.coin_id.hex()} to the coins that the block "
                f"0x{self.header_hash.hex()} spent: the block did not spend it, or the path is of another block"
            )

    @cached_property
    def header_hash(self) -> bytes:
        """The block's header hash, recomputed (32 bytes)."""
        return bytes(self.foliage.get_hash())

    @property
    def timestamp(self) -> int:
        """When the block was made, in unix seconds: the header commits to it."""
        return int(self.transaction_block.timestamp)


def prove_removal(
    coin_id: CoinId, *, removals: Iterable[bytes], foliage: Foliage, transaction_block: FoliageTransactionBlock | None
) -> HeaderProof:
    """The proof that the block spent this coin, from all ids that it spent; raises CertificateError if they do not fit.

    The ids may come from anyone: they are held against the block's own root.
    """
    path = path_to(coin_id, removals)
    if path is None or transaction_block is None:
        raise CertificateError(f"the block 0x{foliage.get_hash().hex()} did not spend the coin 0x{coin_id.hex()}")
    return HeaderProof(coin_id=coin_id, removal_path=path, transaction_block=transaction_block, foliage=foliage)


def read_foliage(data: bytes) -> Foliage:
    """The Foliage of these bytes; raises CertificateError unless they are its one encoding."""
    return _streamed(Foliage, data, "foliage")


def read_transaction_block(data: bytes) -> FoliageTransactionBlock:
    """The FoliageTransactionBlock of these bytes; raises CertificateError unless they are its one encoding."""
    return _streamed(FoliageTransactionBlock, data, "transaction block")


def _streamed(kind: type[Streamed], data: bytes, name: str) -> Streamed:
    try:
        value = kind.from_bytes(data)
    except (ValueError, TypeError) as error:
        raise CertificateError(f"the {name} of the proof is none ({len(data)} bytes): {error}") from error
    if bytes(value) != data:
        raise CertificateError(f"the {name} of the proof is not in its one encoding")
    return value
