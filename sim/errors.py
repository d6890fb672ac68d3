"""Errors of `sim`: what a caller can ask of the local chain that it cannot do.

SimError
|-- NoSuchBlock            a block, or a depth of blocks, that the chain does not have
|-- FaucetError            an amount no coin can have
|-- StateError             a state directory that cannot be used
|-- NotRunning             no local chain answers at the URL
`-- ProgramFailed          a program that the demo runs did not do what it should
"""

from __future__ import annotations


class SimError(Exception):
    """Any error of this package; its text is one sentence fit for a user."""


class NoSuchBlock(SimError):
    """A block, or a depth of blocks, that the chain does not have."""


class FaucetError(SimError):
    """An amount that no coin can have."""


class StateError(SimError):
    """A state directory that cannot be used."""


class NotRunning(SimError):
    """No local chain answers at the URL."""


class ProgramFailed(SimError):
    """A program that the demo runs did not do what it should."""
