"""`climate-wallet`, and `python -m climate_wallet`."""

from climate_wallet.cli import main

if __name__ == "__main__":
    main()
