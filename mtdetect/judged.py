"""Figures of single sentences that people judged, edited, or marked what is wrong in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.detector import Detector
from mtdetect.intervals import auroc, bootstrap, spearman

__all__ = ["judgements", "marked_spans", "much_edited"]

F64 = NDArray[np.float64]
B = NDArray[np.bool_]


def judgements(detector: Detector, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Compare the quality of sentences with human judgements, within kinds and language pairs.

    Parameters
    ----------
    detector : Detector
        Judges each sentence by itself.
    rows : list of dict
        With ``text``, ``score_raw`` (higher is better), ``kind``, ``lang_pair`` and ``group``.
    """
    articles = [detector.score_sentences([row["text"]]) for row in rows]
    n_rows = len(rows)
    rows = [row for row, article in zip(rows, articles, strict=True) if article.sentences]
    quality = np.array([article.sentences[0].quality for article in articles if article.sentences])
    score = np.array([row["score_raw"] for row in rows], float)
    group = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    kind = np.array([f"{row['kind']} {row['lang_pair']}" for row in rows])
    parts = {str(name): (quality[kind == name], score[kind == name], group[kind == name]) for name in np.unique(kind)}
    return {
        "sentence": {name: spearman(part) for name, part in parts.items()},
        "mlqe-da mean": spearman(*(part for name, part in parts.items() if name.startswith("mlqe-da"))),
        "not judged": n_rows - len(rows),
    }


def marked_spans(detector: Detector, rows: list[dict[str, Any]], source: str) -> dict[str, Any]:
    """Compare evidence with the spans that people marked, over characters; annotators of one text are joined."""
    marked: dict[tuple[str, str], B] = {}
    for row in rows:
        if row["source"] == source and row["label"] == "mt" and row["text"]:
            gold = marked.setdefault((row["group"], row["text"]), np.zeros(len(row["text"]), bool))
            for span in row["spans"]:
                gold[span["start"] : span["end"]] = True
    counts = []
    for (_, text), gold in marked.items():
        found = np.zeros(len(text), bool)
        for sentence in detector.score_sentences([text]).sentences:
            for item in sentence.evidence:
                found[item.start : item.end] = True
        counts.append([(gold & found).sum(), (~gold & found).sum(), (gold & ~found).sum(), (~gold & ~found).sum()])
    table = np.array(counts, float)
    group = np.unique([name for name, _ in marked], return_inverse=True)[1]

    def figure(compute: Callable[[F64], float]) -> dict[str, float]:
        return bootstrap([group], lambda w: compute(table.sum(axis=0) if w[0] is None else w[0] @ table))

    def correlation(t: F64) -> float:
        tp, fp, fn, tn = t
        return float((tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))

    return {
        "matthews": figure(correlation),
        "precision": figure(lambda t: float(t[0] / (t[0] + t[1]))),
        "recall": figure(lambda t: float(t[0] / (t[0] + t[2]))),
        "texts": len(table),
    }


def much_edited(detector: Detector, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how well the quality of a sentence tells those that were much edited from those that were fine."""
    rows = [row for row in rows if row["hter"] is not None and not 0.05 < row["hter"] < 0.3]
    articles = [detector.score_sentences([row["text"]]) for row in rows]
    use = [i for i, article in enumerate(articles) if article.sentences]
    quality = np.array([articles[i].sentences[0].quality for i in use])
    bad = np.array([rows[i]["hter"] >= 0.3 for i in use])
    group = np.unique([rows[i]["group"] for i in use], return_inverse=True)[1]
    pair = np.array([str(rows[i]["lang_pair"]) for i in use])
    of_pair = {str(name): pair == name for name in np.unique(pair)}
    of_pair = {name: use for name, use in of_pair.items() if bad[use].any() and not bad[use].all()}

    def figure(*parts: B) -> dict[str, float]:
        def mean(weights: Sequence[F64 | None]) -> float:
            found = [auroc(bad[use], -quality[use], w) for use, w in zip(parts, weights, strict=True)]
            return float(np.mean(found))

        return bootstrap([group[use] for use in parts], mean)

    return {
        "all pairs": figure(np.ones(len(bad), bool)),
        "mean over pairs": figure(*of_pair.values()),
        "pairs": {name: figure(use) for name, use in of_pair.items()},
    }
