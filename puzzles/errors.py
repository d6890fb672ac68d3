"""Errors of `puzzles`: what a caller can get wrong, and what a chain can show that is not well formed.

PuzzleError
|-- SerialError            a series, serial number or unit block outside the canonical form
|-- UnitsError             an amount that is not a whole number of units
|-- SerialsTaken           a block that is not free (any more) in the registry's tree
|-- RecordError            a retirement record or metadata that cannot be written on chain
|-- CertificateError       a retirement certificate that is not well formed, or contradicts itself
|-- MalformedSpend         a spend of one of our puzzles that does not read as such
`-- SpendRefused           a spend of ours that the puzzle itself would refuse
"""

from __future__ import annotations


class PuzzleError(Exception):
    """Any error of this package; its text is one sentence fit for a user."""


class SerialError(PuzzleError):
    """A series, serial number or unit block outside the canonical form."""


class UnitsError(PuzzleError):
    """An amount that is not a whole number of units, or not a possible one."""


class SerialsTaken(PuzzleError):
    """A unit block of which at least one serial is not free in the registry's tree."""


class RecordError(PuzzleError):
    """A retirement record or metadata that cannot be written on chain."""


class CertificateError(PuzzleError):
    """A retirement certificate that is not in the one canonical form, or contradicts itself."""


class MalformedSpend(PuzzleError):
    """A spend of one of our puzzles whose arguments do not read as that puzzle's."""


class SpendRefused(PuzzleError):
    """A spend of ours that the puzzle itself would refuse; caught before it is signed."""
