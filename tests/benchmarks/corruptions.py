"""How many synthetic corruptions are found: python tests/benchmarks/corruptions.py DATA [MODEL].

Sentences of dev articles, a tenth of them corrupted in one article at a time. Found: evidence of the right category
that overlaps the span. Flagged: found, and the sentence is flagged at fpr_1.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from mtdetect import Detector
from mtdetect.corrupt import corrupt
from mtdetect.data import read_rows, sentences_of


def main(data: Path, model: str = "fast") -> None:
    """Print recall by category with 95 % intervals over articles."""
    rows = [row for row in read_rows(data, "articles_dev") if row["label"] == "human" and row["text"]]
    rng = random.Random(0)
    detector = Detector.from_pretrained(model)
    total: Counter[tuple[str, int]] = Counter()
    found: Counter[tuple[str, int]] = Counter()
    flagged: Counter[tuple[str, int]] = Counter()
    for number, row in enumerate(rng.sample(rows, 1500)):
        sentences = [" ".join(sentence.split()) for sentence in sentences_of(row)]
        broken = {}
        for i, sentence in enumerate(sentences):
            if rng.random() < 0.1 and (result := corrupt(sentence, " ".join(sentences[:i]), rng)):
                broken[i] = result
                sentences[i] = result.text
        scored = detector.score_sentences(sentences).sentences
        if len(scored) != len(sentences):
            continue
        for i, result in broken.items():
            key = (result.category, number)
            offset = scored[i].start
            hit = any(
                item.category == result.category
                and item.start - offset < result.end
                and result.start < item.end - offset
                for item in scored[i].evidence
            )
            total[key] += 1
            found[key] += hit
            flagged[key] += hit and scored[i].flagged
    for category in [*sorted({category for category, _ in total}), "all"]:
        keys = [key for key in total if category in ("all", key[0])]
        table = np.array([[total[key], found[key], flagged[key]] for key in keys], float)
        draws = np.random.default_rng(0).multinomial(len(keys), np.full(len(keys), 1 / len(keys)), size=500) @ table
        shares = [
            f"{table[:, i].sum() / table[:, 0].sum():.3f}"
            f" [{', '.join(f'{q:.3f}' for q in np.quantile(draws[:, i] / draws[:, 0], [0.025, 0.975]))}]"
            for i in (1, 2)
        ]
        print(f"| {category} | {table[:, 0].sum():.0f} | {' | '.join(shares)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
