"""Keys: the official wallet's addresses for the same words, typos named, nothing readable while locked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chia.util.keychain import Keychain
from chia_rs import G1Element

from chain.network import MAINNET
from climate_wallet.addresses import PrivateKeys, watch_addresses
from climate_wallet.errors import (
    BuildError,
    KeyExists,
    KeyNotFound,
    KeyringError,
    MnemonicError,
    WalletLocked,
    WrongPassphrase,
)
from climate_wallet.keys import KeyStore
from climate_wallet.mnemonic import check_mnemonic, new_mnemonic

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wallet_addresses.json").read_text())
WORDS: str = VECTORS["keys"][0]["mnemonic"]
FINGERPRINT: int = VECTORS["keys"][0]["fingerprint"]


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[KeyStore]:
    monkeypatch.setattr("chia.util.file_keyring.HASH_ITERS", 100)  # the passphrase's hash is slow on purpose
    store = KeyStore(tmp_path / "keys")
    yield store
    store.close()


@pytest.mark.parametrize("vector", VECTORS["keys"], ids=lambda vector: vector["fingerprint"])
def test_holder_has_the_official_wallets_addresses_for_her_words(keys: KeyStore, vector: dict[str, Any]) -> None:
    info = keys.restore(str(vector["mnemonic"]))
    private = PrivateKeys(keys.private_key(info.fingerprint))
    assert info.fingerprint == vector["fingerprint"]
    for wanted in vector["addresses"]:
        derived = (
            private.hardened([wanted["index"]])
            if wanted["is_hardened"]
            else watch_addresses(G1Element.from_bytes(info.public_key), [wanted["index"]])
        )
        assert MAINNET.encode_address(derived[0].puzzle_hash) == wanted["address"]
        assert private.signing_key(derived[0]).get_g1() == derived[0].synthetic_key


@pytest.mark.parametrize("vector", VECTORS["public_keys"])
def test_watcher_has_the_official_wallets_addresses_from_the_public_key(vector: dict[str, Any]) -> None:
    master = G1Element.from_bytes(bytes.fromhex(vector["public_key"].removeprefix("0x")))
    for wanted in vector["addresses"]:
        (derived,) = watch_addresses(master, [wanted["index"]])
        assert MAINNET.encode_address(derived.puzzle_hash) == wanted["address"]


def test_official_keychain_finds_the_key_we_made(keys: KeyStore) -> None:
    made = keys.create("savings")
    assert len(made.mnemonic.split()) == 24
    assert made.mnemonic not in repr(made)
    found = Keychain().get_key(made.info.fingerprint, include_secrets=True)
    assert (found.label, found.mnemonic_str()) == ("savings", made.mnemonic)


def test_holder_restores_the_same_key_from_four_letters_a_word(keys: KeyStore) -> None:
    short = "  ".join(word[:4].upper() for word in WORDS.split())
    assert keys.restore(short).fingerprint == FINGERPRINT
    assert keys.mnemonic(FINGERPRINT) == WORDS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda words: [*words[:2], "ketchop", *words[3:]], r"word 3, 'ketchop', .* ketchup"),
        (lambda words: [*words[:2], "xqzzz", *words[3:]], r"word 3, 'xqzzz', .* paper copy"),
        (lambda words: [*words[:2], "ketchups", *words[3:]], r"word 3, 'ketchups', .* ketchup"),
        (lambda words: [words[1], words[0], *words[2:]], r"checksum does not fit"),
        (lambda words: words[:-1], r"24 words \(or 12\), these are 23"),
        (lambda words: [], r"these are 0"),
    ],
)
def test_mnemonic_with_a_typo_is_refused_and_named(keys: KeyStore, change: object, said: str) -> None:
    with pytest.raises(MnemonicError, match=said):
        keys.restore(" ".join(change(WORDS.split())))  # type: ignore[operator]
    assert keys.list() == []


def test_new_words_pass_their_own_check() -> None:
    words = new_mnemonic()
    assert check_mnemonic(words) == words


def test_key_restored_twice_is_refused(keys: KeyStore) -> None:
    keys.restore(WORDS)
    with pytest.raises(KeyExists, match=str(FINGERPRINT)):
        keys.restore(WORDS)


def test_locked_keychain_shows_and_signs_nothing_until_unlocked(keys: KeyStore) -> None:
    keys.restore(WORDS)
    keys.set_passphrase("correct horse")
    keys.lock()
    assert keys.is_locked
    for attempt in (keys.list, keys.create, lambda: keys.private_key(FINGERPRINT)):
        with pytest.raises(WalletLocked):
            attempt()
    with pytest.raises(WrongPassphrase):
        keys.unlock("wrong horse")
    keys.unlock("correct horse")
    assert keys.mnemonic(FINGERPRINT) == WORDS


def test_keychain_without_a_passphrase_opens_without_one(keys: KeyStore) -> None:
    keys.restore(WORDS)
    assert not keys.has_passphrase
    keys.lock()
    keys.unlock("")
    assert keys.list()[0].fingerprint == FINGERPRINT
    with pytest.raises(WrongPassphrase, match="no passphrase"):
        keys.unlock("something")


def test_short_passphrase_is_refused(keys: KeyStore) -> None:
    keys.restore(WORDS)
    with pytest.raises(WrongPassphrase, match="8 letters"):
        keys.set_passphrase("short")


def test_passphrase_can_be_taken_away_again(keys: KeyStore) -> None:
    keys.restore(WORDS)
    keys.set_passphrase("correct horse")
    keys.set_passphrase("")
    keys.lock()
    assert not keys.is_locked


def test_deleted_key_is_gone(keys: KeyStore) -> None:
    keys.restore(WORDS)
    keys.delete(FINGERPRINT)
    with pytest.raises(KeyNotFound):
        keys.private_key(FINGERPRINT)
    with pytest.raises(KeyNotFound, match="keys create"):
        keys.delete(FINGERPRINT)


def test_holder_of_several_keys_must_say_which(keys: KeyStore) -> None:
    keys.restore(WORDS)
    assert keys.find().fingerprint == FINGERPRINT
    keys.create()
    with pytest.raises(KeyNotFound, match="choose one"):
        keys.find()


@pytest.mark.parametrize("content", ["not: [yaml", "[]", "version: 99\n"])
def test_broken_keychain_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "keyring.yaml").write_text(content)
    with pytest.raises(KeyringError):
        KeyStore(tmp_path)


def test_key_does_not_sign_for_a_strangers_address(keys: KeyStore) -> None:
    mine, other = keys.create().info, keys.create().info
    address = watch_addresses(G1Element.from_bytes(other.public_key), [0])[0]
    with pytest.raises(BuildError, match="does not own"):
        PrivateKeys(keys.private_key(mine.fingerprint)).signing_key(address)
