"""`tokenization-engine`, and `python -m tokenization_engine`."""

from tokenization_engine.cli import main

if __name__ == "__main__":
    main()
