"""`climate-explorer`, and `python -m explorer`."""

from __future__ import annotations

from explorer.cli import main

if __name__ == "__main__":
    main(prog_name="climate-explorer")
