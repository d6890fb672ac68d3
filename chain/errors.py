"""Errors of `chain`: what can go wrong between us and a full node, each in one sentence fit for a user.

ChainError
|-- SettingsError          a configuration value or file that does not read
|-- AddressError           an address that is none, or belongs to another network
|-- NodeDown               nobody answers at the node's URL, or not in time
|-- NodeNotSynced          the node is behind the network: what it says may be old
|-- WrongCertificates      the TLS certificates are missing, unreadable or not accepted
|-- WrongNetwork           the node follows another network than the one asked for
|-- AnswerMalformed        the node's answer is not what its dialect promises, or not what was asked
|   `-- NotOffered         a question that this node, or public endpoint, does not answer at all
|-- AnswerCapped           the answer reached the node's limit: more may exist than was shown
|-- NotOnChain             a coin, spend or block asked for by name that the node does not know
|-- NotAReceipt            a coin that no retirement left
|-- PushRefused            the node refused the transaction
|   |-- AlreadySpent       a coin of it was spent in a block: it is included, or something else is
|   |-- NotTakenYet        it pays too little for a full mempool, or was put out of one: it may be taken later
|   `-- MempoolConflict    another pending transaction spends a coin of it
|-- ConfirmTimeout         the transaction was not confirmed in the time given
|-- FeeTooHigh             the fee the node asks for is above the ceiling
|-- ServeError             a program cannot open its HTTP door as asked
|-- RequestError           an HTTP request that does not read as the route asks
`-- StoreError             a database that cannot serve
    |-- StoreUnreadable    it cannot be opened, or is not one of ours
    |-- StoreBusy          another program holds it
    |-- OutcomeUnknown     it went away while a transaction ended: written or not, it did not say
    `-- StoreTooNew        a newer version of the program wrote it
"""

from __future__ import annotations


class ChainError(Exception):
    """Any error of this package; its text is one sentence fit for a user."""


class SettingsError(ChainError):
    """A configuration value, or a configuration file, that does not read."""


class AddressError(ChainError):
    """An address that is none, or one of another network."""


class NodeDown(ChainError):
    """Nobody answers at the node's URL, or not in time."""


class NodeNotSynced(ChainError):
    """The node is behind the network: what it says may be old, and it takes no transactions."""


class WrongCertificates(ChainError):
    """The TLS certificates are missing, unreadable or not accepted by the other side."""


class WrongNetwork(ChainError):
    """The node follows another network than the one asked for."""


class AnswerMalformed(ChainError):
    """The node's answer is not what its dialect promises, or not an answer to what was asked."""


class NotOffered(AnswerMalformed):
    """A question that this node, or public endpoint, does not answer at all."""


class AnswerCapped(ChainError):
    """The answer reached the node's limit: more may exist, and was left out in silence."""


class NotOnChain(ChainError):
    """A coin, spend or block that was asked for by name and that the node does not know."""


class NotAReceipt(ChainError):
    """A coin named as a receipt that no retirement left, or one whose record is larger than any reader takes."""


class PushRefused(ChainError):
    """The node refused the transaction; `code` is the node's own word for the reason."""

    def __init__(self, code: str, sentence: str) -> None:
        """Keep the node's reason code beside the sentence."""
        super().__init__(sentence)
        self.code = code


class AlreadySpent(PushRefused):
    """A coin of the transaction was spent in a block before."""


class NotTakenYet(PushRefused):
    """It pays too little for a full mempool, or was put out of one: it may be taken later, or with a higher fee."""


class MempoolConflict(PushRefused):
    """Another pending transaction spends a coin of this one, and this one may not replace it."""


class ConfirmTimeout(ChainError):
    """The transaction was not confirmed in the time given; it may still be."""


class FeeTooHigh(ChainError):
    """The fee the node asks for is above the ceiling."""

    def __init__(self, sentence: str, *, wanted: int, ceiling: int) -> None:
        """Keep both amounts, in mojos."""
        super().__init__(sentence)
        self.wanted = wanted
        self.ceiling = ceiling


class ServeError(ChainError):
    """A program cannot open its HTTP door as asked: port taken, token missing or readable by others."""


class RequestError(ChainError):
    """An HTTP request whose body or parameters do not read as the route asks."""


class StoreError(ChainError):
    """A database that cannot serve."""


class StoreUnreadable(StoreError):
    """A database that cannot be opened, or a file that is no database of ours."""


class StoreBusy(StoreError):
    """A database that another program holds for longer than we wait."""


class OutcomeUnknown(StoreError):
    """A database that went away between the end of a transaction and its answer: all of it was written, or nothing."""


class StoreTooNew(StoreError):
    """A database whose schema a newer version of the program wrote."""
