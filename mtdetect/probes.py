"""How far shortcuts alone tell machine translation from people's text, in data where they should not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.features import normalised
from mtdetect.intervals import auroc, bootstrap, side_shares

__all__ = ["PROBES", "mask_names", "probe", "shortcuts"]

_FOLDS = 5
_MARKS = "\"'()[],.:;!?-–—…“”‘’«»„`´/&%$€£*#"
_NAME = re.compile(r"(?<=[\w,;:] )[A-ZÀ-ÖØ-Þ][\w’'-]*")
_CONTENT = re.compile(r"[a-z]{5,}")
F64 = NDArray[np.float64]
Article = Sequence[str]


def mask_names(sentence: str) -> str:
    """Replace words that have a capital within a sentence by an X, and digits by 0."""
    return re.sub(r"\d", "0", _NAME.sub("X", sentence))


def _punctuation(article: Article) -> dict[str, float]:
    text = "\n".join(article)
    n = max(len(text.split()), 1)
    counts = {mark: text.count(mark) / n for mark in _MARKS}
    ends = Counter(sentence.rstrip()[-1:] for sentence in article)
    return counts | {"two spaces": text.count("  ") / n} | {f"end {c}": ends[c] / len(article) for c in ".!?:\"”'’)"}


def _length(article: Article) -> dict[str, float]:
    words = [len(sentence.split()) for sentence in article]
    return {"words": sum(words), "sentences": len(words), "mean": float(np.mean(words)), "spread": float(np.std(words))}


def _first_letter(article: Article) -> dict[str, float]:
    firsts = Counter(sentence.lstrip()[:1] for sentence in article)
    cases = {
        kind: sum(n for char, n in firsts.items() if test(char)) / len(article)
        for kind, test in (("upper", str.isupper), ("lower", str.islower), ("digit", str.isdigit))
    }
    return cases | {char: n / len(article) for char, n in firsts.items()}


def _topic(article: Article) -> dict[str, float]:
    """Content words that an article comes back to: what it is about, whatever the wording of a sentence."""
    sentences = Counter(word for sentence in article for word in set(_CONTENT.findall(sentence.lower())))
    return {word: 1.0 for word, n in sentences.items() if n > 1}


def _names(article: Article) -> dict[str, float]:
    return {name.lower(): 1.0 for sentence in article for name in _NAME.findall(sentence)}


PROBES: dict[str, Callable[[Article], dict[str, float]]] = {
    "punctuation": _punctuation,
    "length": _length,
    "first letter": _first_letter,
    "topic words": _topic,
    "names": _names,
}


def probe(
    articles: Sequence[Article], machine: NDArray[np.bool_], group: NDArray[np.int64], weight: F64
) -> dict[str, F64]:
    """Return what classifiers say that see one shortcut only, and have not seen the document that they judge.

    Parameters
    ----------
    articles : sequence of sequence of str
        Machine and human versions of the same documents.
    machine, group, weight : ndarray, shape (n_articles,)
        Which are the machine's, what document each is a version of, and how much it counts.

    Returns
    -------
    dict of str to ndarray, shape (n_articles,)
        For each of `PROBES`, and with “, normalised” some on the text as n-grams see it: higher for the machine.
    """
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold
    from sklearn.preprocessing import MaxAbsScaler

    seen = [normalised(article) for article in articles]
    views: dict[str, list[dict[str, float]]] = {name: [of(a) for a in articles] for name, of in PROBES.items()}
    for name in ("punctuation", "length", "first letter"):
        views[f"{name}, normalised"] = [PROBES[name](a) for a in seen]
    scores = {}
    for name, features in views.items():
        scores[name] = np.zeros(len(articles))
        if not any(features):
            continue
        matrix: Any = MaxAbsScaler().fit_transform(DictVectorizer().fit_transform(features))
        for train, test in GroupKFold(_FOLDS).split(matrix, machine, group):
            model = LogisticRegression(C=1.0, max_iter=500)
            model.fit(matrix[train], machine[train], sample_weight=weight[train] / weight[train].mean())
            # a fold of its own has an intercept of its own: compare within it
            scores[name][test] = model.decision_function(matrix[test]) - model.intercept_[0]
    return scores


def shortcuts(
    articles: Sequence[Article], machine: NDArray[np.bool_], group: NDArray[np.int64]
) -> dict[str, dict[str, float]]:
    """Return the AUROC of each probe, both versions of a document weighing the same; .5 where there is no shortcut."""
    weight = side_shares(machine, group)

    def area(scores: F64) -> Callable[[Sequence[F64 | None]], float]:
        return lambda w: auroc(machine, scores, weight if w[0] is None else weight * w[0])

    return {name: bootstrap([group], area(scores)) for name, scores in probe(articles, machine, group, weight).items()}
