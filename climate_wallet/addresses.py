"""Addresses of a key: the same puzzle hashes, in the same order, as the official wallet derives.

Unhardened addresses need only the master public key, so a locked wallet goes on watching; hardened ones need
the private key once, when they are derived.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from chia.wallet.derive_keys import (
    master_pk_to_wallet_pk_unhardened_intermediate,
    master_sk_to_local_sk,
    master_sk_to_wallet_sk_intermediate,
    master_sk_to_wallet_sk_unhardened_intermediate,
)
from chia.wallet.puzzles.p2_delegated_puzzle_or_hidden_puzzle import (
    DEFAULT_HIDDEN_PUZZLE_HASH,
    calculate_synthetic_public_key,
    calculate_synthetic_secret_key,
    puzzle_hash_for_pk,
)
from chia_rs import AugSchemeMPL, G1Element, PrivateKey

from climate_wallet.errors import BuildError
from puzzles.units import PuzzleHash


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of ours: its p2 puzzle hash, the public key in it (48 bytes, not synthetic) and where it
    derives.
    """

    puzzle_hash: PuzzleHash
    public_key: bytes
    index: int
    is_hardened: bool

    @property
    def synthetic_key(self) -> G1Element:
        """The key that signs for coins of this address."""
        return calculate_synthetic_public_key(G1Element.from_bytes(self.public_key), DEFAULT_HIDDEN_PUZZLE_HASH)


def watch_addresses(master: G1Element, indexes: Iterable[int]) -> list[Address]:
    """Unhardened addresses, from the master public key alone."""
    intermediate = master_pk_to_wallet_pk_unhardened_intermediate(master)
    return [
        _address(AugSchemeMPL.derive_child_pk_unhardened(intermediate, index), index, is_hardened=False)
        for index in indexes
    ]


def hardened_addresses(master: PrivateKey, indexes: Iterable[int]) -> list[Address]:
    """Hardened addresses, as the official wallet used before 2021 and still watches."""
    intermediate = master_sk_to_wallet_sk_intermediate(master)
    return [
        _address(AugSchemeMPL.derive_child_sk(intermediate, index).get_g1(), index, is_hardened=True)
        for index in indexes
    ]


def _address(key: G1Element, index: int, *, is_hardened: bool) -> Address:
    return Address(
        puzzle_hash=PuzzleHash(bytes(puzzle_hash_for_pk(key))),
        public_key=bytes(key),
        index=index,
        is_hardened=is_hardened,
    )


class PrivateKeys:
    """The private keys behind addresses; made at unlock, forgotten at lock, and shown by nothing."""

    def __init__(self, master: PrivateKey) -> None:
        """Keep the master key's two branches."""
        self._master = master
        self._unhardened = master_sk_to_wallet_sk_unhardened_intermediate(master)
        self._hardened = master_sk_to_wallet_sk_intermediate(master)

    def __repr__(self) -> str:
        """Nothing of the keys."""
        return "PrivateKeys(...)"

    @property
    def master_public_key(self) -> G1Element:
        """The master public key: what a wallet's store is bound to."""
        return self._master.get_g1()

    def salt_seed(self) -> bytes:
        """What the salts of private fields are made from, 32 bytes: chia's own branch for local secrets,
        hashed.
        """
        return sha256(b"salts of retirement records" + bytes(master_sk_to_local_sk(self._master))).digest()

    def hardened(self, indexes: Iterable[int]) -> list[Address]:
        """Hardened addresses of these indexes."""
        return hardened_addresses(self._master, indexes)

    def signing_key(self, address: Address) -> PrivateKey:
        """The synthetic private key of one of our addresses; raises BuildError for an address of another
        key.
        """
        if address.is_hardened:
            key = AugSchemeMPL.derive_child_sk(self._hardened, address.index)
        else:
            key = AugSchemeMPL.derive_child_sk_unhardened(self._unhardened, address.index)
        if bytes(key.get_g1()) != address.public_key:
            raise BuildError(f"the unlocked key does not own address {address.index}: nothing was signed")
        return calculate_synthetic_secret_key(key, DEFAULT_HIDDEN_PUZZLE_HASH)
