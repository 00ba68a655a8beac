"""From raw outputs of a model to probabilities, operating points and quality, on the dev split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.accurate import AccurateClassifier, in_article
from mtdetect.classifier import (
    FastClassifier,
    article_features,
    article_mt_features,
    said_first,
    sentence_weights,
    sigmoid,
)
from mtdetect.data import Pair, read_rows, rule_columns, rule_matrix, sentences_of
from mtdetect.features import extract

__all__ = ["FPR", "calibrate", "fit_logistic", "raw_scores"]

FPR = {"fpr_0.1": 0.001, "fpr_1": 0.01, "fpr_5": 0.05}
_CHUNK = 4000
_MIXTURES = 4000
_CLEAN_WEIGHT = 20.0  # quiet beats loud
_RESERVE = 0.9  # of the rate that a point is named by: strong rules flag some sentences on top, and other text differs
# in the score of a sentence, where style weighs 1; a fit would find what people translated garbled
_ROUNDTRIP_WEIGHT = 1.25
_USUAL, _RARE = 0.9, 0.98  # shares of the articles by people
# share of the articles by people whose quality may be so low; an encoder needn't take translators for worse writers
_BELOW_50 = {"human": 0.004, "ht": 0.05}
F64 = NDArray[np.float64]


Classifier = FastClassifier | AccurateClassifier


def raw_scores(model: Classifier, split: Sequence[Sequence[str]]) -> tuple[F64, NDArray[np.bool_]]:
    """Return what the model says of sentences, and rule hits.

    Returns
    -------
    ndarray of shape (6, n_sentences)
        The outputs of the heads; the weights of the sentences; and what speaks for a machine in each by itself.
    ndarray of bool, shape (n_sentences, n_rules)
        Rule hits.
    """
    linear = model.fast if isinstance(model, AccurateClassifier) else model
    hits = rule_matrix(split)
    sentences = [sentence for part in split for sentence in part]
    parts = []
    for i in range(0, len(sentences), _CHUNK):
        chunk = sentences[i : i + _CHUNK]
        grams = extract(chunk)
        logits = linear.logits(grams, hits[i : i + _CHUNK])
        parts.append(np.vstack([logits, sentence_weights(chunk, grams.n_tokens)]))
    z = np.concatenate(parts, axis=1)
    z[-1] *= np.concatenate([said_first(part) for part in split])
    if isinstance(model, AccurateClassifier):
        joined, _ = model.join(z[:-1], split)
        return np.vstack([joined[:-1], z[-1], joined[-1]]), hits
    return np.vstack([z, z[0] + _ROUNDTRIP_WEIGHT * z[1]]), hits


def fit_logistic(features: F64, target: F64, weight: F64, signs: Sequence[int]) -> tuple[float, F64]:
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
    model: Classifier,
    data: Path,
    keeps: Callable[[dict[str, Any]], bool],
    clean: Sequence[str],
    unseen: tuple[Classifier, Sequence[Pair]],
    rng: np.random.Generator,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Return the parts of the configuration that are fitted on the dev split and on round trips of a kind left out.

    Parameters
    ----------
    model : FastClassifier or AccurateClassifier
        Trained, not calibrated.
    data : Path
        Folder with ``articles_dev`` and ``judgements_dev``.
    keeps : callable
        Which of the articles to look at.
    clean : sequence of str
        Human articles that the model has not seen, to mix judged sentences into.
    unseen : (classifier, sequence of Pair)
        Round trips of a kind, and the model as it is without having seen that kind.
    rng : numpy.random.Generator
        For the mixtures.
    log : callable
        Called with a line at each step.
    """
    naive, pairs = unseen
    rows = [row for row in read_rows(data, "articles_dev") if keeps(row)]
    source = np.array([row["source"] for row in rows])
    label = np.array([row["label"] for row in rows])
    split = [sentences_of(row) for row in rows]
    trips = [side for pair in pairs for side in (pair.human, pair.machine)]
    sizes = np.array([len(part) for part in split + trips])
    parts = [raw_scores(model, split)] + ([raw_scores(naive, trips)] if trips else [])
    z, hits = np.concatenate([part for part, _ in parts], axis=1), np.concatenate([part for _, part in parts])
    owner = np.repeat(np.arange(len(sizes)), sizes)
    means = np.array([np.bincount(owner, part, len(sizes)) for part in z[:2]]) / np.maximum(sizes, 1)

    # documents that machines and people translated; as much weight for round trips against originals
    matched = np.isin(source, source[label == "mt"]) & (sizes[: len(rows)] > 0)
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    side = groups * 2 + (label == "mt")
    weight = matched / np.bincount(side, matched)[side].clip(1)
    of_trips = np.full(len(trips), weight.sum() / max(len(trips), 1))
    weight = np.append(weight, of_trips)
    machine = np.append(label == "mt", np.arange(len(trips)) % 2 == 1)
    people = {  # by source, those of the dev split
        (name, kind): np.flatnonzero((source == name) & (label == kind) & (sizes[: len(rows)] > 0))
        for name in np.unique(source)
        for kind in ("human", "ht")
        if ((source == name) & (label == kind)).any()
    }
    news = np.concatenate([which for (_, kind), which in people.items() if kind == "human"])
    joined = isinstance(model, AccurateClassifier)
    sources = people
    if joined:
        # of the few documents for that, the extremes of a single source would be a matter of one or two
        kinds = {kind for _, kind in people}
        sources = {
            ("all", one): np.concatenate([which for (_, kind), which in people.items() if kind == one]) for one in kinds
        }
    garble, full, none = sigmoid(z[3]), np.flatnonzero(sizes), np.zeros(len(owner))
    amount = np.bincount(owner, garble * z[4], len(sizes))
    usual = float(np.median(amount[news] / np.bincount(owner, z[4], len(sizes))[news]))
    garbled = np.full(len(sizes), usual)
    garbled[full] = article_features(none, garble, none > 0, z[4], (np.cumsum(sizes) - sizes)[full], usual)[:, 1]
    limits = {
        "cap": float(np.quantile(means[1][news], _USUAL)),
        # what an encoder takes for garble counts earlier: engines that it never met make little of it
        "beyond": _highest([garbled[which] for which in sources.values()], _USUAL if joined else _RARE),
    }
    by_level = {
        "sentence": z[5][:, None],
        "article": article_mt_features(means[0], means[1], garbled, limits),
    }
    mt: dict[str, Any] = {}
    probability: dict[str, F64] = {}
    for level, features in by_level.items():
        who = owner if level == "sentence" else np.arange(len(sizes))
        use = weight[who] > 0
        intercept, slopes = fit_logistic(
            features[use], machine[who][use] * 1.0, weight[who][use], [1] * features.shape[1]
        )
        mt[level] = {"intercept": intercept, "weights": slopes.tolist()}
        log_odds = intercept + (features * slopes).sum(axis=1)
        together = joined and level == "sentence"
        probability[level] = in_article(log_odds, sizes) if together else sigmoid(log_odds)
    if not joined:
        (slope,) = mt["sentence"]["weights"]
        mt["sentence"]["weights"] = [slope, slope * _ROUNDTRIP_WEIGHT]
    mt["article"] |= limits
    log(f"mt: {mt}")

    # the worst source of text by people, written or translated, sets each threshold
    points = {}
    for name, rate in FPR.items():
        chosen = {}
        for level, scores in probability.items():
            samples = [
                scores[np.isin(owner, which)] if level == "sentence" else scores[which] for which in people.values()
            ]
            chosen[level] = round(_highest(samples, 1 - _RESERVE * rate) + 5e-7, 6)
        points[name] = chosen
    log(f"operating points: {points}")
    by_people = np.concatenate([which for (_, kind), which in people.items() if kind == "ht"] or [news])
    part = np.isin(owner, by_people)
    quality = _fit_quality(model, data, clean, unseen, (z[:, part], hits[part], sizes[by_people]), usual, rng)
    raw = {}
    for key, which in sources.items():
        part = np.isin(owner, which)
        table = _table(z[:, part], hits[part], quality["sentence"])
        first = np.cumsum(sizes[which]) - sizes[which]
        raw[key] = article_features(*_columns(table), first, usual) @ np.array(quality["article"]["weights"])
    lowest = min(
        float(np.quantile(scores, _BELOW_50["human" if joined else kind])) for (_, kind), scores in raw.items()
    )
    log(f"quality: {quality}, people's articles at 50: {-lowest:.3f}")
    quality["article"]["intercept"] = -lowest
    return {"mt": mt, "operating_points": points, "quality": quality}


def _highest(samples: Sequence[F64], share: float) -> float:
    """Return the quantile of the sample in which it is highest."""
    return float(max(np.quantile(sample, share) for sample in samples))


def _fit_quality(
    model: Classifier,
    data: Path,
    clean: Sequence[str],
    unseen: tuple[Classifier, Sequence[Pair]],
    by_people: tuple[F64, NDArray[np.bool_], NDArray[np.int64]],
    usual: float,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Fit the quality of sentences to human judgements, and that of articles to known shares of garbled sentences.

    What people translated is as clean as what people wrote: outputs, hits and sizes of such articles in `by_people`.
    """
    naive, pairs = unseen
    judged = [row for row in read_rows(data, "judgements_dev") if row["kind"] == "mlqe-da"]
    judgement = np.array([row["score_raw"] for row in judged]) / 100
    z, hits = raw_scores(model, [[row["text"]] for row in judged])
    intercept, slope = fit_logistic(z[2][:, None], judgement, np.ones(len(judged)), [1])
    sentence = {"intercept": intercept, "slope": float(slope[0])}
    bad = _table(z, hits, sentence)[judgement < 0.5]
    trips = _table(*raw_scores(naive, [pair.machine for pair in pairs]), sentence) if pairs else bad

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
        if i % 6 == 1:
            # people hardly ever write what a strong rule finds: it makes a sentence garbled, however it reads
            mixed[replaced, 2] = 1
        else:
            garbled = bad if i % 12 == 11 else trips
            mixed[replaced] = garbled[rng.integers(len(garbled), size=len(replaced))]
        features.append(article_features(*_columns(mixed), np.zeros(1, int), usual)[0])
        target.append((1 - len(replaced) / len(mixed)) ** 3)
    weight = np.where(np.arange(_MIXTURES) % 2, 1.0, _CLEAN_WEIGHT)
    z, hits, sizes = by_people
    more = article_features(*_columns(_table(z, hits, sentence)), np.cumsum(sizes) - sizes, usual)
    target += [1.0] * len(more)
    weight = np.append(weight, np.full(len(more), _CLEAN_WEIGHT * _MIXTURES / 2 / max(len(more), 1)))
    base, weights = fit_logistic(np.vstack([features, more]), np.array(target), weight, [-1] * 3)
    return {"sentence": sentence, "article": {"intercept": base, "weights": weights.tolist(), "usual": usual}}


def _table(z: F64, hits: NDArray[np.bool_], scale: dict[str, float]) -> F64:
    """Return damage, garble, strong evidence and weight of each sentence, a column each."""
    strong: NDArray[np.bool_] = np.array([strength == "strong" for _, strength in rule_columns()])
    damage = 1 - sigmoid(scale["intercept"] + scale["slope"] * z[2])
    return np.column_stack([damage, sigmoid(z[3]), hits[:, strong].any(axis=1), z[4]])


def _columns(table: F64) -> tuple[F64, F64, NDArray[np.bool_], F64]:
    return table[:, 0], table[:, 1], table[:, 2] > 0, table[:, 3]
