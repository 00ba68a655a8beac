"""From raw outputs of the linear model to probabilities, operating points and quality, on the dev split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.classifier import FastClassifier, article_features, sigmoid
from mtdetect.data import read_rows, rule_columns, rule_matrix, sentences_of
from mtdetect.features import extract

__all__ = ["FPR", "calibrate", "raw_scores"]

FPR = {"fpr_0.1": 0.001, "fpr_1": 0.01, "fpr_5": 0.05}
_CHUNK = 4000
_MIXTURES = 4000
_CLEAN_WEIGHT = 20.0  # quiet beats loud
F64 = NDArray[np.float64]


def raw_scores(model: FastClassifier, split: Sequence[Sequence[str]]) -> tuple[F64, NDArray[np.bool_]]:
    """Return the outputs of both heads (2, n_sentences) and the rule hits (n_sentences, n_rules)."""
    hits = rule_matrix(split)
    sentences = [sentence for part in split for sentence in part]
    parts = [
        model.logits(extract(sentences[i : i + _CHUNK]), hits[i : i + _CHUNK]) for i in range(0, len(sentences), _CHUNK)
    ]
    return np.concatenate(parts, axis=1), hits


def _fit_logistic(features: F64, target: F64, weight: F64, signs: Sequence[int]) -> tuple[float, F64]:
    """Return intercept and coefficients of a logistic regression, each coefficient with the given sign or 0."""
    from scipy.optimize import minimize

    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    scaled = (features - mean) / spread

    def loss(point: F64) -> tuple[float, F64]:
        z = point[0] + scaled @ point[1:]
        slope = weight * (sigmoid(z) - target)
        value = float((weight * (np.logaddexp(0, z) - target * z)).sum() / weight.sum())
        gradient = np.append(slope.sum(), scaled.T @ slope) / weight.sum()
        return value + 5e-4 * float(point[1:] @ point[1:]), gradient + 1e-3 * np.append(0, point[1:])

    bounds = [(None, None)] + [(0, None) if sign > 0 else (None, 0) for sign in signs]
    best = minimize(loss, np.zeros(len(signs) + 1), jac=True, bounds=bounds, method="L-BFGS-B").x
    coefficients = best[1:] / spread
    return float(best[0] - coefficients @ mean), coefficients


def calibrate(
    model: FastClassifier, data: Path, clean: Sequence[str], rng: np.random.Generator, log: Callable[[str], None]
) -> dict[str, Any]:
    """Return the parts of the configuration that are fitted on the dev split.

    Parameters
    ----------
    model : FastClassifier
        Trained, not calibrated.
    data : Path
        Folder with ``articles_dev`` and ``judgements_dev``.
    clean : sequence of str
        Human articles that the model has not seen, to mix judged sentences into.
    rng : numpy.random.Generator
        For the mixtures.
    log : callable
        Called with a line at each step.
    """
    rows = read_rows(data, "articles_dev")
    split = [sentences_of(row) for row in rows]
    sizes = np.array([len(part) for part in split])
    z, hits = raw_scores(model, split)
    owner = np.repeat(np.arange(len(rows)), sizes)
    z_article = np.bincount(owner, z[0], len(rows)) / np.maximum(sizes, 1)
    source = np.array([row["source"] for row in rows])
    label = np.array([row["label"] for row in rows])

    matched = np.isin(source, source[label == "ht"]) & (sizes > 0)
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    side = groups * 2 + (label == "mt")
    weight = matched / np.bincount(side, matched)[side].clip(1)
    mt: dict[str, Any] = {}
    for level, scores, who in (("sentence", z[0], owner), ("article", z_article, np.arange(len(rows)))):
        use = weight[who] > 0
        intercept, slope = _fit_logistic(scores[use, None], (label == "mt")[who][use] * 1.0, weight[who][use], [1])
        mt[level] = {"intercept": intercept, "slope": float(slope[0])}

    def probability(level: str, scores: F64) -> F64:
        return sigmoid(mt[level]["intercept"] + mt[level]["slope"] * scores)

    # the worst source of human articles sets each threshold
    human = [name for name in np.unique(source[label == "human"])]
    points = {}
    for name, rate in FPR.items():
        by_level = {}
        for level, scores, who in (("sentence", z[0], source[owner]), ("article", z_article, source)):
            quantiles = [np.quantile(probability(level, scores[who == one]), 1 - rate) for one in human]
            by_level[level] = round(float(max(quantiles)) + 5e-7, 6)
        points[name] = by_level
    log(f"operating points: {points}")
    quality = _fit_quality(model, data, clean, rng)
    used = np.flatnonzero((label == "human") & (sizes > 0))
    table = np.concatenate([_table(z[:, owner == i], hits[owner == i], quality["sentence"]) for i in used])
    first = np.cumsum(sizes[used]) - sizes[used]
    raw = article_features(*_columns(table), first) @ np.array(quality["article"]["weights"])
    # a human article is to fall below 50 once in a hundred, whatever its source
    lowest = min(np.quantile(raw[source[used] == one], 0.01) for one in human)
    log(f"quality: {quality}, human articles at 50: {-lowest:.3f}")
    quality["article"]["intercept"] = max(quality["article"]["intercept"], -float(lowest))
    return {"mt": mt, "operating_points": points, "quality": quality}


def _fit_quality(model: FastClassifier, data: Path, clean: Sequence[str], rng: np.random.Generator) -> dict[str, Any]:
    """Fit the quality of sentences to human judgements, and that of articles to known shares of garbled sentences."""
    judged = [row for row in read_rows(data, "judgements_dev") if row["kind"] == "mlqe-da"]
    judgement = np.array([row["score_raw"] for row in judged]) / 100
    z, hits = raw_scores(model, [[row["text"]] for row in judged])
    intercept, slope = _fit_logistic(z[1][:, None], judgement, np.ones(len(judged)), [1])
    sentence = {"intercept": intercept, "slope": float(slope[0])}
    bad = _table(z, hits, sentence)[judgement < 0.5]

    split = [part for text in clean if len(part := sentences_of({"sentences": None, "text": text})) >= 5]
    table = _table(*raw_scores(model, split), sentence)
    ends = np.cumsum([len(part) for part in split])
    begins = ends - [len(part) for part in split]
    features, target = [], []
    for i in range(_MIXTURES):
        choice = rng.integers(len(split))
        mixed = table[begins[choice] : ends[choice]].copy()
        share = rng.uniform(0, 1) if i % 2 else 0.0
        replaced = rng.permutation(len(mixed))[: round(share * len(mixed))]
        if i % 4 == 1:
            # people hardly ever write what a strong rule finds: it makes a sentence garbled, however it reads
            mixed[replaced, 1] = 1
        else:
            mixed[replaced] = bad[rng.integers(len(bad), size=len(replaced))]
        features.append(article_features(*_columns(mixed), np.zeros(1, int))[0])
        target.append((1 - len(replaced) / len(mixed)) ** 3)
    weight = np.where(np.arange(_MIXTURES) % 2, 1.0, _CLEAN_WEIGHT)
    base, weights = _fit_logistic(np.array(features), np.array(target), weight, [-1] * 4)
    return {"sentence": sentence, "article": {"intercept": base, "weights": weights.tolist()}}


def _table(z: F64, hits: NDArray[np.bool_], scale: dict[str, float]) -> F64:
    """Return damage, strong evidence and weak evidence of each sentence, a column each."""
    strong: NDArray[np.bool_] = np.array([strength == "strong" for _, strength in rule_columns()])
    damage = 1 - sigmoid(scale["intercept"] + scale["slope"] * z[1])
    return np.column_stack([damage, hits[:, strong].any(axis=1), hits[:, ~strong].any(axis=1)])


def _columns(table: F64) -> tuple[F64, NDArray[np.bool_], NDArray[np.bool_]]:
    return table[:, 0], table[:, 1] > 0, table[:, 2] > 0
