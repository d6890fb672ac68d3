"""Errors of `climate_wallet`: what a holder can get wrong, and what her wallet cannot do, one sentence each.

WalletError
|-- KeyringError            Chia's keychain cannot be read or written
|-- MnemonicError           the words are not a mnemonic: count, spelling or checksum
|-- KeyNotFound             no key of that fingerprint in the keychain, or none at all
|-- KeyExists               the keychain holds this key already
|-- WalletLocked            the keys are locked: a passphrase opens them
|-- WrongPassphrase         the passphrase does not open the keychain
|-- WalletMismatch          the wallet's store belongs to another key or network
|-- AmountError             an amount that is not whole, not positive, or not a number
|-- NotEnoughFunds          fewer mojos of XCH than the payment and its fee need
|-- NotEnoughUnits          fewer units of the token than asked for, or spread over too many coins
|-- UnknownToken            no token of that asset id is known to this wallet
|-- UnknownRegistry         the id is not that of a registry this wallet can read on chain
|-- WalletNotSynced         the wallet has not caught up with its node yet
|-- TransactionNotFound     no transaction of that id in this wallet
|-- RequestReused           a caller's request id that stands for something else already
|-- NoCertificate           the transaction is no retirement, or in no block yet
|-- CannotReplace           the transaction can no longer be replaced
|-- OfferMalformed          a text that is no offer, or an offer that could never be valid
|-- OfferUnsupported        an offer that is no plain trade of XCH and CATs
|-- OfferNotFound           no offer of that id was made here
|-- OfferEnded              an offer that is taken, cancelled or expired, or is being taken
|-- OfferDeclined           an offer that asks more than was agreed to, or is this wallet's own
|-- TokenNotTrusted         an offer of a token that no followed registry issued
|-- StockWalletDown         the official wallet does not answer, or does not let us in
|-- StockWalletRefused      the official wallet answered with an error of its own
|-- StockWalletMalformed    the official wallet's answer does not read, or is not what was asked
|-- UnitsScattered          the units lie in several coins, and the official wallet retires out of one
|-- HeldElsewhere           the official wallet keeps the keys: that is done there
|-- BuildError              a bundle of ours that would not keep what it promises; nothing was pushed
|-- DaemonDown              the command line finds no daemon, or no token to speak to it
`-- DaemonRefused           the daemon answered a command line's request with an error
"""

from __future__ import annotations


class WalletError(Exception):
    """Any error of this package; its text is one sentence fit for a user."""


class KeyringError(WalletError):
    """Chia's keychain cannot be read or written."""


class MnemonicError(WalletError):
    """The words are not a mnemonic: wrong count, spelling or checksum."""


class KeyNotFound(WalletError):
    """No key of that fingerprint in the keychain, or none at all."""


class KeyExists(WalletError):
    """The keychain holds this key already."""


class WalletLocked(WalletError):
    """The keys are locked: unlock them with the keychain's passphrase."""


class WrongPassphrase(WalletError):
    """The passphrase does not open the keychain."""


class WalletMismatch(WalletError):
    """The wallet's store belongs to another key or another network."""


class AmountError(WalletError):
    """An amount that is not whole, not positive, or not a number."""


class NotEnoughFunds(WalletError):
    """Fewer mojos of XCH than the payment and its fee need; carries both amounts."""

    def __init__(self, sentence: str, *, wanted: int, found: int) -> None:
        """Keep both amounts, in mojos."""
        super().__init__(sentence)
        self.wanted = wanted
        self.found = found


class NotEnoughUnits(WalletError):
    """Fewer mojos of the token than asked for; carries both amounts."""

    def __init__(self, sentence: str, *, wanted: int, found: int) -> None:
        """Keep both amounts, in mojos of the token."""
        super().__init__(sentence)
        self.wanted = wanted
        self.found = found


class UnknownToken(WalletError):
    """No token of that asset id is known to this wallet."""


class UnknownRegistry(WalletError):
    """The id is not that of a registry this wallet can read on chain."""


class WalletNotSynced(WalletError):
    """The wallet has not caught up with its node yet."""


class TransactionNotFound(WalletError):
    """No transaction of that id in this wallet."""


class RequestReused(WalletError):
    """A caller's request id that stands for another transaction already."""


class NoCertificate(WalletError):
    """The transaction is no retirement, is in no block yet, or has no such private field."""


class CannotReplace(WalletError):
    """The transaction can no longer be replaced."""


class OfferMalformed(WalletError):
    """A text that is no offer, or an offer that could never be valid."""


class OfferUnsupported(WalletError):
    """An offer that is no plain trade of XCH and CATs."""


class OfferNotFound(WalletError):
    """No offer of that id was made by this wallet."""


class OfferEnded(WalletError):
    """An offer that is taken, cancelled or expired, or that somebody is taking now."""


class OfferDeclined(WalletError):
    """An offer that this wallet does not take: it asks more than was agreed to, or is its own."""


class TokenNotTrusted(WalletError):
    """An offer of a token that no followed registry issued, taken without saying so."""


class StockWalletDown(WalletError):
    """The official wallet does not answer at its URL, or does not let us in."""


class StockWalletRefused(WalletError):
    """The official wallet answered with an error of its own; `reason` is its word for it."""

    def __init__(self, sentence: str, *, reason: str) -> None:
        """Keep the official wallet's reason beside the sentence."""
        super().__init__(sentence)
        self.reason = reason


class StockWalletMalformed(WalletError):
    """The official wallet's answer does not read, or is not an answer to what was asked."""


class UnitsScattered(WalletError):
    """The units lie in several coins, and the official wallet retires out of one: combine them first."""


class HeldElsewhere(WalletError):
    """The official wallet keeps the keys, and that is done there."""


class BuildError(WalletError):
    """A bundle of ours that would not keep what it promises; it was not pushed."""


class DaemonDown(WalletError):
    """The command line finds no daemon at its URL, or no token to speak to it with."""


class DaemonRefused(WalletError):
    """The daemon answered with an error; carries its name so that the exit code fits."""

    def __init__(self, name: str, sentence: str) -> None:
        """Keep the error's class name beside its sentence."""
        super().__init__(sentence)
        self.name = name
