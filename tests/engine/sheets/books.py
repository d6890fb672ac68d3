"""Workbooks for tests: sheets from rows, and what a CAD Trust server's own export looks like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import xlsxwriter

SERVER = {"orgUid": "a" * 64, "timeStaged": "1700000000"}
STAMPS = {"createdAt": "2024-01-01T10:11:12.000Z", "updatedAt": "2024-01-02T10:11:12.000Z"}
PROJECT_ID = "51ca9638-22b0-4e14-ae7a-c09d23b37b58"
ISSUANCE_ID = "d9f58b08-af25-461c-88eb-403bb02b135e"
LABEL_ID = "dcacd68e-1cfb-4f06-9798-efa0aacda42c"
LOCATION_ID = "8182100d-7794-4df7-b3b3-758391d13011"
UNIT_IDS = ("9a5def49-7af6-428a-9958-a1e88d74bf58", "5c960ac1-a180-45a4-9850-be177e26d2fb")


def workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]], *, hidden: Sequence[str] = ()) -> Path:
    """A workbook of these sheets, each a list of rows of plain values."""
    with xlsxwriter.Workbook(str(path), {"strings_to_urls": False, "strings_to_formulas": False}) as book:
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        for name, rows in sheets.items():
            sheet = book.add_worksheet(name)
            if name in hidden:
                sheet.hide()
            for at, row in enumerate(rows):
                for column, value in enumerate(row):
                    if isinstance(value, date | datetime):
                        sheet.write_datetime(at, column, value, day)
                    elif isinstance(value, str):
                        sheet.write_string(at, column, value)
                    elif value is not None:
                        sheet.write(at, column, value)
    return path


def table(*rows: Mapping[str, Any]) -> list[list[Any]]:
    """Rows of cells under a header of all their names."""
    header = list(dict.fromkeys(name for row in rows for name in row))
    return [header, *([row.get(name) for name in header] for row in rows)]


def server_project() -> dict[str, list[list[Any]]]:
    """The sheets of a server's projects export: a sheet for each list, the project's id repeated as projectId."""
    project = {
        "warehouseProjectId": PROJECT_ID,
        **SERVER,
        "currentRegistry": None,
        "projectId": 2746,
        "originProjectId": "CDM 2746",
        "registryOfOrigin": "CDM Registry",
        "program": None,
        "projectName": "A hydropower project",
        "projectLink": "https://registry.example/projects/2746",
        "projectDeveloper": "A developer",
        "sector": "Energy",
        "projectType": "Energy Demand",
        "projectTags": None,
        "coveredByNDC": "Outside NDC",
        "ndcInformation": None,
        "projectStatus": "Registered",
        "projectStatusDate": "2010-02-26T00:00:00.000Z",
        "unitMetric": "tCO2e",
        "methodology": "CDM - ACM0002",
        "validationBody": None,
        "validationDate": None,
        **STAMPS,
        "description": None,
    }
    project["currentRegistry"] = "Bhutan National Registry"
    mine = {"warehouseProjectId": PROJECT_ID, "orgUid": SERVER["orgUid"], "timeStaged": SERVER["timeStaged"], **STAMPS}
    return {
        "projects": table(project),
        "projectLocations": table(
            {
                "id": LOCATION_ID,
                **mine,
                "country": "Bhutan",
                "inCountryRegion": None,
                "geographicIdentifier": 26.9,
                "fileId": None,
                "projectId": PROJECT_ID,
            }
        ),
        "labels": table({"id": LABEL_ID, **mine, **_label(), "projectId": PROJECT_ID}),
        "issuances": table({"id": ISSUANCE_ID, **mine, **_issuance(), "projectId": PROJECT_ID}),
    }


def server_units() -> dict[str, list[list[Any]]]:
    """The sheets of a server's units export: issuanceId twice, and issuance and label once for each unit."""
    mine = {"warehouseProjectId": PROJECT_ID, "orgUid": SERVER["orgUid"], **STAMPS}
    units, labels, links = [], [], []
    for unit_id, first in zip(UNIT_IDS, (1, 101), strict=True):
        start, end = f"BT-CDM2746-2021-{first}", f"BT-CDM2746-2021-{first + 99}"
        units.append(
            {
                "warehouseUnitId": unit_id,
                "issuanceId": ISSUANCE_ID,
                "projectLocationId": LOCATION_ID,
                "orgUid": SERVER["orgUid"],
                "unitOwner": "null",
                "countryJurisdictionOfOwner": "Bhutan",
                "inCountryJurisdictionOfOwner": None,
                "serialNumberBlock": f"{start}-{end}",
                "unitBlockStart": start,
                "unitBlockEnd": end,
                "unitCount": "100",
                "vintageYear": 2021,
                "unitType": "Reduction - technical",
                "marketplace": None,
                "marketplaceLink": None,
                "marketplaceIdentifier": None,
                "unitTags": None,
                "unitStatus": "Held",
                "unitStatusReason": None,
                "unitRegistryLink": "https://registry.example/units/1",
                "correspondingAdjustmentDeclaration": "Unknown",
                "correspondingAdjustmentStatus": "Not Started",
                "timeStaged": 1700000000,
                **STAMPS,
            }
        )
        link_id = unit_id.replace("9", "7").replace("5", "6")
        labels.append({"id": LABEL_ID, **mine, **_label(), "label_unit": link_id, "unitId": unit_id})
        link = {"id": link_id, "warehouseUnitId": unit_id, "labelId": LABEL_ID, "labelunitId": LABEL_ID}
        links.append({**link, "orgUid": SERVER["orgUid"], **STAMPS})
    sheet = table(*units)
    for index, row in enumerate(sheet):
        row.append("issuanceId" if index == 0 else ISSUANCE_ID)
    issuance = {"id": ISSUANCE_ID, **mine, **_issuance(), "unitId": ISSUANCE_ID}
    return {
        "units": sheet,
        "label_units": table(*links),
        "labels": table(*labels),
        "issuances": table(issuance, issuance),
    }


def _label() -> dict[str, Any]:
    return {
        "label": "Article 6 authorization",
        "labelType": "Letter of Authorization",
        "creditingPeriodStartDate": "2014-01-01",
        "creditingPeriodEndDate": "2021-12-31",
        "validityPeriodStartDate": date(2014, 1, 1),
        "validityPeriodEndDate": "2030-12-31",
        "unitQuantity": 1000,
        "labelLink": "https://registry.example/labels/1",
    }


def _issuance() -> dict[str, Any]:
    return {
        "startDate": "2021-01-01T00:00:00.000Z",
        "endDate": date(2021, 12, 31),
        "verificationApproach": "Ex-post",
        "verificationReportDate": "2022-06-30",
        "verificationBody": "A body",
    }
