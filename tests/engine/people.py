"""Keys of the engine's tests, from fixed words."""

from __future__ import annotations

from typing import cast

from chia.util.keychain import bytes_to_mnemonic, mnemonic_to_seed
from chia_rs import AugSchemeMPL, PrivateKey

from climate_wallet.keys import KeyInfo, KeyStore
from tokenization_engine.keys import EngineKeys

HOT_WORDS = bytes_to_mnemonic(b"\x01" * 32)
COLD_WORDS = bytes_to_mnemonic(b"\x02" * 32)


class HeldKey:
    """A keychain of one key, in memory: chia's own takes a second to open."""

    def __init__(self, words: str) -> None:
        self._key = AugSchemeMPL.key_gen(mnemonic_to_seed(words))

    def find(self, _fingerprint: int | None = None) -> KeyInfo:
        public_key = self._key.get_g1()
        return KeyInfo(fingerprint=public_key.get_fingerprint(), label=None, public_key=bytes(public_key))

    def private_key(self, _fingerprint: int) -> PrivateKey:
        return self._key

    def close(self) -> None:
        """Nothing to forget."""


def engine_keys(words: str) -> EngineKeys:
    """The engine's key of these words."""
    return EngineKeys(cast(KeyStore, HeldKey(words)))


HOT_KEYS = engine_keys(HOT_WORDS)
COLD_KEYS = engine_keys(COLD_WORDS)


def cold_keys(count: int) -> tuple[bytes, ...]:
    """The first public keys of the cold words, as a governor names them."""
    return tuple(each.public_key for each in COLD_KEYS.addresses[:count])
