"""The register's records: CAD Trust's data model v1, whole, and the words admitted.

Columns follow `fields.py`. Keys are UUIDs in text made by us, as CAD Trust's are, so that no two registries
make the same one. The migrations hold what a model cannot say for two databases at once: no two units of a series
share a serial. The tables beside the records are in `trail_model.py` and `search/model.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from uuid_utils import uuid7

from chain.database import Hash32, Uint64
from puzzles.units import UnitBlock, serial_number
from tokenization_engine.register.fields import (
    CO_BENEFIT_FIELDS,
    ESTIMATION_FIELDS,
    ISSUANCE_FIELDS,
    LABEL_FIELDS,
    LINK_TEXT,
    LOCATION_FIELDS,
    METADATA_FIELDS,
    ORGANIZATION_FIELDS,
    PROJECT_FIELDS,
    RATING_FIELDS,
    RELATED_PROJECT_FIELDS,
    SHORT_TEXT,
    UNIT_FIELDS,
    Field,
)
from tokenization_engine.register.vocabulary import TOKENIZED_ON_CHIA

SHORT = String(SHORT_TEXT)
LINK = String(LINK_TEXT)
KEY = String(36)
ORG_UID = String(64)


def new_id() -> str:
    """A fresh UUID as CAD Trust writes it; of version 7, in the order of time, so that new rows lie side by side in
    every index."""
    return str(uuid7())


class Base(DeclarativeBase):
    """The register's tables; constraints are named, so that migrations can speak of them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def index_where_given(name: str, column: str) -> Index:
    """An index of the rows in which the column is not empty: few, and the others cost nothing."""
    is_given = text(f"{column} IS NOT NULL")
    return Index(name, column, sqlite_where=is_given, postgresql_where=is_given)


def table_of(kind: type[Base]) -> Table:
    """The table of that kind of row, for statements that go past the mapper."""
    table = kind.__table__
    assert isinstance(table, Table)
    return table


class Record(Base):
    """A row that the audit trail follows: every insert, change and deletion of it leaves an entry."""

    __abstract__ = True

    kind: ClassVar[str]
    id_name: ClassVar[str] = "id"
    fields: ClassVar[tuple[Field, ...]] = ()

    id: Mapped[str] = mapped_column(KEY, primary_key=True, default=new_id)


class _LocallyNamed:
    local_name: Mapped[str | None] = mapped_column(String(64), unique=True)


class Project(_LocallyNamed, Record):
    """A mitigation activity; `id` is its CAD Trust Project ID, `project_id` the name its registry gave it."""

    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("registry_of_origin", "project_id"),)
    kind = "project"
    id_name = "warehouseProjectId"
    fields = PROJECT_FIELDS

    current_registry: Mapped[str] = mapped_column(SHORT)
    project_id: Mapped[str] = mapped_column(SHORT)
    origin_project_id: Mapped[str] = mapped_column(SHORT)
    registry_of_origin: Mapped[str] = mapped_column(SHORT)
    program: Mapped[str | None] = mapped_column(SHORT)
    project_name: Mapped[str] = mapped_column(SHORT)
    project_link: Mapped[str] = mapped_column(LINK)
    project_developer: Mapped[str] = mapped_column(SHORT)
    sector: Mapped[str] = mapped_column(SHORT)
    project_type: Mapped[str] = mapped_column(SHORT)
    project_tags: Mapped[str | None] = mapped_column(Text)
    covered_by_ndc: Mapped[str] = mapped_column(SHORT)
    ndc_information: Mapped[str | None] = mapped_column(SHORT)
    project_status: Mapped[str] = mapped_column(SHORT)
    project_status_date: Mapped[date]
    unit_metric: Mapped[str] = mapped_column(SHORT)
    methodology: Mapped[str] = mapped_column(SHORT)
    methodology2: Mapped[str | None] = mapped_column(SHORT)
    validation_body: Mapped[str | None] = mapped_column(SHORT)
    validation_date: Mapped[date | None]
    description: Mapped[str | None] = mapped_column(Text)

    locations: Mapped[list[ProjectLocation]] = relationship(back_populates="project", order_by="ProjectLocation.id")
    issuances: Mapped[list[Issuance]] = relationship(back_populates="project", order_by="Issuance.id")
    labels: Mapped[list[Label]] = relationship(back_populates="project", order_by="Label.id")
    ratings: Mapped[list[Rating]] = relationship(order_by="Rating.id")
    co_benefits: Mapped[list[CoBenefit]] = relationship(order_by="CoBenefit.id")
    estimations: Mapped[list[Estimation]] = relationship(order_by="Estimation.id")
    related_projects: Mapped[list[RelatedProject]] = relationship(order_by="RelatedProject.id")


class ProjectLocation(_LocallyNamed, Record):
    """Where a project stands; its country is the host country."""

    __tablename__ = "project_locations"
    kind = "projectLocation"
    fields = LOCATION_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    country: Mapped[str] = mapped_column(SHORT)
    in_country_region: Mapped[str | None] = mapped_column(SHORT)
    geographic_identifier: Mapped[str] = mapped_column(SHORT)
    file_id: Mapped[str | None] = mapped_column(SHORT)

    project: Mapped[Project] = relationship(back_populates="locations")


class Issuance(_LocallyNamed, Record):
    """The registry's own issuance : a verified period, and the units it was credited."""

    __tablename__ = "issuances"
    kind = "issuance"
    fields = ISSUANCE_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    start_date: Mapped[date]
    end_date: Mapped[date]
    verification_approach: Mapped[str] = mapped_column(SHORT)
    verification_report_date: Mapped[date]
    verification_body: Mapped[str] = mapped_column(SHORT)
    unit_quantity: Mapped[int | None] = mapped_column(BigInteger)

    project: Mapped[Project] = relationship(back_populates="issuances")


class Label(_LocallyNamed, Record):
    """A label that an agency gave a project's units, such as a letter of authorization."""

    __tablename__ = "labels"
    kind = "label"
    fields = LABEL_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    label: Mapped[str] = mapped_column(SHORT)
    label_type: Mapped[str] = mapped_column(SHORT)
    crediting_period_start_date: Mapped[date]
    crediting_period_end_date: Mapped[date]
    validity_period_start_date: Mapped[date]
    validity_period_end_date: Mapped[date]
    unit_quantity: Mapped[int] = mapped_column(BigInteger)
    label_link: Mapped[str] = mapped_column(LINK)

    project: Mapped[Project] = relationship(back_populates="labels")


class Rating(Record):
    """What a rating agency thinks of a project."""

    __tablename__ = "project_ratings"
    kind = "projectRating"
    fields = RATING_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    rating_type: Mapped[str] = mapped_column(SHORT)
    rating_range_lowest: Mapped[str] = mapped_column(SHORT)
    rating_range_highest: Mapped[str] = mapped_column(SHORT)
    rating: Mapped[str] = mapped_column(SHORT)
    rating_link: Mapped[str] = mapped_column(LINK)


class CoBenefit(Record):
    """A development goal that a project serves besides the climate."""

    __tablename__ = "co_benefits"
    kind = "coBenefit"
    fields = CO_BENEFIT_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    cobenefit: Mapped[str] = mapped_column(SHORT)


class Estimation(Record):
    """The units that a project is expected to earn in a crediting period."""

    __tablename__ = "estimations"
    kind = "estimation"
    fields = ESTIMATION_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    crediting_period_start: Mapped[date]
    crediting_period_end: Mapped[date]
    unit_count: Mapped[int] = mapped_column(BigInteger)


class RelatedProject(Record):
    """Another project that a project belongs with; `related_project_id` is the name its registry gave that one."""

    __tablename__ = "related_projects"
    kind = "relatedProject"
    fields = RELATED_PROJECT_FIELDS

    warehouse_project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    related_project_id: Mapped[str] = mapped_column(SHORT)
    relationship_type: Mapped[str | None] = mapped_column(SHORT)
    related_registry: Mapped[str | None] = mapped_column(SHORT)


class Organization(Record):
    """A registry as CAD Trust lists it; `id` is its orgUid. One is at home here and owns every project and unit."""

    __tablename__ = "organizations"
    __table_args__ = (
        Index(
            "uq_organizations_is_home",
            "is_home",
            unique=True,
            sqlite_where=text("is_home"),
            postgresql_where=text("is_home"),
        ),
    )
    kind = "organization"
    id_name = "orgUid"
    fields = ORGANIZATION_FIELDS

    id: Mapped[str] = mapped_column(ORG_UID, primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(SHORT)
    icon: Mapped[str | None] = mapped_column(Text)
    is_home: Mapped[bool] = mapped_column(Boolean)

    metadata_lines: Mapped[list[OrganizationMetadata]] = relationship(order_by="OrganizationMetadata.key")


class OrganizationMetadata(Record):
    """One key and value that an organization publishes, such as a token's data under its asset id."""

    __tablename__ = "organization_metadata"
    __table_args__ = (UniqueConstraint("organization_id", "key"),)
    kind = "organizationMetadata"
    fields = METADATA_FIELDS

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"))
    key: Mapped[str] = mapped_column(SHORT)
    value: Mapped[str | None] = mapped_column(Text)


class VocabularyVersion(Record):
    """The governance lists as they were at one time, with where they came from; the highest number counts."""

    __tablename__ = "vocabularies"
    kind = "vocabulary"

    number: Mapped[int] = mapped_column(Integer, unique=True)
    source: Mapped[str] = mapped_column(LINK)
    version: Mapped[str] = mapped_column(SHORT)
    lists: Mapped[str] = mapped_column(Text)


class LabelUnit(Record):
    """A label on a unit."""

    __tablename__ = "label_units"
    __table_args__ = (UniqueConstraint("warehouse_unit_id", "label_id"),)
    kind = "label_unit"

    warehouse_unit_id: Mapped[str] = mapped_column(ForeignKey("units.id"))
    label_id: Mapped[str] = mapped_column(ForeignKey("labels.id"), index=True)

    label: Mapped[Label] = relationship()


class Unit(Record):
    """A unit record: a block of serials with one vintage, owner and status."""

    __tablename__ = "units"
    __table_args__ = (
        UniqueConstraint("series", "first"),
        index_where_given("ix_units_project_location_id", "project_location_id"),
        index_where_given("ix_units_asset_id", "asset_id"),
        index_where_given("ix_units_status_coin_id", "status_coin_id"),
    )
    kind = "unit"
    id_name = "warehouseUnitId"
    fields = UNIT_FIELDS

    issuance_id: Mapped[str] = mapped_column(ForeignKey("issuances.id"), index=True)
    project_location_id: Mapped[str | None] = mapped_column(ForeignKey("project_locations.id"))
    series: Mapped[str] = mapped_column(String(64))
    first: Mapped[int] = mapped_column(Uint64)
    last: Mapped[int] = mapped_column(Uint64)
    unit_block_start: Mapped[str] = mapped_column(SHORT)
    unit_block_end: Mapped[str] = mapped_column(SHORT)
    unit_count: Mapped[int] = mapped_column(BigInteger)
    unit_owner: Mapped[str | None] = mapped_column(SHORT)
    country_jurisdiction_of_owner: Mapped[str] = mapped_column(SHORT)
    in_country_jurisdiction_of_owner: Mapped[str | None] = mapped_column(SHORT)
    vintage_year: Mapped[int] = mapped_column(Integer)
    unit_type: Mapped[str] = mapped_column(SHORT)
    marketplace: Mapped[str | None] = mapped_column(SHORT)
    marketplace_link: Mapped[str | None] = mapped_column(LINK)
    marketplace_identifier: Mapped[str | None] = mapped_column(SHORT)
    unit_tags: Mapped[str | None] = mapped_column(Text)
    unit_status: Mapped[str] = mapped_column(SHORT)
    unit_status_reason: Mapped[str | None] = mapped_column(LINK)
    unit_registry_link: Mapped[str] = mapped_column(LINK)
    corresponding_adjustment_declaration: Mapped[str] = mapped_column(SHORT)
    corresponding_adjustment_status: Mapped[str] = mapped_column(SHORT)
    asset_id: Mapped[bytes | None] = mapped_column(Hash32)
    status_coin_id: Mapped[bytes | None] = mapped_column(Hash32)

    issuance: Mapped[Issuance] = relationship()
    location: Mapped[ProjectLocation | None] = relationship()
    label_units: Mapped[list[LabelUnit]] = relationship(order_by="LabelUnit.label_id", cascade="all")

    @property
    def block(self) -> UnitBlock:
        """The unit's serials."""
        return UnitBlock(series=self.series, first=self.first, last=self.last)

    def set_block(self, block: UnitBlock) -> None:
        """Give the unit these serials, with the count and CAD Trust's texts that follow from them."""
        for column, value in block_columns(block).items():
            setattr(self, column, value)

    @property
    def is_tokenized(self) -> bool:
        """Whether the unit lives as a token: tokenized, and not taken back."""
        return self.marketplace == TOKENIZED_ON_CHIA and self.asset_id is not None

    @property
    def label_ids(self) -> list[str]:
        """Ids of the labels on the unit, in order."""
        return sorted(link.label_id for link in self.label_units)


RECORD_KINDS: tuple[type[Record], ...] = (
    Organization,
    OrganizationMetadata,
    VocabularyVersion,
    Project,
    ProjectLocation,
    Issuance,
    Label,
    Rating,
    CoBenefit,
    Estimation,
    RelatedProject,
    Unit,
    LabelUnit,
)
"""Every kind of record, parents before children."""

PROJECT_CHILDREN: Mapping[str, type[Record]] = {
    "projectLocations": ProjectLocation,
    "issuances": Issuance,
    "labels": Label,
    "projectRatings": Rating,
    "coBenefits": CoBenefit,
    "estimations": Estimation,
    "relatedProjects": RelatedProject,
}
"""The records that a project holds, by CAD Trust's name of their list."""


def block_columns(block: UnitBlock) -> dict[str, str | int]:
    """The columns of a unit that follow from its block."""
    return {
        "series": block.series,
        "first": block.first,
        "last": block.last,
        "unit_block_start": serial_number(block.series, block.first),
        "unit_block_end": serial_number(block.series, block.last),
        "unit_count": block.unit_count,
    }
