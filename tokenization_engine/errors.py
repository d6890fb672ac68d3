"""Errors of `tokenization_engine`: each text is one sentence fit for a user.

EngineError
|-- RegisterError          the register refuses, and nothing was written
|   |-- RecordInvalid      a record that breaks the rules of the data model, with every problem named
|   |   `-- ImportRefused  a file of records of which at least one does
|   |-- ExportFailed       an export that cannot be written, or not in that format
|   |-- NotInRegister      a project, issuance, label or unit that the register does not hold
|   |-- SerialsOverlap     a unit block that shares serials with one the register holds
|   |-- QuantityExceeded   more units than their issuance or label admits
|   |-- StillReferred      a record that other records stand on and that is not deleted, or not yet
|   |-- StagingRefused     a change that cannot be staged, committed or dropped
|   |   `-- RecordChanged  a record that was changed since, by somebody else
|   |-- TrailBroken        an audit trail that does not hold, with the first thing wrong
|   |-- ListTooLong        a list for which every record must be looked at, and that takes longer than it may
|   |-- ListsBusy          a list of that kind, while as many as may be are being looked up
|   |-- VocabularyInvalid  a governance file that is none, or lacks what the register needs
|   |-- MoveRefused        a status a record may not move to from the one it has
|   |-- AlreadyTokenized   a unit whose serials were tokenized before, as another token
|   |-- RangeRefused       a serial range that is not, or not wholly, the register's to retire or take back
|   |-- EventMismatch      a chain event under a coin id that was applied before with other contents
|   |-- UndoRefused        a chain event that cannot be taken back while later changes stand on it
|   |-- BackupInvalid      a backup that is none, was cut or changed, or cannot be written
|   `-- RestoreRefused     a database that holds a register already, or a program of another schema made its tables
|-- RegistryError          the registry on chain cannot be used as asked
|   |-- NotARegistry       the id is not that of a registry of ours on this chain
|   |-- NoRegistry         this engine has no registry yet
|   |-- RegistryEnded      the registry's singleton was ended: nothing can be issued any more
|   |-- OwnersUnknown      the chain shows the owners by their hash only, and nobody told us who they are
|   |-- OwnersInvalid      an issuer, allotment or governor that cannot own a registry
|   `-- NotTheIssuer       the keys at hand are not those of the registry's issuer
|-- CadtError              the CADT server that keeps the register did not do as asked
|   |-- CadtDown           it does not answer, or is not ready: what was begun goes on later
|   |-- CadtRefused        it refused a request, with its own reasons
|   |-- CadtMalformed      it answers something else than a CADT server does
|   |-- CadtStaged         changes that somebody else staged there wait for their commit
|   `-- CadtDiffers        what it holds and what this register holds do not fit together
|-- OutsideAllotment       a unit block that the governor has not allotted to the issuer
|-- NothingToDo            a command that names no unit
|-- UnderWay               a unit that a job of the journal is about to tokenize
|-- JobNotFound            no job of that number in the journal
|-- JobRefused             a job that cannot be done any more, or not be cancelled
|-- WaitedTooLong          the work is journalled and goes on with `resume`, but was not done in time
|-- RequestInvalid         a detokenization request that is none, or not one this registry can grant
|-- OrderInvalid           a governor's order, or a signature of one, that does not read or does not fit
|-- StatementInvalid       a statement outside the vocabulary
|-- ApiKeyInvalid          a name or role that no API key can have, or the name of a key that is not there
|-- VersionMissing         a change of a record that does not say which version of it was read
|-- VersionPassed          a change of a record that has another version by now
`-- KeyReused              an Idempotency-Key that came before with another request
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PROBLEMS_SHOWN = 20
"""Problems named in an error's text; the rest are counted, and all are in its `problems`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with one field of one record: where it stands, and why it was refused."""

    reason: str
    field: str = ""
    record: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """`line 12, units[3], unitCount: reason`, without the parts that are not known."""
        place = [f"line {self.line}"] if self.line is not None else []
        place += [part for part in (self.record, self.field) if part]
        return f"{', '.join(place)}: {self.reason}" if place else self.reason


class EngineError(Exception):
    """Any error of this package; its text is one sentence fit for a user."""


class RegisterError(EngineError):
    """The register refuses; nothing was written."""


class RecordInvalid(RegisterError):
    """A record that breaks the rules of the data model; `problems` names every breach."""

    def __init__(self, problems: Sequence[Problem], *, headline: str = "the record is refused") -> None:
        """Tell the first problems, keep all."""
        self.problems = tuple(problems)
        shown = "; ".join(str(problem) for problem in self.problems[:PROBLEMS_SHOWN])
        rest = len(self.problems) - PROBLEMS_SHOWN
        super().__init__(f"{headline}: {shown}" + (f"; and {rest} more" if rest > 0 else ""))


class ImportRefused(RecordInvalid):
    """A file of records of which at least one is refused, so none was imported, or staged."""

    def __init__(self, source: str, problems: Sequence[Problem], *, verb: str = "imported") -> None:
        """Name the file, and count its problems."""
        self.source = source
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        super().__init__(problems, headline=f"nothing was {verb} from {source}, {count}")


class ExportFailed(RegisterError):
    """An export that cannot be written where it was asked for, or not in that format."""


class NotInRegister(RegisterError):
    """A project, issuance, label or unit that the register does not hold."""


class SerialsOverlap(RegisterError):
    """A unit block that shares serials with one the register holds."""


class QuantityExceeded(RegisterError):
    """More units than their issuance or label admits."""


class StillReferred(RegisterError):
    """A record that other records stand on, and that is not deleted before them."""


class StagingRefused(RegisterError):
    """A change that cannot be staged, committed or dropped as asked."""


class RecordChanged(StagingRefused):
    """A record that was changed since it was read or staged, by somebody else."""


class TrailBroken(RegisterError):
    """An audit trail that does not hold, or rows that are not what it says."""


class ListTooLong(RegisterError):
    """A list whose conditions or order no index serves, on a register too large to look at every record in time."""


class ListsBusy(RegisterError):
    """A list for which every record must be looked at, asked while as many as may be are under way."""


class VocabularyInvalid(RegisterError):
    """A governance file that is none, or lacks what the register needs."""


class MoveRefused(RegisterError):
    """A status that a record may not move to from the one it has."""


class AlreadyTokenized(RegisterError):
    """A unit whose serials were tokenized before, as another token."""


class RangeRefused(RegisterError):
    """A serial range that is not, or not wholly, the register's to retire or take back under that token."""


class EventMismatch(RegisterError):
    """A chain event under a coin id that was applied before with other contents."""


class UndoRefused(RegisterError):
    """A chain event that cannot be taken back while later changes stand on it."""


class BackupInvalid(RegisterError):
    """A backup file that is none, was cut or changed, does not fit the database, or cannot be written."""


class RestoreRefused(RegisterError):
    """A database into which no backup is restored: it holds a register already, or tables of another schema."""


class RegistryError(EngineError):
    """The registry on chain cannot be used as asked."""


class NotARegistry(RegistryError):
    """The id is not that of a registry of ours on this chain."""


class NoRegistry(RegistryError):
    """This engine has no registry yet."""


class RegistryEnded(RegistryError):
    """The registry's singleton was ended: nothing can be issued any more."""


class OwnersUnknown(RegistryError):
    """The chain shows the owners by their hash only, and nobody told us who they are."""


class OwnersInvalid(RegistryError):
    """An issuer, allotment or governor that cannot own a registry."""


class NotTheIssuer(RegistryError):
    """The keys at hand are not those of the registry's issuer."""


class CadtError(EngineError):
    """The CADT server that keeps the register did not do as asked."""


class CadtDown(CadtError):
    """The CADT server does not answer, or is not ready: what was begun goes on later."""


class CadtRefused(CadtError):
    """The CADT server refused a request; `reasons` are its own words, cleaned and shortened."""

    def __init__(self, text: str, *, reasons: Sequence[str] = ()) -> None:
        """Keep the sentence and the server's reasons."""
        self.reasons = tuple(reasons)
        super().__init__(text)


class CadtMalformed(CadtError):
    """The CADT server answers something else than a CADT server does."""


class CadtStaged(CadtError):
    """Changes that somebody else staged on the CADT server wait there for their commit."""


class CadtDiffers(CadtError):
    """What the CADT server holds and what this register holds do not fit together."""


class OutsideAllotment(EngineError):
    """A unit block that the governor has not allotted to the issuer."""


class NothingToDo(EngineError):
    """A command that names no unit, or whose filter finds none."""


class UnderWay(EngineError):
    """A unit that an open job of the journal is about to tokenize."""


class JobNotFound(EngineError):
    """No job of that number in the journal."""


class JobRefused(EngineError):
    """A job that cannot be done any more, or not be cancelled."""


class WaitedTooLong(EngineError):
    """The work is journalled and goes on with `resume`, but was not done in the time given."""


class RequestInvalid(EngineError):
    """A detokenization request that is none, or not one that this registry can grant."""


class OrderInvalid(EngineError):
    """A governor's order, or a signature of one, that does not read or does not fit."""


class StatementInvalid(EngineError):
    """A statement outside the vocabulary."""


class ApiKeyInvalid(EngineError):
    """A name or role that no API key can have, or the name of a key that is not there."""


class VersionMissing(EngineError):
    """A change of a record that does not say which version of it was read."""


class VersionPassed(EngineError):
    """A change of a record that has another version by now."""


class KeyReused(EngineError):
    """An Idempotency-Key that came before with another request."""
