"""Figures with 95 % intervals, from drawing documents again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["auroc", "bootstrap", "interval", "rate", "resampled", "side_shares", "spearman"]

_RESAMPLES = 500
F64 = NDArray[np.float64]
B = NDArray[np.bool_]


def auroc(machine: B, scores: F64, weight: F64 | None = None) -> float:
    """Return the area under the ROC curve: how often a machine text scores above a human one; ties count half.

    Parameters
    ----------
    machine : ndarray of bool, shape (n,)
        Which texts are machine-translated.
    scores : ndarray of shape (n,)
        Higher is more machine-like.
    weight : ndarray of shape (n,), optional
        How often each text counts.

    Returns
    -------
    float
        NaN if a side is empty.
    """
    weight = np.ones(len(scores)) if weight is None else weight
    rank = np.unique(scores, return_inverse=True)[1]
    positive = np.bincount(rank, weight * machine)
    negative = np.bincount(rank, weight * ~machine, len(positive))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / pairs) if pairs else float("nan")


def resampled(group: NDArray[np.int64], rng: np.random.Generator) -> F64:
    """Return how often each item counts when groups are drawn with replacement."""
    _, place = np.unique(group, return_inverse=True)
    n = place.max() + 1
    return np.bincount(rng.integers(n, size=n), minlength=n)[place].astype(float)


def side_shares(machine: B, group: NDArray[np.int64]) -> F64:
    """Return what each version of a document weighs, so that its machine and its human side weigh 1 each."""
    side = np.unique(group * 2 + machine, return_inverse=True)[1]
    return np.asarray(1 / np.bincount(side)[side], np.float64)


def interval(value: float, samples: Sequence[float]) -> dict[str, float]:
    """Return a figure with what 95 % of its samples lie between."""
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def bootstrap(
    groups: Sequence[NDArray[np.int64]], figure: Callable[[Sequence[F64 | None]], float], seed: int = 0
) -> dict[str, float]:
    """Return a figure over several parts, with an interval from drawing the groups of each part again."""
    rng = np.random.default_rng(seed)
    samples = [figure([resampled(group, rng) for group in groups]) for _ in range(_RESAMPLES)]
    return interval(figure([None] * len(groups)), samples)


def rate(hit: B, group: NDArray[np.int64]) -> dict[str, Any]:
    """Return how often something is so, by groups."""

    def share(weights: Sequence[F64 | None]) -> float:
        weight = np.ones(len(hit)) if weights[0] is None else weights[0]
        return float(weight @ hit / weight.sum())

    return bootstrap([group], share) | {"n": len(hit)}


def spearman(*parts: tuple[F64, F64, NDArray[np.int64]]) -> dict[str, Any]:
    """Return the rank correlation of two columns, by groups: first, second, group; the mean where there are more."""
    from scipy.stats import spearmanr

    def correlation(weights: Sequence[F64 | None]) -> float:
        found = []
        for (x, y, _), weight in zip(parts, weights, strict=True):
            which = np.arange(len(x)) if weight is None else np.repeat(np.arange(len(x)), weight.astype(int))
            found.append(spearmanr(x[which], y[which])[0])
        return float(np.mean(found))

    return bootstrap([group for _, _, group in parts], correlation) | {"n": sum(len(x) for x, _, _ in parts)}
