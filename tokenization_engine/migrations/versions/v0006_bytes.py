"""Texts compared and ordered as bytes on PostgreSQL too, whatever the language of the database."""

from __future__ import annotations

from alembic import op

from chain.migrate import collate

revision = "0006_bytes"
down_revision = "0005_search"
branch_labels = None
depends_on = None

_TABLES = (
    *("api_keys", "audit_trail", "chain_events_applied", "co_benefits", "estimations", "issuances", "job_issues"),
    *("jobs", "kept_answers", "label_units", "labels", "organization_metadata", "organizations", "project_locations"),
    *("project_ratings", "projects", "registries", "related_projects", "search_projects", "search_units"),
    *("staged_changes", "units", "vocabularies"),
)


def upgrade() -> None:
    """Give every text the collation "C"; SQLite knows no other."""
    collate(op.get_bind(), _TABLES)


def downgrade() -> None:
    """Give every text the collation of the database again."""
    collate(op.get_bind(), _TABLES, "default")
