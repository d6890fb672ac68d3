"""Keys in Chia's own keychain, shared with the official wallet: created, restored, listed, deleted, locked.

The rule guarded here: a private key leaves this module only as a `PrivateKey` for signing; words leave it
only when their owner asks at the terminal. The keychain never prompts (a daemon has nobody to ask): what
would make it prompt is refused before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from chia.util.errors import KeychainException, KeychainFingerprintExists, KeychainFingerprintNotFound
from chia.util.file_keyring import FileKeyringVersionError
from chia.util.keychain import MIN_PASSPHRASE_LEN, Keychain, KeyData, set_keys_root_path
from chia.util.keyring_wrapper import DEFAULT_PASSPHRASE_IF_NO_MASTER_PASSPHRASE, KeyringWrapper
from chia.util.lock import LockfileError
from chia_rs import PrivateKey
from chia_rs.sized_ints import uint32
from cryptography.exceptions import InvalidTag

from climate_wallet.errors import (
    KeyExists,
    KeyNotFound,
    KeyringError,
    MnemonicError,
    WalletLocked,
    WrongPassphrase,
)
from climate_wallet.mnemonic import check_mnemonic, new_mnemonic


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyInfo:
    """What may be shown of a key: fingerprint, label and master public key (48 bytes)."""

    fingerprint: int
    label: str | None
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key just created, with the words that restore it: show them once, keep them nowhere."""

    info: KeyInfo
    mnemonic: str

    def __repr__(self) -> str:
        """The words never show in a log."""
        return f"NewKey(fingerprint={self.info.fingerprint})"


class KeyStore:
    """Chia's keychain of one directory (CHIA_KEYS_ROOT, ~/.chia_keys unless told otherwise)."""

    def __init__(self, keys_root: Path | None = None) -> None:
        """Open the keychain; raises KeyringError if its file does not read."""
        self._keys_root = keys_root
        self._has_passphrase: tuple[int, bool] | None = None
        self._open()

    def _open(self) -> None:
        if self._keys_root is not None:
            KeyringWrapper.cleanup_shared_instance()
            set_keys_root_path(self._keys_root)
        with _in_words():
            self._wrapper = KeyringWrapper.get_shared_instance()
            self._keychain = Keychain()

    def close(self) -> None:
        """Forget what was decrypted, and stop watching the keychain's file."""
        self._wrapper.keyring.cleanup_keyring_file_watcher()
        KeyringWrapper.cleanup_shared_instance()

    # --- the passphrase

    @property
    def has_passphrase(self) -> bool:
        """Whether the keychain is protected by a passphrase of its owner's."""
        with _in_words():
            written = self._wrapper.keyring.keyring_path.stat().st_mtime_ns
            if self._has_passphrase is None or self._has_passphrase[0] != written:  # a slow question on purpose
                is_protected = not self._opens_with(DEFAULT_PASSPHRASE_IF_NO_MASTER_PASSPHRASE)
                self._has_passphrase = (written, is_protected and self._wrapper.keyring.has_content())
            return self._has_passphrase[1]

    @property
    def is_locked(self) -> bool:
        """Whether the keys cannot be read until `unlock`."""
        cached, is_checked = self._wrapper.get_cached_master_passphrase()
        if not is_checked:
            passphrase = cached or DEFAULT_PASSPHRASE_IF_NO_MASTER_PASSPHRASE
            is_checked = self._opens_with(passphrase)
            self._wrapper.set_cached_master_passphrase(passphrase, validated=is_checked)
        return not is_checked

    def unlock(self, passphrase: str) -> None:
        """Open the keychain until `lock`; raises WrongPassphrase. Without a passphrase set, an empty one
        opens it.
        """
        if not self.has_passphrase:
            if passphrase:
                raise WrongPassphrase("the keychain has no passphrase: unlock without one, or set one first")
            return
        if not self._opens_with(passphrase):
            raise WrongPassphrase("the passphrase does not open the keychain: check it and try again")
        self._wrapper.set_cached_master_passphrase(passphrase, validated=True)

    def lock(self) -> None:
        """Forget the passphrase and everything decrypted with it."""
        self.close()
        self._open()

    def set_passphrase(self, new: str) -> None:
        """Protect the keychain with a new passphrase, or with none if it is empty; the keychain must be
        open.
        """
        self._check_open()
        if new and len(new) < MIN_PASSPHRASE_LEN:
            raise WrongPassphrase(f"the new passphrase is too short: expected {MIN_PASSPHRASE_LEN} letters or more")
        current, _ = self._wrapper.get_cached_master_passphrase()
        with _in_words():
            self._wrapper.set_master_passphrase(current, new or DEFAULT_PASSPHRASE_IF_NO_MASTER_PASSPHRASE)

    # --- the keys

    def create(self, label: str | None = None) -> NewKey:
        """A new key in the keychain, with its 24 words."""
        words = new_mnemonic()
        return NewKey(info=self.restore(words, label), mnemonic=words)

    def restore(self, mnemonic: str, label: str | None = None) -> KeyInfo:
        """The key of these words, put into the keychain; raises MnemonicError or KeyExists."""
        words = check_mnemonic(mnemonic)
        self._check_open()
        with _in_words():
            try:
                key = self._keychain.add_key(words, label)
            except KeychainFingerprintExists as error:
                raise KeyExists(f"the keychain holds the key {error.fingerprint} already: nothing to do") from error
        fingerprint = key.get_g1().get_fingerprint()
        try:
            return self.find(fingerprint)  # the keychain fails to write without a word, so look
        except KeyNotFound as error:
            raise KeyringError(
                f"the keychain in {self._wrapper.keys_root_path} did not keep the key: can it be written?"
            ) from error

    def list(self) -> list[KeyInfo]:
        """The keys that have a private part, oldest first."""
        self._check_open()
        with _in_words():
            return [_info(data) for data in self._keychain.get_keys(include_secrets=True) if data.secrets]

    def observed(self) -> tuple[KeyInfo, ...]:
        """The keys of which the keychain holds the public part only: they watch and cannot sign."""
        self._check_open()
        with _in_words():
            return tuple(_info(data) for data in self._keychain.get_keys(include_secrets=True) if not data.secrets)

    def find(self, fingerprint: int | None = None) -> KeyInfo:
        """The key of that fingerprint, or the only key there is; raises KeyNotFound."""
        keys = self.list()
        if fingerprint is None and len(keys) > 1:
            known = ", ".join(str(key.fingerprint) for key in keys)
            raise KeyNotFound(f"the keychain holds {len(keys)} keys ({known}): choose one with --fingerprint")
        found = [key for key in keys if fingerprint in (None, key.fingerprint)]
        if not found:
            which = f"the key {fingerprint}" if fingerprint is not None else "any key"
            raise KeyNotFound(
                f"the keychain does not hold {which}: create one with `keys create`, or `keys restore` it"
            )
        return found[0]

    def mnemonic(self, fingerprint: int) -> str:
        """The words of a key, for its owner's eyes."""
        return self._secret(fingerprint).mnemonic_str()

    def private_key(self, fingerprint: int) -> PrivateKey:
        """The master private key, to sign with."""
        return self._secret(fingerprint).private_key

    def delete(self, fingerprint: int) -> None:
        """Remove a key from the keychain for good; only its words bring it back."""
        self.find(fingerprint)
        with _in_words():
            removed = self._keychain.delete_key_by_fingerprint(uint32(fingerprint))
        if not removed:
            raise KeyringError(f"the keychain did not let go of the key {fingerprint}: check that it can be written")

    def _secret(self, fingerprint: int) -> KeyData:
        self._check_open()
        with _in_words():
            try:
                data = self._keychain.get_key(uint32(fingerprint), include_secrets=True)
            except KeychainFingerprintNotFound as error:
                raise KeyNotFound(f"the keychain does not hold the key {fingerprint}") from error
        if data.secrets is None:
            raise KeyNotFound(f"the keychain holds only the public part of the key {fingerprint}: restore its words")
        return data

    def _check_open(self) -> None:
        if self.is_locked:
            raise WalletLocked("the keychain is locked: unlock it with its passphrase")

    def _opens_with(self, passphrase: str) -> bool:
        with _in_words():
            return self._wrapper.master_passphrase_is_valid(passphrase, force_reload=True)


def _info(data: KeyData) -> KeyInfo:
    return KeyInfo(fingerprint=int(data.fingerprint), label=data.label, public_key=bytes(data.public_key))


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what the keychain says into one sentence."""
    try:
        yield
    except LockfileError as error:
        raise KeyringError("the keychain is in use by another program: end it and try again") from error
    except InvalidTag as error:
        raise WalletLocked("the keychain's passphrase was changed meanwhile: unlock it again") from error
    except (KeychainException, FileKeyringVersionError) as error:
        raise KeyringError(f"the keychain cannot be used: {error or type(error).__name__}") from error
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise KeyringError(
            f"the keychain's file does not read ({type(error).__name__}): see CHIA_KEYS_ROOT and its rights"
        ) from error


__all__ = ["KeyInfo", "KeyStore", "MnemonicError", "NewKey"]
