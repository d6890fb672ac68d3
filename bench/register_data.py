"""A register of the size of a large nation's: 10,000 projects with 1,000,000 unit records, alike in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tokenization_engine.register.vocabulary import shipped

YEARS = range(2014, 2024)
UNITS_A_PROJECT = 100
_COUNTRIES = ("Bhutan", "Brazil", "India", "Kenya", "Nepal", "Peru", "Rwanda", "Viet Nam")
_KINDS = ("hydropower", "wind", "solar", "cookstoves", "afforestation", "biogas", "landfill gas", "mangroves")
_PLACES = ("Dagachhu", "Punakha", "Mangde", "Chamkhar", "Kuri", "Gamri", "Nyera", "Amo", "Sankosh", "Toorsa")
_STATUSES = ("Held",) * 6 + ("Retired", "Retired", "Cancelled", "Buffer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many projects, each with 100 unit records of ten vintages."""

    projects: int

    @property
    def units(self) -> int:
        """Unit records in all."""
        return self.projects * UNITS_A_PROJECT


def projects(size: Size) -> Iterator[dict[str, Any]]:
    """The projects, as a file of records gives them: with one place, one issuance for each vintage, one label."""
    dice = random.Random(2746)
    lists = shipped().lists
    for number in range(size.projects):
        place, kind = dice.choice(_PLACES), dice.choice(_KINDS)
        yield {
            "localName": f"p{number}",
            "currentRegistry": "National Registry",
            "projectId": str(number),
            "originProjectId": f"N-{number}",
            "registryOfOrigin": "National Registry",
            "projectName": f"{place} {kind} project {number}",
            "projectLink": f"https://registry.example/projects/{number}",
            "projectDeveloper": f"{dice.choice(_PLACES)} Development {dice.randrange(500)}",
            "sector": dice.choice(lists["projectSector"]),
            "projectType": dice.choice(lists["projectType"]),
            "coveredByNDC": "Inside NDC",
            "projectStatus": "Registered",
            "projectStatusDate": "2014-01-01",
            "unitMetric": "tCO2e",
            "methodology": dice.choice(lists["methodology"]),
            "description": f"Electricity and livelihoods for the people of {place} by {kind}, monitored every year.",
            "projectLocations": [
                {"country": dice.choice(_COUNTRIES), "inCountryRegion": place, "geographicIdentifier": f"plot {number}"}
            ],
            "issuances": [_issuance(number, year) for year in YEARS],
            "labels": [_label(number, dice.choice(lists["labelType"]))],
        }


def units(size: Size, first_project: int = 0) -> Iterator[dict[str, Any]]:
    """The unit records, project by project: blocks of ten serials to some thousands; every fifth has a label."""
    dice = random.Random(77)
    lists = shipped().lists
    for number in range(first_project, first_project + size.projects):
        for year in YEARS:
            last = 0
            for one in range(UNITS_A_PROJECT // len(YEARS)):
                first, last = last + 1, last + dice.randrange(10, 5000)
                yield _unit((number, year), (first, last), dice, lists["unitType"], is_labelled=one % 5 == 0)


def _issuance(number: int, year: int) -> dict[str, Any]:
    return {
        "localName": f"i{number}-{year}",
        "startDate": f"{year}-01-01",
        "endDate": f"{year}-12-31",
        "verificationApproach": "Ex-post",
        "verificationReportDate": f"{year + 1}-06-30",
        "verificationBody": "A verification body",
    }


def _label(number: int, label_type: str) -> dict[str, Any]:
    return {
        "localName": f"l{number}",
        "label": f"Authorization {number % 50}",
        "labelType": label_type,
        "creditingPeriodStartDate": "2014-01-01",
        "creditingPeriodEndDate": "2030-12-31",
        "validityPeriodStartDate": "2014-01-01",
        "validityPeriodEndDate": "2030-12-31",
        "unitQuantity": 10_000_000,
        "labelLink": f"https://registry.example/labels/{number}",
    }


def _unit(
    of: tuple[int, int], block: tuple[int, int], dice: random.Random, kinds: tuple[str, ...], *, is_labelled: bool
) -> dict[str, Any]:
    (number, year), (first, last) = of, block
    status = dice.choice(_STATUSES)
    return {
        "issuanceId": f"i{number}-{year}",
        "series": f"BT-N{number}-{year}",
        "first": first,
        "last": last,
        "unitCount": last - first + 1,
        "vintageYear": year,
        "unitType": dice.choice(kinds),
        "unitOwner": f"Buyer {dice.randrange(2000)} Ltd",
        "countryJurisdictionOfOwner": dice.choice(_COUNTRIES),
        "unitStatus": status,
        **({} if status == "Held" else {"unitStatusReason": f"on behalf of customer {dice.randrange(5000)}"}),
        "unitRegistryLink": f"https://registry.example/units/{number}/{year}/{first}",
        "correspondingAdjustmentDeclaration": "Committed",
        "correspondingAdjustmentStatus": "Pending",
        **({"labels": [f"l{number}"]} if is_labelled else {}),
    }
