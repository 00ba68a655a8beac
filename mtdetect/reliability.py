"""Whether a probability is one, and what a flag is worth in a corpus that holds little garble."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.intervals import bootstrap

__all__ = ["SHARES", "calibration_error", "precision_by_share", "reliability"]

SHARES = (0.001, 0.01, 0.1)
_BINS = 10
F64 = NDArray[np.float64]
B = NDArray[np.bool_]


def calibration_error(machine: B, score: F64, weight: F64) -> float:
    """Return the expected calibration error: how far, on average over ten bins, the score is from the share of `mt`."""
    bins = np.minimum((score * _BINS).astype(int), _BINS - 1)
    gap = np.bincount(bins, weight * (score - machine), _BINS)
    return float(np.abs(gap).sum() / weight.sum())


def reliability(machine: B, score: F64, group: NDArray[np.int64]) -> dict[str, Any]:
    """Measure a probability on machine and human texts, each side weighing one half, as it was calibrated.

    Parameters
    ----------
    machine : ndarray of bool, shape (n,)
        Which texts are machine-translated.
    score : ndarray, shape (n,)
        The probability of it, 0 to 1.
    group : ndarray, shape (n,)
        Document of each text.

    Returns
    -------
    dict
        ``ece`` (0 to 1, lower is better) and ``brier`` (mean squared error; .25 is what a constant one half gets) with
        intervals; of texts of one side only the ``mean`` of the score instead.
    """
    if machine.all() or not machine.any():
        return {"mean": bootstrap([group], lambda w: float(np.average(score, weights=w[0])))}
    half: F64 = np.where(machine, 1 / machine.sum(), 1 / (~machine).sum())

    def weighed(weight: F64 | None) -> F64:
        return half if weight is None else np.multiply(half, weight)

    def squared(weights: Sequence[F64 | None]) -> float:
        return float(np.average((score - machine) ** 2, weights=weighed(weights[0])))

    return {
        "ece": bootstrap([group], lambda w: calibration_error(machine, score, weighed(w[0]))),
        "brier": bootstrap([group], squared),
    }


def precision_by_share(
    garbled: B, garbled_group: NDArray[np.int64], human: B, human_group: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Return the share of garbled articles among those marked, in a corpus where a share of `SHARES` is garbled.

    Parameters
    ----------
    garbled, human : ndarray of bool
        Which of the garbled and of the human articles are marked.
    garbled_group, human_group : ndarray
        Their documents.
    """
    # where no human article is marked, no resample has one, either, but up to three in as many are still likely
    likely = 0.0 if human.any() else 3 / len(human)

    def figure(share: float, floor: float) -> Callable[[Sequence[F64 | None]], float]:
        def precision(weights: Sequence[F64 | None]) -> float:
            found, false = (
                float(np.average(hit, weights=weight)) for hit, weight in zip((garbled, human), weights, strict=True)
            )
            marked = share * found + (1 - share) * (false + floor)
            return share * found / marked if marked else float("nan")

        return precision

    result = {}
    for share in SHARES:
        of = bootstrap([garbled_group, human_group], figure(share, likely))
        if likely:
            of |= {"value": round(figure(share, 0.0)([None, None]), 4), "high": 1.0}
        result[f"{100 * share:g} %"] = of
    return result
