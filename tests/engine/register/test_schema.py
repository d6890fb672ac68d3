from __future__ import annotations

import re
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from tests.engine.register.samples import imported
from tokenization_engine import errors, store
from tokenization_engine.register.store import Register


def test_migrations_make_exactly_the_models_tables(register: Register) -> None:
    with register.engine.connect() as connection:
        options = {"compare_type": True, "version_table": "tokenization_engine_schema"}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), store.JobRow.metadata) == []


def test_register_opened_again_holds_what_was_written(register: Register) -> None:
    with register.writing("admin") as session:
        imported(session)
    again = Register.open(str(register.engine.url))
    with again.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM units")) == 1
    again.close()


def test_drawing_of_the_errors_is_the_tree_of_their_classes() -> None:
    drawn: dict[str, int] = {}
    for line in (errors.__doc__ or "").splitlines()[1:]:
        if found := re.match(r"((?:[| ]   |[|`]-- )*)([A-Z]\w+)( |$)", line):
            drawn[found[2]] = len(found[1]) // 4
    classes = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
    depth = {one.__name__: len(one.__mro__) - len(errors.EngineError.__mro__) for one in classes}
    assert drawn == depth


def test_migrations_and_vocabulary_travel_with_the_package() -> None:
    root = Path(errors.__file__).parent
    assert (root / "migrations" / "versions" / "v0001_register.py").exists()
    assert (root / "register" / "vocabulary.json").exists()
