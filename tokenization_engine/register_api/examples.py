"""An example of each body that the API takes, for its document; a test holds each against its route's schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenization_engine.register_api.core import Route

_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
_ISSUANCE: Mapping[str, Any] = {
    "startDate": "2021-01-01",
    "endDate": "2021-12-31",
    "verificationApproach": "Ex-post",
    "verificationReportDate": "2022-06-30",
    "verificationBody": "A verification body",
}
_PROJECT: Mapping[str, Any] = {
    "currentRegistry": "Bhutan National Registry",
    "projectId": "2746",
    "originProjectId": "CDM 2746",
    "registryOfOrigin": "CDM Registry",
    "projectName": "A hydropower project",
    "projectLink": "https://registry.example/projects/2746",
    "projectDeveloper": "A developer",
    "sector": "Energy",
    "projectType": "Energy Demand",
    "coveredByNDC": "Outside NDC",
    "projectStatus": "Registered",
    "projectStatusDate": "2010-02-26",
    "unitMetric": "tCO2e",
    "methodology": "CDM - ACM0002",
    "projectLocations": [{"country": "Bhutan", "geographicIdentifier": "Dagana"}],
    "issuances": [_ISSUANCE],
}
_UNIT: Mapping[str, Any] = {
    "unitBlockStart": "BT-CDM2746-2021-1",
    "unitBlockEnd": "BT-CDM2746-2021-100",
    "unitCount": 100,
    "vintageYear": 2021,
    "unitType": "Reduction - technical",
    "countryJurisdictionOfOwner": "Bhutan",
    "unitStatus": "Held",
    "unitRegistryLink": "https://registry.example/units/1",
    "correspondingAdjustmentDeclaration": "Unknown",
    "correspondingAdjustmentStatus": "Not Started",
}
_PARTS = [{"unitCount": 60}, {"unitCount": 40}]

_EXAMPLES: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("POST", "/v1/projects"): _PROJECT,
    ("PUT", "/v1/projects"): {**_PROJECT, "warehouseProjectId": _ID},
    ("DELETE", "/v1/projects"): {"warehouseProjectId": _ID},
    ("POST", "/v1/units"): {**_UNIT, "issuance": {**_ISSUANCE, "id": _ID}},
    ("PUT", "/v1/units"): {"warehouseUnitId": _ID, "unitOwner": "A buyer"},
    ("DELETE", "/v1/units"): {"warehouseUnitId": _ID},
    ("POST", "/v1/units/split"): {"warehouseUnitId": _ID, "records": _PARTS},
    ("PUT", "/v1/staging"): {"uuid": _ID, "data": [_UNIT]},
    ("DELETE", "/v1/staging"): {"uuid": _ID},
    ("POST", "/v1/staging/retry"): {"uuid": _ID},
    ("POST", "/v1/staging/commit"): {"comment": "Issuance of 2021"},
    ("POST", "/v1/organizations"): {"name": "Kingdom of Bhutan"},
    ("POST", "/v1/organizations/metadata"): {"website": "https://registry.example"},
    ("POST", "/register/projects"): _PROJECT,
    ("PUT", "/register/projects/{id}"): _PROJECT,
    ("POST", "/register/units"): {**_UNIT, "issuanceId": _ID},
    ("PUT", "/register/units/{id}"): {**_UNIT, "issuanceId": _ID},
    ("POST", "/register/units/{id}/split"): {"parts": _PARTS},
    ("POST", "/register/batch"): {"units": [{**_UNIT, "issuanceId": _ID}], "comment": "Issuance of 2021"},
    ("POST", "/register/jobs"): {"units": ["BT-CDM2746-2021-1"], "to": "txch1..."},
}


def example_of(route: Route) -> Mapping[str, Any]:
    """A body that the route's schema admits."""
    return _EXAMPLES.get((route.method, route.path), {})
