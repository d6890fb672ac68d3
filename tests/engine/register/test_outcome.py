"""A server that goes away during a commit: what became of it is found out, or said not to be known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from chain.errors import OutcomeUnknown, StoreUnreadable
from tests.engine.databases import Databases
from tests.engine.dropping import Cut, Line, line_to
from tests.engine.register.samples import document, imported, unit
from tokenization_engine.register.imports import import_bytes
from tokenization_engine.register.queries import list_units
from tokenization_engine.register.store import Register
from tokenization_engine.register.verify import verify
from tokenization_engine.store import RegistryRow


@pytest.fixture
def lined(databases: Databases) -> Iterator[tuple[Line, Register]]:
    """A register with a unit, reached over a line that can be cut."""
    url = databases.register("postgresql")
    with line_to(url) as (line, over_line):
        register = Register.open(over_line)
        with register.writing("admin") as session:
            imported(session, unit(1, 100))
        yield line, register
        register.close()
    databases.drop(url)


def firsts(register: Register) -> list[int]:
    with register.reading() as session:
        assert verify(session).broken is None
        return [one.first for one in list_units(session).units]


def add_unit(register: Register, line: Line, cut: Cut) -> None:
    with register.writing("admin") as session:
        import_bytes(session, document(unit(101, 200), projects=[]), "more.json")
        line.cut = cut


def test_commit_that_the_server_did_is_told_as_done(lined: tuple[Line, Register]) -> None:
    line, register = lined
    add_unit(register, line, Cut.AFTER)
    assert line.cut is Cut.NEVER
    assert firsts(register) == [1, 101]


def test_commit_that_the_server_never_heard_of_is_told_as_not_done(lined: tuple[Line, Register]) -> None:
    line, register = lined
    with pytest.raises(StoreUnreadable, match="nothing of it was written"):
        add_unit(register, line, Cut.BEFORE)
    assert line.cut is Cut.NEVER
    assert firsts(register) == [1]


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
def test_commit_without_an_entry_is_told_as_unknown(lined: tuple[Line, Register], cut: Cut) -> None:
    line, register = lined
    row = RegistryRow(registry_id=bytes(32), name="Bhutan", is_current=False)
    with pytest.raises(OutcomeUnknown, match="did not say whether"), register.writing("admin") as session:  # noqa: PT012 - in order
        session.add(row)
        line.cut = cut
    with register.reading() as session:
        assert (session.get(RegistryRow, bytes(32)) is not None) == (cut is Cut.AFTER)
