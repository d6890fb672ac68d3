"""The register: projects, units, audit trail, and the chain's events applied to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chain.database import Hash32, Timestamp, Uint64

revision = "0001_register"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the register's tables, and the one row its writers take in turn."""
    op.create_table(
        "audit_trail",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("written_timestamp", Timestamp(), nullable=False),
        sa.Column("author", sa.String(length=255), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("record_id", sa.String(length=36), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("coin_id", Hash32(), nullable=True),
        sa.Column("entry_hash", Hash32(), nullable=True),
        sa.PrimaryKeyConstraint("sequence", name="pk_audit_trail"),
    )
    op.create_index("ix_audit_trail_coin_id", "audit_trail", ["coin_id"])
    op.create_index("ix_audit_trail_record_id", "audit_trail", ["record_id"])
    op.create_table(
        "chain_events_applied",
        sa.Column("coin_id", Hash32(), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("asset_id", Hash32(), nullable=False),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("first", Uint64(), nullable=False),
        sa.Column("last", Uint64(), nullable=False),
        sa.Column("height", sa.BigInteger(), nullable=False),
        sa.Column("applied_timestamp", Timestamp(), nullable=False),
        sa.Column("first_entry", sa.BigInteger(), nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("coin_id", name="pk_chain_events_applied"),
    )
    op.create_index("ix_chain_events_applied_asset_id", "chain_events_applied", ["asset_id"])
    op.create_index("ix_chain_events_applied_height", "chain_events_applied", ["height"])
    op.create_table(
        "projects",
        sa.Column("current_registry", sa.String(length=255), nullable=False),
        sa.Column("project_id", sa.String(length=255), nullable=False),
        sa.Column("origin_project_id", sa.String(length=255), nullable=False),
        sa.Column("registry_of_origin", sa.String(length=255), nullable=False),
        sa.Column("program", sa.String(length=255), nullable=True),
        sa.Column("project_name", sa.String(length=255), nullable=False),
        sa.Column("project_link", sa.String(length=1000), nullable=False),
        sa.Column("project_developer", sa.String(length=255), nullable=False),
        sa.Column("sector", sa.String(length=255), nullable=False),
        sa.Column("project_type", sa.String(length=255), nullable=False),
        sa.Column("project_tags", sa.Text(), nullable=True),
        sa.Column("covered_by_ndc", sa.String(length=255), nullable=False),
        sa.Column("ndc_information", sa.String(length=255), nullable=True),
        sa.Column("project_status", sa.String(length=255), nullable=False),
        sa.Column("project_status_date", sa.Date(), nullable=False),
        sa.Column("unit_metric", sa.String(length=255), nullable=False),
        sa.Column("methodology", sa.String(length=255), nullable=False),
        sa.Column("methodology2", sa.String(length=255), nullable=True),
        sa.Column("validation_body", sa.String(length=255), nullable=True),
        sa.Column("validation_date", sa.Date(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("local_name", sa.String(length=64), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("local_name", name="uq_projects_local_name"),
        sa.UniqueConstraint("registry_of_origin", "project_id", name="uq_projects_registry_of_origin"),
    )
    op.create_table(
        "register_state",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_entry", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_register_state"),
    )
    op.create_table(
        "issuances",
        sa.Column("warehouse_project_id", sa.String(length=36), nullable=False),
        sa.Column("start_date", sa.Date(), nullable=False),
        sa.Column("end_date", sa.Date(), nullable=False),
        sa.Column("verification_approach", sa.String(length=255), nullable=False),
        sa.Column("verification_report_date", sa.Date(), nullable=False),
        sa.Column("verification_body", sa.String(length=255), nullable=False),
        sa.Column("local_name", sa.String(length=64), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["warehouse_project_id"], ["projects.id"], name="fk_issuances_warehouse_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_issuances"),
        sa.UniqueConstraint("local_name", name="uq_issuances_local_name"),
    )
    op.create_index("ix_issuances_warehouse_project_id", "issuances", ["warehouse_project_id"])
    op.create_table(
        "labels",
        sa.Column("warehouse_project_id", sa.String(length=36), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("label_type", sa.String(length=255), nullable=False),
        sa.Column("crediting_period_start_date", sa.Date(), nullable=False),
        sa.Column("crediting_period_end_date", sa.Date(), nullable=False),
        sa.Column("validity_period_start_date", sa.Date(), nullable=False),
        sa.Column("validity_period_end_date", sa.Date(), nullable=False),
        sa.Column("unit_quantity", sa.BigInteger(), nullable=False),
        sa.Column("label_link", sa.String(length=1000), nullable=False),
        sa.Column("local_name", sa.String(length=64), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["warehouse_project_id"], ["projects.id"], name="fk_labels_warehouse_project_id"),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
        sa.UniqueConstraint("local_name", name="uq_labels_local_name"),
    )
    op.create_index("ix_labels_warehouse_project_id", "labels", ["warehouse_project_id"])
    op.create_table(
        "project_locations",
        sa.Column("warehouse_project_id", sa.String(length=36), nullable=False),
        sa.Column("country", sa.String(length=255), nullable=False),
        sa.Column("in_country_region", sa.String(length=255), nullable=True),
        sa.Column("geographic_identifier", sa.String(length=255), nullable=False),
        sa.Column("file_id", sa.String(length=255), nullable=True),
        sa.Column("local_name", sa.String(length=64), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["warehouse_project_id"], ["projects.id"], name="fk_project_locations_warehouse_project_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_project_locations"),
        sa.UniqueConstraint("local_name", name="uq_project_locations_local_name"),
    )
    op.create_index("ix_project_locations_warehouse_project_id", "project_locations", ["warehouse_project_id"])
    op.create_table(
        "units",
        sa.Column("issuance_id", sa.String(length=36), nullable=False),
        sa.Column("project_location_id", sa.String(length=36), nullable=True),
        sa.Column("series", sa.String(length=64), nullable=False),
        sa.Column("first", Uint64(), nullable=False),
        sa.Column("last", Uint64(), nullable=False),
        sa.Column("unit_block_start", sa.String(length=255), nullable=False),
        sa.Column("unit_block_end", sa.String(length=255), nullable=False),
        sa.Column("unit_count", sa.BigInteger(), nullable=False),
        sa.Column("unit_owner", sa.String(length=255), nullable=True),
        sa.Column("country_jurisdiction_of_owner", sa.String(length=255), nullable=False),
        sa.Column("in_country_jurisdiction_of_owner", sa.String(length=255), nullable=True),
        sa.Column("vintage_year", sa.Integer(), nullable=False),
        sa.Column("unit_type", sa.String(length=255), nullable=False),
        sa.Column("marketplace", sa.String(length=255), nullable=True),
        sa.Column("marketplace_link", sa.String(length=1000), nullable=True),
        sa.Column("marketplace_identifier", sa.String(length=255), nullable=True),
        sa.Column("unit_tags", sa.Text(), nullable=True),
        sa.Column("unit_status", sa.String(length=255), nullable=False),
        sa.Column("unit_status_reason", sa.String(length=1000), nullable=True),
        sa.Column("unit_registry_link", sa.String(length=1000), nullable=False),
        sa.Column("corresponding_adjustment_declaration", sa.String(length=255), nullable=False),
        sa.Column("corresponding_adjustment_status", sa.String(length=255), nullable=False),
        sa.Column("asset_id", Hash32(), nullable=True),
        sa.Column("status_coin_id", Hash32(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["issuance_id"], ["issuances.id"], name="fk_units_issuance_id"),
        sa.ForeignKeyConstraint(["project_location_id"], ["project_locations.id"], name="fk_units_project_location_id"),
        sa.PrimaryKeyConstraint("id", name="pk_units"),
        sa.UniqueConstraint("series", "first", name="uq_units_series"),
    )
    op.create_index("ix_units_asset_id", "units", ["asset_id"])
    op.create_index("ix_units_issuance_id", "units", ["issuance_id"])
    op.create_index("ix_units_project_location_id", "units", ["project_location_id"])
    op.create_index("ix_units_status_coin_id", "units", ["status_coin_id"])
    op.create_index("ix_units_unit_status", "units", ["unit_status"])
    op.create_index("ix_units_vintage_year", "units", ["vintage_year"])
    op.create_table(
        "label_units",
        sa.Column("warehouse_unit_id", sa.String(length=36), nullable=False),
        sa.Column("label_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name="fk_label_units_label_id"),
        sa.ForeignKeyConstraint(["warehouse_unit_id"], ["units.id"], name="fk_label_units_warehouse_unit_id"),
        sa.PrimaryKeyConstraint("id", name="pk_label_units"),
        sa.UniqueConstraint("warehouse_unit_id", "label_id", name="uq_label_units_warehouse_unit_id"),
    )
    op.create_index("ix_label_units_label_id", "label_units", ["label_id"])
    op.execute("INSERT INTO register_state (id, last_entry) VALUES (1, 0)")
