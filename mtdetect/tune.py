"""Adaptation of a `fast` model to round trips of one's own: the engine that plagues you."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.calibrate import FPR
from mtdetect.classifier import FastClassifier, sigmoid
from mtdetect.data import DataError, Pair, read_pairs
from mtdetect.detector import Detector
from mtdetect.features import KINDS
from mtdetect.train import NgramCounts, digest_of, head_of, pair_sentences, set_head

__all__ = ["tune_fast"]

_STAY, _SAME_MEAN = 0.3, 10.0  # what a step away from the base costs, and one of the mean of the originals
_HELD_OUT = 5
_MIN_GROUPS = 5
F64 = NDArray[np.float64]


def tune_fast(
    base: FastClassifier,
    out: Path,
    pairs: Sequence[Path],
    *,
    log: Callable[[str], None] = lambda line: None,
) -> FastClassifier:
    """Move the heads of a `fast` model that see round trips towards those of an engine, and save it.

    A logistic regression whose penalty is on the distance from the weights of the base, not from zero (after Chelba
    and Acero 2006, "Adaptation of maximum entropy capitalizer"). It stands against the mean loss, so that more data
    don't move the weights further. The mean output on the originals stays nearly where it was, so that the
    calibration of the base holds. A fifth of the articles is held out; where their originals would be flagged more
    often than an operating point promises, its threshold is raised.

    Parameters
    ----------
    base : FastClassifier
        Where to begin; its other heads, its n-grams and its quality of a sentence stay as they are.
    out : Path
        Model folder to write; its name becomes the name of the model.
    pairs : sequence of Path
        Round trips of clean articles, from `mtdetect roundtrip`.
    log : callable
        Called with a line at each step.

    Raises
    ------
    DataError
        If the pairs are missing, of another shape, of fewer than five articles, or did not change them.
    """
    trips = read_pairs(pairs)
    groups = sorted({pair.group for pair in trips})
    if len(groups) < _MIN_GROUPS:
        raise DataError(f"round trips of {len(groups)} articles are too few to adapt a model: {_MIN_GROUPS} at least")
    held_out = set(groups[::_HELD_OUT])
    texts, machine, _, weights = pair_sentences([pair for pair in trips if pair.group not in held_out], 0)
    if not texts:
        raise DataError("these round trips changed no sentence")
    log(f"{len(trips)} round trips, {len(groups)} articles, {len(held_out)} of them held out, {len(texts)} sentences")
    counts = NgramCounts.extract(texts, KINDS)
    is_machine = np.array(machine)
    tuned = FastClassifier(base.config, {name: array.copy() for name, array in base.arrays.items()})
    for head in ("roundtrip", "garble"):
        features = counts.features(base, head)
        set_head(tuned, head, _fit_near(features, is_machine, np.array(weights), head_of(base, head)))
        log(f"head {head}: adapted")
    training = {
        "base": f"{base.config['name']}@{base.digest}",
        "data": {path.name: digest_of(path) for path in pairs},
        "articles": 2 * len(trips),
        "sentences": len(texts),
    }
    points = _points(tuned, [pair for pair in trips if pair.group in held_out])
    config = base.config | {"name": out.name, "training": training, "operating_points": points}
    return FastClassifier(config, tuned.arrays).save(out)


def _fit_near(features: Any, machine: NDArray[np.bool_], weight: F64, start: F64) -> F64:
    """Return the coefficients of a logistic regression that stays near to others."""
    from scipy.optimize import minimize

    use = np.unique(features.indices)  # the others stay where they are
    x = features[:, use]
    offset = features @ start
    human = np.asarray(x[~machine].mean(axis=0)).ravel()
    weight = weight / weight.sum()

    def loss(point: F64) -> tuple[float, F64]:
        step, intercept = point[:-1], point[-1]
        z = offset + x @ step + intercept
        slope = weight * (sigmoid(z) - machine)
        drift = human @ step
        misfit = float((weight * (np.logaddexp(0, z) - machine * z)).sum())
        away = float(_STAY * (step @ step) + _SAME_MEAN * drift**2) / 2
        return misfit + away, np.append(x.T @ slope + _STAY * step + _SAME_MEAN * drift * human, slope.sum())

    best = minimize(
        loss, np.zeros(len(use) + 1), jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-10}
    ).x
    moved = start.copy()
    moved[use] += best[:-1]
    return moved


def _points(model: FastClassifier, held_out: Sequence[Pair]) -> dict[str, dict[str, float]]:
    """Return the operating points, with thresholds that the originals held out don't pass more often than promised."""
    articles = [Detector(model).score_sentences(pair.human) for pair in held_out]
    by_level = {
        "sentence": [sentence.mt_score for article in articles for sentence in article.sentences],
        "article": [article.mt_score for article in articles if article.mt_score is not None],
    }
    points = {}
    for name, rate in FPR.items():
        known = model.config["operating_points"][name]
        points[name] = {
            level: max(known[level], round(float(np.quantile(scores, 1 - rate)) + 5e-7, 6)) if scores else known[level]
            for level, scores in by_level.items()
        }
    return points
