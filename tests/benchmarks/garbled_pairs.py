"""Sentences written for the tests, garbled and clean, in the same article: which model tells them apart, how well.

    python tests/benchmarks/garbled_pairs.py MODEL...

The garbled ones imitate what neural engines and scrapers make of news: wrong senses, literal idioms, foreign order. No
model has seen them, and they are of no engine. Intervals are from drawing the pairs again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect import Detector
from mtdetect.intervals import auroc, bootstrap

sys.path.insert(0, str(Path(__file__).parents[1]))
from twins import PAIRS, worst


def _area(machine: NDArray[np.bool_], scores: NDArray[np.float64], weights: Sequence[Any]) -> float:
    return auroc(machine, scores, weights[0])


def main(names: list[str]) -> None:
    for name in names:
        detector = Detector.from_pretrained(name)
        both = [[worst(detector, pair, side) for pair in PAIRS] for side in ("garbled", "clean")]
        table = np.array(both, float) * [1, -1, -1]
        for what, scores in zip(("mt_score", "quality", "quality of article"), np.moveaxis(table, 2, 0), strict=True):
            scores = scores[:, ~np.isnan(scores).any(axis=0)]  # an article of few words has no quality
            group, machine = np.indices(scores.shape)[1].ravel(), np.repeat([True, False], scores.shape[1])
            row = bootstrap([group], partial(_area, machine, scores.ravel()))
            right = (scores[0] > scores[1]).mean()
            print(f"{name}, {what}: AUROC {row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}], "
                  f"{100 * right:.0f} % of {scores.shape[1]} pairs")  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1:])
