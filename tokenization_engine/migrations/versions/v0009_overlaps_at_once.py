"""On PostgreSQL, new units are held against the others once for each statement, not once for each row."""

from __future__ import annotations

from alembic import op

revision = "0009_overlaps_at_once"
down_revision = "0008_cadt"
branch_labels = None
depends_on = None

# The statement's rows are in the table when this looks, so that rows of one statement are held against each other too.
# The lock makes writers wait for each other; what an earlier one committed is seen, since every query of a READ
# COMMITTED transaction sees what is committed when it begins.
_AT_ONCE = (
    """CREATE FUNCTION refuse_overlaps() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_setting('transaction_isolation') <> 'read committed' THEN
            RAISE EXCEPTION 'units are written in a READ COMMITTED transaction only'
                USING ERRCODE = 'restrict_violation';
        END IF;
        PERFORM 1 FROM register_state WHERE id = 1 FOR UPDATE;
        PERFORM 1 FROM added WHERE added.first > added.last OR
            (SELECT other.last FROM units AS other
             WHERE other.series = added.series AND other.first <= added.last AND other.id <> added.id
             ORDER BY other.first DESC LIMIT 1) >= added.first;
        IF FOUND THEN
            RAISE EXCEPTION 'units of one series may not share serials' USING ERRCODE = 'exclusion_violation';
        END IF;
        RETURN NULL;
    END $$""",
    """CREATE TRIGGER units_overlap_added AFTER INSERT ON units REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_overlaps()""",
    "DROP TRIGGER units_overlap ON units",
    """CREATE TRIGGER units_overlap BEFORE UPDATE OF id, series, first, last ON units
    FOR EACH ROW EXECUTE FUNCTION refuse_overlap()""",
)
_ONE_BY_ONE = (
    "DROP TRIGGER units_overlap_added ON units",
    "DROP FUNCTION refuse_overlaps()",
    "DROP TRIGGER units_overlap ON units",
    """CREATE TRIGGER units_overlap BEFORE INSERT OR UPDATE OF id, series, first, last ON units
    FOR EACH ROW EXECUTE FUNCTION refuse_overlap()""",
)


def upgrade() -> None:
    """Look at each statement's new rows together."""
    _execute(_AT_ONCE)


def downgrade() -> None:
    """Look at each new row again."""
    _execute(_ONE_BY_ONE)


def _execute(statements: tuple[str, ...]) -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in statements:
            op.execute(statement)
