"""``python -m mtdetect``."""

from mtdetect.cli import main

if __name__ == "__main__":
    main()
