"""CAD Trust's whole model, staging, the hash-chained trail, and what the database itself refuses.

Two rules stand below every program, in triggers: no two units of a series share a serial, and no entry of the audit
trail is changed or deleted. A later script that rebuilds `units` or `audit_trail` on SQLite (a batch operation) must
call `make_guards` of its time again: the rebuilt table has no triggers.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp
from chain.errors import StoreError

revision = "0003_whole_model"
down_revision = "0002_journal"
branch_labels = None
depends_on = None

_BEFORE_ALL = bytes(32)
_CHUNK = 2000

_RARE = (
    ("ix_units_asset_id", "units", "asset_id"),
    ("ix_units_status_coin_id", "units", "status_coin_id"),
    ("ix_audit_trail_coin_id", "audit_trail", "coin_id"),
)
"""Indexes of columns that are mostly empty: as partial ones they cost a new row nothing."""

_PROJECT_CHILDREN: dict[str, list[sa.Column[Any]]] = {
    "project_ratings": [
        sa.Column("rating_type", sa.String(length=255), nullable=False),
        sa.Column("rating_range_lowest", sa.String(length=255), nullable=False),
        sa.Column("rating_range_highest", sa.String(length=255), nullable=False),
        sa.Column("rating", sa.String(length=255), nullable=False),
        sa.Column("rating_link", sa.String(length=1000), nullable=False),
    ],
    "co_benefits": [sa.Column("cobenefit", sa.String(length=255), nullable=False)],
    "estimations": [
        sa.Column("crediting_period_start", sa.Date(), nullable=False),
        sa.Column("crediting_period_end", sa.Date(), nullable=False),
        sa.Column("unit_count", sa.BigInteger(), nullable=False),
    ],
    "related_projects": [
        sa.Column("related_project_id", sa.String(length=255), nullable=False),
        sa.Column("relationship_type", sa.String(length=255), nullable=True),
        sa.Column("related_registry", sa.String(length=255), nullable=True),
    ],
}

_RECORDS = ("vocabularies", "organization_metadata", "organizations", *_PROJECT_CHILDREN)
"""Tables of records made here, those that refer before those that are referred to."""


def upgrade() -> None:
    """Make the tables, chain the entries there are, and set the guards."""
    for name, columns in _PROJECT_CHILDREN.items():
        _make_child(name, columns)
    _make_organizations()
    _make_vocabularies()
    _make_staging()
    op.add_column("issuances", sa.Column("unit_quantity", sa.BigInteger(), nullable=True))
    _widen_trail()
    _chain_entries()
    with op.batch_alter_table("audit_trail") as trail:
        trail.alter_column("entry_hash", existing_type=Hash32(), nullable=False)
    for name, table, column in _RARE:
        is_given = sa.text(f"{column} IS NOT NULL")
        op.drop_index(name, table)
        op.create_index(name, table, [column], sqlite_where=is_given, postgresql_where=is_given)
    is_deletion = sa.text("after IS NULL")
    op.create_index(
        "ix_audit_trail_deletions", "audit_trail", ["kind"], sqlite_where=is_deletion, postgresql_where=is_deletion
    )
    with op.batch_alter_table("register_state") as state:
        state.alter_column("head_hash", existing_type=Hash32(), nullable=False)
    make_guards()


def downgrade() -> None:
    """Take the guards away, then the tables; the entries keep their hashes.

    Raises StoreError if something would be lost of which the audit trail tells: the register would never hold again.
    """
    _refuse_to_lose()
    _drop_guards()
    op.drop_index("ix_audit_trail_deletions", "audit_trail")
    for name, table, column in _RARE:
        op.drop_index(name, table)
        op.create_index(name, table, [column])
    with op.batch_alter_table("audit_trail") as trail:
        trail.alter_column("entry_hash", existing_type=Hash32(), nullable=True)
        trail.drop_column("comment")
        trail.alter_column("record_id", existing_type=sa.String(length=64), type_=sa.String(length=36))
    op.drop_column("register_state", "head_hash")
    op.drop_column("issuances", "unit_quantity")  # not as a batch: rows of other tables refer to these
    for name in ("staged_changes", *_RECORDS):
        op.drop_table(name)


def _refuse_to_lose() -> None:
    connection = op.get_bind()
    lost = [sa.select(sa.literal(name)).select_from(sa.table(name)).limit(1) for name in _RECORDS]
    for table, column in (("issuances", "unit_quantity"), ("audit_trail", "comment")):
        is_given = sa.column(column).is_not(None)
        lost.append(sa.select(sa.literal(f"{table}.{column}")).select_from(sa.table(table)).where(is_given).limit(1))
    for query in lost:
        if found := connection.execute(query).scalar():
            raise StoreError(
                f"the register holds {found}, which its older version does not know, and its audit trail tells of it: "
                "restore the backup that was taken before the upgrade"
            )


def make_guards() -> None:
    """Set the triggers: entries are only added, and serials are held once, whoever writes."""
    statements = _SQLITE_GUARDS if op.get_bind().dialect.name == "sqlite" else _POSTGRES_GUARDS
    for statement in statements:
        op.execute(statement)


def _make_child(name: str, columns: list[sa.Column[Any]]) -> None:
    op.create_table(
        name,
        sa.Column("warehouse_project_id", sa.String(length=36), nullable=False),
        *(column._copy() for column in columns),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["warehouse_project_id"], ["projects.id"], name=f"fk_{name}_warehouse_project_id"),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
    )
    op.create_index(f"ix_{name}_warehouse_project_id", name, ["warehouse_project_id"])


def _make_organizations() -> None:
    op.create_table(
        "organizations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("icon", sa.Text(), nullable=True),
        sa.Column("is_home", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_organizations"),
    )
    is_home = sa.text("is_home")
    op.create_index(
        "uq_organizations_is_home",
        "organizations",
        ["is_home"],
        unique=True,
        sqlite_where=is_home,
        postgresql_where=is_home,
    )
    op.create_table(
        "organization_metadata",
        sa.Column("organization_id", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organizations.id"], name="fk_organization_metadata_organization_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_organization_metadata"),
        sa.UniqueConstraint("organization_id", "key", name="uq_organization_metadata_organization_id"),
    )


def _make_vocabularies() -> None:
    op.create_table(
        "vocabularies",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=1000), nullable=False),
        sa.Column("version", sa.String(length=255), nullable=False),
        sa.Column("lists", sa.Text(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_vocabularies"),
        sa.UniqueConstraint("number", name="uq_vocabularies_number"),
    )


def _make_staging() -> None:
    op.create_table(
        "staged_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("table", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("staged_timestamp", Timestamp(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("original", sa.Text(), nullable=True),
        sa.Column("base_hash", Hash32(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_staged_changes"),
        sa.UniqueConstraint("record_id", name="uq_staged_changes_record_id"),
    )


def _widen_trail() -> None:
    with op.batch_alter_table("audit_trail") as trail:
        trail.add_column(sa.Column("comment", sa.String(length=1000), nullable=True))
        trail.alter_column(
            "record_id", existing_type=sa.String(length=36), type_=sa.String(length=64), existing_nullable=False
        )
    op.add_column("register_state", sa.Column("head_hash", Hash32(), nullable=True))


def _chain_entries() -> None:
    """Hash the entries there are, in order, as `register/audit.py` does, frozen as of this script."""
    names = ("sequence", "written_timestamp", "author", "comment", "action", "kind", "record_id", "before", "after")
    trail = sa.table(
        "audit_trail",
        *(sa.column(name) for name in names),
        sa.column("coin_id", Hash32()),
        sa.column("entry_hash", Hash32()),
    )
    state = sa.table("register_state", sa.column("head_hash", Hash32()))
    connection = op.get_bind()
    head, last = _BEFORE_ALL, 0
    update = trail.update().where(trail.c.sequence == sa.bindparam("number")).values(entry_hash=sa.bindparam("hash"))
    query = sa.select(trail).order_by(trail.c.sequence).limit(_CHUNK)
    while rows := connection.execute(query.where(trail.c.sequence > last)).mappings().all():
        hashed = []
        for row in rows:
            head = _entry_hash(head, dict(row), names)
            hashed.append({"number": row["sequence"], "hash": head})
        connection.execute(update, hashed)
        last = rows[-1]["sequence"]
    connection.execute(state.update().values(head_hash=head))


def _entry_hash(previous: bytes, row: dict[str, Any], names: tuple[str, ...]) -> bytes:
    value = {name: row[name] for name in names}
    value["coin_id"] = None if row["coin_id"] is None else f"0x{row['coin_id'].hex()}"
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return sha256(previous + text.encode()).digest()


def _drop_guards() -> None:
    if op.get_bind().dialect.name == "sqlite":
        for name in ("audit_trail_in_order", "audit_trail_no_update", "audit_trail_no_delete"):
            op.execute(f"DROP TRIGGER {name}")
        for name in ("units_overlap_insert", "units_overlap_update"):
            op.execute(f"DROP TRIGGER {name}")
        return
    op.execute("DROP TRIGGER audit_trail_no_change ON audit_trail")
    op.execute("DROP TRIGGER audit_trail_no_truncate ON audit_trail")
    op.execute("DROP TRIGGER units_overlap ON units")
    op.execute("DROP FUNCTION refuse_change_of_trail()")
    op.execute("DROP FUNCTION refuse_overlap()")


_ONLY_ADDED = "the audit trail is only ever added to"
_OVERLAP = "units of one series may not share serials"
_LAST_BELOW = """
    (SELECT other.last FROM units AS other WHERE other.series = NEW.series AND other.first <= NEW.last{apart}
     ORDER BY other.first DESC LIMIT 1) >= NEW.first
"""

# Since no two rows overlap, the row that begins last at or below the new block's end is the only one that can.
_SQLITE_GUARDS = (
    f"""CREATE TRIGGER audit_trail_no_update BEFORE UPDATE ON audit_trail
    BEGIN SELECT RAISE(ABORT, '{_ONLY_ADDED}'); END""",
    f"""CREATE TRIGGER audit_trail_no_delete BEFORE DELETE ON audit_trail
    BEGIN SELECT RAISE(ABORT, '{_ONLY_ADDED}'); END""",
    # INSERT OR REPLACE deletes without the trigger above
    f"""CREATE TRIGGER audit_trail_in_order BEFORE INSERT ON audit_trail
    WHEN NEW.sequence IS NOT (SELECT coalesce(max(sequence), 0) + 1 FROM audit_trail)
    BEGIN SELECT RAISE(ABORT, '{_ONLY_ADDED}, in order'); END""",  # noqa: S608 - our own words
    f"""CREATE TRIGGER units_overlap_insert BEFORE INSERT ON units
    WHEN {_LAST_BELOW.format(apart="")} OR NEW.first > NEW.last
    BEGIN SELECT RAISE(ABORT, '{_OVERLAP}'); END""",
    f"""CREATE TRIGGER units_overlap_update BEFORE UPDATE OF id, series, first, last ON units
    WHEN {_LAST_BELOW.format(apart=" AND other.id <> OLD.id")} OR NEW.first > NEW.last
    BEGIN SELECT RAISE(ABORT, '{_OVERLAP}'); END""",
)

# A writer that does not hold the register's lock takes it here, and then sees what every writer before it committed;
# under a snapshot older than the lock it could not, so such a transaction is refused.
_POSTGRES_GUARDS = (
    f"""CREATE FUNCTION refuse_change_of_trail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{_ONLY_ADDED}' USING ERRCODE = 'restrict_violation'; END $$""",
    """CREATE TRIGGER audit_trail_no_change BEFORE UPDATE OR DELETE ON audit_trail
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_trail()""",
    """CREATE TRIGGER audit_trail_no_truncate BEFORE TRUNCATE ON audit_trail
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_trail()""",
    f"""CREATE FUNCTION refuse_overlap() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'units are written in a READ COMMITTED transaction only'
                USING ERRCODE = 'restrict_violation';
        END IF;
        PERFORM 1 FROM register_state WHERE id = 1 FOR UPDATE;
        IF NEW.first > NEW.last OR {_LAST_BELOW.format(apart=" AND other.id IS DISTINCT FROM OLD.id")} THEN
            RAISE EXCEPTION '{_OVERLAP}' USING ERRCODE = 'exclusion_violation';
        END IF;
        RETURN NEW;
    END $$""",
    """CREATE TRIGGER units_overlap BEFORE INSERT OR UPDATE OF id, series, first, last ON units
    FOR EACH ROW EXECUTE FUNCTION refuse_overlap()""",
)
