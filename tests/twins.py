"""Sentences written for the tests: garbled ones and their clean twins, each in the same small article."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mtdetect import Detector
from mtdetect.text import split_sentences

PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "garbled_pairs.jsonl").read_text("utf-8").splitlines()
]


def worst(detector: Detector, pair: dict[str, Any], side: str) -> tuple[float, float, float | None]:
    """Return the highest mt_score and the lowest quality of the sentences of a side, and the quality of the article."""
    parts = [[text[a:b] for a, b in split_sentences(text)] for text in (pair["before"], pair[side], pair["after"])]
    article = detector.score_sentences([sentence for part in parts for sentence in part])
    own = article.sentences[len(parts[0]) : len(parts[0]) + len(parts[1])]
    return max(s.mt_score for s in own), min(s.quality for s in own), article.quality
