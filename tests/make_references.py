"""Write the golden references of a model: python tests/make_references.py models/fast-v4."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson

from mtdetect import Detector, encoder

ROOT = Path(__file__).parents[1]


def texts() -> list[str]:
    """Return the texts that the project ships: two articles, and cases of every category."""
    found = [path.read_text("utf-8") for path in sorted((ROOT / "notebooks" / "articles").glob("*.txt"))]
    for path in sorted((ROOT / "tests" / "cases").glob("*.json")):
        cases = orjson.loads(path.read_bytes())
        if isinstance(cases, dict):
            found += [case["text"] for kind in ("positive", "negative") for case in cases[kind][:5]]
    return found


def main(folder: Path) -> None:
    """Score the texts and write ``reference.jsonl`` into the model folder."""
    encoder.multiplies_in = lambda: "float32"  # that is the same on all processors
    lines = []
    for text, article in zip(texts(), Detector.from_pretrained(folder).score_many(texts()), strict=True):
        sentences = {
            "mt_score": [round(s.mt_score, 6) for s in article.sentences],
            "quality": [round(s.quality, 4) for s in article.sentences],
            "flagged": [s.flagged for s in article.sentences],
        }
        row = {"text": text, "quality": article.quality, "mt_score": article.mt_score, "sentences": sentences}
        lines.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    (folder / "reference.jsonl").write_bytes(b"".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
