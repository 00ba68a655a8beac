"""Sentences written for the tests, garbled and clean, in the same article: which model tells them apart, how well.

    python tests/benchmarks/garbled_pairs.py MODEL...

The garbled ones imitate what neural engines and scrapers make of news: wrong senses, literal idioms, foreign order. No
model has seen them, and they are of no engine. Intervals are from drawing the pairs again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from mtdetect import Detector
from mtdetect.intervals import auroc, bootstrap
from mtdetect.text import split_sentences

PAIRS = Path(__file__).parents[1] / "cases" / "garbled_pairs.jsonl"


def worst(detector: Detector, pair: dict[str, Any], side: str) -> tuple[float, float, float]:
    """Return the highest mt_score and the lowest quality of the sentences of a side, and the quality of the article."""
    parts = [[text[a:b] for a, b in split_sentences(text)] for text in (pair["before"], pair[side], pair["after"])]
    article = detector.score_sentences([sentence for part in parts for sentence in part])
    own = article.sentences[len(parts[0]) : len(parts[0]) + len(parts[1])]
    assert article.quality is not None, pair
    return max(s.mt_score for s in own), min(s.quality for s in own), article.quality


def main(names: list[str]) -> None:
    pairs = [json.loads(line) for line in PAIRS.read_text("utf-8").splitlines()]
    machine = np.repeat([True, False], len(pairs))
    group = np.tile(np.arange(len(pairs)), 2)
    for name in names:
        detector = Detector.from_pretrained(name)
        both = [[worst(detector, pair, side) for pair in pairs] for side in ("garbled", "clean")]
        table = np.array(both).reshape(-1, 3) * [1, -1, -1]
        for what, scores in zip(("mt_score", "quality", "quality of article"), table.T, strict=True):
            row = bootstrap([group], lambda w, scores=scores: auroc(machine, scores, w[0]))
            right = (scores[: len(pairs)] > scores[len(pairs) :]).mean()
            print(f"{name}, {what}: AUROC {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}], "
                  f"{100 * right:.0f} % of {len(pairs)} pairs")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
