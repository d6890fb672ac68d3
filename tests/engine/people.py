"""Keys of the engine's tests, from fixed words."""

from __future__ import annotations

from chia.util.keychain import bytes_to_mnemonic, mnemonic_to_seed
from chia_rs import AugSchemeMPL

from climate_wallet.addresses import PrivateKeys, watch_addresses

HOT_WORDS = bytes_to_mnemonic(b"\x01" * 32)
COLD_WORDS = bytes_to_mnemonic(b"\x02" * 32)


def cold_private() -> PrivateKeys:
    """The private keys of the cold words."""
    return PrivateKeys(AugSchemeMPL.key_gen(mnemonic_to_seed(COLD_WORDS)))


def cold_keys(count: int) -> tuple[bytes, ...]:
    """The first public keys of the cold words, as a governor names them."""
    return tuple(each.public_key for each in watch_addresses(cold_private().master_public_key, range(count)))
