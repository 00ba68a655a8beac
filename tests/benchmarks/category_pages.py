"""Write the measured precision of each category into its page: python tests/benchmarks/category_pages.py.

Run it after `mtdetect evaluate` has written ``metrics.json`` of the shipped model; a test compares the two.
"""

from __future__ import annotations

import json
from pathlib import Path

from mtdetect.categories import CATEGORIES
from mtdetect.tables import category_table

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "fast-v4"
NONE = "No sentence of the dev split has it as evidence."


def main() -> None:
    """Rewrite what stands between the heading and the next one."""
    figures = json.loads((MODEL / "metrics.json").read_bytes())["evidence"]
    for name in CATEGORIES:
        page = ROOT / "docs" / "categories" / f"{name}.md"
        table = "\n".join([*(category_table(figures[name]) if name in figures else [NONE]), ""])
        before, _, rest = page.read_text("utf-8").partition("## Measured precision\n\n")
        after = rest[rest.index("\n## ") :]
        page.write_text(f"{before}## Measured precision\n\n{table}{after}", "utf-8")


if __name__ == "__main__":
    main()
