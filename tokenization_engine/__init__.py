"""The register admin's program: the register, and what it does on chain."""
