"""The admin's hot key: it pays fees and funding, and as long as the governor lets it, it issues.

It lives in Chia's own keychain, as the wallet's keys do. Its first addresses are watched: the first one holds
the engine's XCH, and any of them may be the issuer's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from chia_rs import G1Element

from climate_wallet.addresses import Address, PrivateKeys, watch_addresses
from climate_wallet.keys import KeyInfo, KeyStore
from puzzles.units import PuzzleHash

WATCHED = 50
"""Addresses of the key that are looked through for an owner's public key."""


class EngineKeys:
    """One key of the keychain: its addresses, and its signatures while the keychain is open."""

    def __init__(self, store: KeyStore, fingerprint: int | None = None) -> None:
        """Take the key of that fingerprint, or the only one; raises KeyNotFound and WalletLocked."""
        self._store = store
        self.info: KeyInfo = store.find(fingerprint)
        self._addresses: list[Address] = []

    @classmethod
    def open(
        cls, keys_root: Path | None, fingerprint: int | None, ask_passphrase: Callable[[], str] | None = None
    ) -> EngineKeys:
        """The key in the keychain of that directory (None: CHIA_KEYS_ROOT, else Chia's own place).

        Asks for the passphrase if the keychain has one; raises WrongPassphrase, or WalletLocked with nobody to ask.
        """
        store = KeyStore(keys_root)
        try:
            if ask_passphrase is not None and store.is_locked:
                store.unlock(ask_passphrase())
            return cls(store, fingerprint)
        except BaseException:
            store.close()
            raise

    @property
    def addresses(self) -> list[Address]:
        """The watched addresses, in order of derivation; all unhardened."""
        if not self._addresses:
            master = G1Element.from_bytes(self.info.public_key)
            self._addresses = watch_addresses(master, range(WATCHED))
        return self._addresses

    @property
    def own(self) -> Address:
        """The address that holds the engine's XCH, and whose key issues unless told otherwise."""
        return self.addresses[0]

    def find(self, public_key: bytes) -> Address | None:
        """The watched address of that public key (48 bytes, not synthetic), or None."""
        return next((each for each in self.addresses if each.public_key == public_key), None)

    def find_puzzle(self, puzzle_hash: PuzzleHash) -> Address | None:
        """The watched address of that p2 puzzle hash, or None."""
        return next((each for each in self.addresses if each.puzzle_hash == puzzle_hash), None)

    def private(self) -> PrivateKeys:
        """The private keys, to sign with; raises WalletLocked."""
        return PrivateKeys(self._store.private_key(self.info.fingerprint))

    def close(self) -> None:
        """Forget what was decrypted."""
        self._store.close()
