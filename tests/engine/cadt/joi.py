"""What a CADT server's validation says of a body: unknown keys, missing ones, wrong types, words off the lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT, NULL_TEXT, ANY_TEXT, WHOLE, ROWS, RECORD, ANY = (
    "text",
    "null text",
    "any text",
    "whole",
    "rows",
    "record",
    "any",
)
Schema = Mapping[str, tuple[str, bool]]
"""Type of each key, and whether it is required."""

PICKED = {
    "countryJurisdictionOfOwner": ("Bhutan", "Japan", "Switzerland"),
    "unitType": ("Reduction - technical", "Removal - nature"),
    "unitStatus": ("Held", "Retired", "Cancelled", "Expired", "Buffer", "Exported", "Pending Export"),
    "correspondingAdjustmentDeclaration": ("Committed", "Not Required", "Unknown"),
    "correspondingAdjustmentStatus": ("Not Started", "Pending", "Completed"),
}

_UNIT: Schema = {
    "warehouseUnitId": (TEXT, True),
    "projectLocationId": (NULL_TEXT, False),
    "unitOwner": (NULL_TEXT, False),
    "countryJurisdictionOfOwner": (TEXT, True),
    "inCountryJurisdictionOfOwner": (NULL_TEXT, False),
    "vintageYear": (WHOLE, True),
    "unitType": (TEXT, True),
    "marketplace": (NULL_TEXT, False),
    "marketplaceLink": (NULL_TEXT, False),
    "marketplaceIdentifier": (NULL_TEXT, False),
    "unitTags": (NULL_TEXT, False),
    "unitStatus": (TEXT, True),
    "unitStatusReason": (NULL_TEXT, False),
    "unitRegistryLink": (TEXT, True),
    "correspondingAdjustmentDeclaration": (TEXT, True),
    "correspondingAdjustmentStatus": (TEXT, True),
    "issuance": (RECORD, False),
    "labels": (ROWS, False),
    "updatedAt": (ANY, False),
    "createdAt": (ANY, False),
    "timeStaged": (ANY, False),
}
_LABEL: Schema = {
    "id": (TEXT, False),
    "warehouseProjectId": (TEXT, False),
    "label": (TEXT, True),
    "labelType": (TEXT, True),
    "creditingPeriodStartDate": (TEXT, True),
    "creditingPeriodEndDate": (TEXT, True),
    "validityPeriodStartDate": (TEXT, True),
    "validityPeriodEndDate": (TEXT, True),
    "unitQuantity": (WHOLE, True),
    "labelLink": (TEXT, True),
    "label_unit": (RECORD, False),
}
_ISSUANCE: Schema = {
    "id": (TEXT, False),
    "warehouseProjectId": (TEXT, False),
    "startDate": (TEXT, True),
    "endDate": (TEXT, True),
    "verificationApproach": (TEXT, True),
    "verificationReportDate": (TEXT, True),
    "verificationBody": (ANY_TEXT, False),
}
_LINK: Schema = {
    "id": (TEXT, False),
    "orgUid": (TEXT, False),
    "warehouseUnitId": (TEXT, False),
    "labelId": (TEXT, False),
}
_BLOCK = ("unitBlockStart", "unitBlockEnd")


def unit_update(body: Mapping[str, Any], *, is_fork: bool) -> list[str]:
    """What is wrong with the body of PUT /units."""
    blocks = dict.fromkeys(_BLOCK, (TEXT, not is_fork)) | {"unitCount": (WHOLE, not is_fork)}
    found = _check(body, {**_UNIT, **blocks}, "")
    if "issuance" in body:
        found += _check(body["issuance"], _ISSUANCE, "issuance.")
    for index, label in enumerate(body.get("labels") or []):
        found += _check(label, _LABEL, f"labels[{index}].")
        found += _check(label.get("label_unit") or {}, _LINK, f"labels[{index}].label_unit.")
    return found


def unit_split(body: Mapping[str, Any], *, is_fork: bool) -> list[str]:
    """What is wrong with the body of POST /units/split."""
    part: dict[str, tuple[str, bool]] = {
        "unitCount": (WHOLE, True),
        "unitOwner": (TEXT, False),
        "unitStatus": (TEXT, False),
        "countryJurisdictionOfOwner": (TEXT, False),
        "inCountryJurisdictionOfOwner": (TEXT, False),
        "marketplace": (NULL_TEXT, False),
        "marketplaceIdentifier": (NULL_TEXT, False),
    }
    part |= {"unitStatusReason": (NULL_TEXT, False)} if is_fork else dict.fromkeys(_BLOCK, (TEXT, True))
    found = _check(body, {"warehouseUnitId": (TEXT, True), "records": (ROWS, True)}, "")
    records = body.get("records")
    if isinstance(records, list):
        if len(records) < 2:
            found.append('"records" must contain at least 2 items')
        for index, record in enumerate(records):
            found += _check(record, part, f"records[{index}].")
    return found


def _check(body: Mapping[str, Any], schema: Schema, where: str) -> list[str]:
    found = [f'"{where}{name}" is not allowed' for name in body if name not in schema]
    found += [f'"{where}{name}" is required' for name, (_, needed) in schema.items() if needed and name not in body]
    for name, value in body.items():
        kind = schema.get(name, (ANY, False))[0]
        if kind == ANY_TEXT and isinstance(value, str):
            continue
        if kind in (TEXT, NULL_TEXT, ANY_TEXT) and not (
            isinstance(value, str) or (kind == NULL_TEXT and value is None)
        ):
            found.append(f'"{where}{name}" must be a string')
        elif kind in (TEXT, NULL_TEXT) and value == "" and name != "unitTags":
            found.append(f'"{where}{name}" is not allowed to be empty')
        elif kind == WHOLE and not (isinstance(value, int) or (isinstance(value, str) and value.isdigit())):
            found.append(f'"{where}{name}" must be a number')
        elif kind == ROWS and not isinstance(value, list):
            found.append(f'"{where}{name}" must be an array')
        elif name in PICKED and value not in PICKED[name]:
            found.append(f"{name} does not include a valid option {', '.join(PICKED[name])} instead got '{value}'")
    return found
