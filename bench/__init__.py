"""What things cost and how fast they are, from one run: `python -m bench`."""
