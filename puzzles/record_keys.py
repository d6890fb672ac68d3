"""The vocabulary of a retirement record: words alone, so that a command line can list them without a puzzle."""

RECORD_KEYS = {
    "beneficiary_name": "who may claim the units: name",
    "beneficiary_id": "who may claim the units: identifier, such as a company number or LEI",
    "beneficiary_country": "country of the beneficiary, ISO 3166-1 alpha-2",
    "beneficiary_address": "address that the beneficiary wants named",
    "retired_by": "who retired the units, if on behalf of the beneficiary",
    "purpose": "what the units are used for, such as voluntary, NDC, OIMP or compliance scheme",
    "reporting_period": "the period the claim is for, such as 2025 or 2025-01-01/2025-12-31",
    "reason": "why the units are retired, in free text",
    "message": "free text",
    "reference": "the retiring party's own reference, such as an invoice number",
}
"""The one documented vocabulary of a retirement record; a reader keeps and flags other keys."""
