"""The explorer: follow registries on the chain, index what happened, answer, audit, and tell the register."""
