"""The holder's keys in the official wallet (chia_wallet): it signs, we say what, and check what comes back."""
