"""Changes that wait for their commit."""
