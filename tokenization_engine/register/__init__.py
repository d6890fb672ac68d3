"""The register: projects, issuances and units in CAD Trust's data model, and who wrote them."""
