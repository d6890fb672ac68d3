"""The wallet's store: its migrations make exactly what its models say, and it belongs to one key on one
network.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from chain.database import open_database
from chain.network import MAINNET, SIMULATOR0
from climate_wallet.book import open_book
from climate_wallet.errors import WalletMismatch
from climate_wallet.keys import KeyInfo
from climate_wallet.store import MIGRATIONS, Model
from tests.wallet.world import Person


def key_of(name: str) -> KeyInfo:
    master = Person(name).master.get_g1()
    return KeyInfo(fingerprint=master.get_fingerprint(), label=None, public_key=bytes(master))


def test_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'wallet.sqlite'}", MIGRATIONS)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "climate_wallet_schema"})
        assert compare_metadata(context, Model.metadata) == []
    engine.dispose()


def test_store_belongs_to_one_key_on_one_network(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'wallet.sqlite'}", MIGRATIONS)
    with pytest.raises(WalletMismatch, match="unlock it once"):
        open_book(engine, SIMULATOR0)
    book = open_book(engine, SIMULATOR0, key=key_of("alice"), gap_limit=3)
    assert (book.fingerprint, book.extend(), len(book)) == (key_of("alice").fingerprint, 3, 3)
    assert len(open_book(engine, SIMULATOR0)) == 3
    with pytest.raises(WalletMismatch, match="another --home for another key"):
        open_book(engine, SIMULATOR0, key=key_of("bob"))
    with pytest.raises(WalletMismatch, match="another --home for another network"):
        open_book(engine, MAINNET)
    engine.dispose()


def test_change_never_goes_to_the_address_that_is_paid(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'wallet.sqlite'}", MIGRATIONS)
    book = open_book(engine, SIMULATOR0, key=key_of("alice"), gap_limit=2)
    book.extend()
    current = book.current().puzzle_hash
    assert book.current(besides=current).puzzle_hash != current
    engine.dispose()
