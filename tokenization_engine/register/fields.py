"""The fields of CAD Trust's data model v1 that the register keeps, in one table: name, column, kind, rule.

Checks, import, export and the full record are all read from here, so that they cannot disagree. Names in
camelCase are CAD Trust's own and appear at the doors; columns are their snake_case. Required is what the deck
stars or the API requires, whichever is stricter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cache

from tokenization_engine.register.vocabulary import COUNTRIES

SHORT_TEXT = 255
LINK_TEXT = 1000
LONG_TEXT = 10_000
METADATA_TEXT = 100_000


class Kind(Enum):
    """What a field's value is, in Python: TEXT str, WHOLE int, DATE date, SERIAL int (unsigned 64-bit), HASH
    bytes.
    """

    TEXT = "text"
    WHOLE = "whole number"
    DATE = "date"
    SERIAL = "serial number"
    HASH = "32 bytes in hex"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """One field of a record: its name at the doors, and what a value must be. A field is itself only."""

    name: str
    kind: Kind = Kind.TEXT
    is_required: bool = False
    pick_list: str | None = None
    """The governance list that a value must be on, as CAD Trust's own servers ask."""
    known_list: str | None = None
    """The governance list that CAD Trust publishes for the field and does not ask for: any text is admitted."""
    max_length: int = SHORT_TEXT
    lowest: int = 0
    highest: int = 2**63 - 1
    is_ours: bool = False
    """Whether CAD Trust's model lacks the field: it is not published, and kept where a whole record leaves it out."""
    column: str = ""
    """Name of the field's column, and of its attribute in the model: its name in snake_case, unless given."""

    def __post_init__(self) -> None:
        """Name the column."""
        if not self.column:
            object.__setattr__(self, "column", snake_case(self.name))


@cache
def snake_case(name: str) -> str:
    """The snake_case of a camelCase name; capitals in a row are one word (`NDC`: `ndc`)."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _text(
    name: str, *, required: bool = False, pick: str | None = None, known: str | None = None, longest: int = SHORT_TEXT
) -> Field:
    return Field(name=name, is_required=required, pick_list=pick, known_list=known, max_length=longest)


def _date(name: str, *, required: bool = True) -> Field:
    return Field(name=name, kind=Kind.DATE, is_required=required)


_OUR_NAME = Field(name="localName", max_length=64, is_ours=True)

PROJECT_FIELDS = (
    _OUR_NAME,
    _text("currentRegistry", required=True, known="registries"),
    _text("projectId", required=True),
    _text("originProjectId", required=True),
    _text("registryOfOrigin", required=True, known="registries"),
    _text("program"),
    _text("projectName", required=True),
    _text("projectLink", required=True, longest=LINK_TEXT),
    _text("projectDeveloper", required=True),
    _text("sector", required=True, known="projectSector"),
    _text("projectType", required=True, known="projectType"),
    _text("projectTags", known="projectTags", longest=LONG_TEXT),
    _text("coveredByNDC", required=True, pick="coveredByNDC"),
    _text("ndcInformation"),
    _text("projectStatus", required=True, pick="projectStatusValues"),
    _date("projectStatusDate"),
    _text("unitMetric", required=True, pick="unitMetric"),
    _text("methodology", required=True, known="methodology"),
    _text("methodology2", known="methodology"),
    _text("validationBody", known="validationBody"),
    _date("validationDate", required=False),
    _text("description", longest=LONG_TEXT),
)

LOCATION_FIELDS = (
    _OUR_NAME,
    _text("country", required=True, pick=COUNTRIES),
    _text("inCountryRegion"),
    _text("geographicIdentifier", required=True),
    _text("fileId"),
)

ISSUANCE_FIELDS = (
    _OUR_NAME,
    _date("startDate"),
    _date("endDate"),
    _text("verificationApproach", required=True),
    _date("verificationReportDate"),
    _text("verificationBody", required=True, known="verificationBody"),
    Field(name="unitQuantity", kind=Kind.WHOLE, lowest=1, is_ours=True),
)
"""The last is ours: the units that the registry credited for the period. Where it is given, the unit records of
the issuance hold no more than that.
"""

LABEL_FIELDS = (
    _OUR_NAME,
    _text("label", required=True),
    _text("labelType", required=True, pick="labelType"),
    _date("creditingPeriodStartDate"),
    _date("creditingPeriodEndDate"),
    _date("validityPeriodStartDate"),
    _date("validityPeriodEndDate"),
    Field(name="unitQuantity", kind=Kind.WHOLE, is_required=True),
    _text("labelLink", required=True, longest=LINK_TEXT),
)

RATING_FIELDS = (
    _text("ratingType", required=True, pick="ratingType"),
    _text("ratingRangeLowest", required=True),
    _text("ratingRangeHighest", required=True),
    _text("rating", required=True),
    _text("ratingLink", required=True, longest=LINK_TEXT),
)

CO_BENEFIT_FIELDS = (_text("cobenefit", required=True, known="coBenefits"),)

ESTIMATION_FIELDS = (
    _date("creditingPeriodStart"),
    _date("creditingPeriodEnd"),
    Field(name="unitCount", kind=Kind.WHOLE, is_required=True),
)

RELATED_PROJECT_FIELDS = (
    _text("relatedProjectId", required=True),
    _text("relationshipType"),
    Field(name="registry", known_list="registries", column="related_registry"),
)

ORGANIZATION_FIELDS = (
    _text("name", required=True),
    _text("icon", longest=LONG_TEXT),
)

METADATA_FIELDS = (
    _text("key", required=True),
    _text("value", longest=METADATA_TEXT),
)

BLOCK_FIELDS = (
    Field(name="series", max_length=64, is_ours=True),
    Field(name="first", kind=Kind.SERIAL, is_ours=True),
    Field(name="last", kind=Kind.SERIAL, is_ours=True),
    _text("unitBlockStart"),
    _text("unitBlockEnd"),
    Field(name="unitCount", kind=Kind.WHOLE, is_required=True, lowest=1),
)
"""The serials of a unit: ours (series, first, last), or CAD Trust's two texts; on the way in either names the
block.
"""

UNIT_FIELDS = (
    *BLOCK_FIELDS,
    _text("unitOwner"),
    _text("countryJurisdictionOfOwner", required=True, pick=COUNTRIES),
    _text("inCountryJurisdictionOfOwner"),
    Field(name="vintageYear", kind=Kind.WHOLE, is_required=True, lowest=1900, highest=3000),
    _text("unitType", required=True, pick="unitType"),
    _text("marketplace"),
    _text("marketplaceLink", longest=LINK_TEXT),
    _text("marketplaceIdentifier"),
    _text("unitTags", known="unitTags", longest=LONG_TEXT),
    _text("unitStatus", required=True, pick="unitStatus"),
    _text("unitStatusReason", longest=LINK_TEXT),
    _text("unitRegistryLink", required=True, longest=LINK_TEXT),
    _text("correspondingAdjustmentDeclaration", required=True, pick="correspondingAdjustmentDeclaration"),
    _text("correspondingAdjustmentStatus", required=True, pick="correspondingAdjustmentStatus"),
    Field(name="assetId", kind=Kind.HASH, is_ours=True),
    Field(name="statusCoinId", kind=Kind.HASH, is_ours=True),
)
"""The last two are ours: the token these serials became, once and for all, and the coin of the chain event
behind the present status.
"""
