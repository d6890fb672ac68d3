"""A CADT server as the register: units pulled into the local one, and what the chain did published back."""
