"""What it measures to tell much edited sentences of all language pairs together.

python tests/benchmarks/edits_by_pair.py DATA: a ridge regression on the n-grams of `fast` learns the share of words
that post-editors changed (MLQE). It is tested on the dev split, sentences with a share of .3 and more against those
with .05 at most: once having seen all pairs in training, once without the pair that it is tested on. And what it says
of news that people wrote about the countries of two pairs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from mtdetect.classifier import FastClassifier
from mtdetect.data import read_rows, sentences_of
from mtdetect.features import TOKEN_KINDS
from mtdetect.intervals import auroc, bootstrap
from mtdetect.train import NgramCounts, _merge_vocabularies

_ABOUT = {
    "Nepal and Sri Lanka": re.compile(r"Nepal|Kathmandu|Sri Lanka|Colombo\b|Sinhal|Tamil"),
    "Romania and Russia": re.compile(r"Romania|Bucharest|Russia|Moscow"),
}


def main(data: Path) -> None:
    """Print the AUROC of all pairs together and the mean over pairs, with 95 % intervals over documents."""

    def edited(name: str) -> list[dict[str, Any]]:
        rows = [row for row in read_rows(data, name) if row["source"] == "mlqe_pe" and row["label"] == "mt"]
        return [row for row in rows if row["text"] and row["hter"] is not None]

    train, dev = edited("spans_train"), [row for row in edited("spans_dev") if not 0.05 < row["hter"] < 0.3]
    counts = NgramCounts.extract([row["text"] for row in train], TOKEN_KINDS)
    each = np.arange(len(train))
    arrays = {
        "keys": _merge_vocabularies(counts.vocabulary(kind, each, 3) for kind in TOKEN_KINDS),
        "chars": np.zeros((0, 4)),
    }
    model = FastClassifier({}, arrays)

    def features(texts: list[str]) -> Any:
        return NgramCounts.extract(texts, TOKEN_KINDS).matrix(model, "quality", TOKEN_KINDS)

    known, tested = counts.matrix(model, "quality", TOKEN_KINDS), features([row["text"] for row in dev])
    share = np.array([min(row["hter"], 1) for row in train])
    of, pair = (np.array([row["lang_pair"] for row in rows]) for rows in (train, dev))
    bad = np.array([row["hter"] >= 0.3 for row in dev])
    group = np.unique([row["group"] for row in dev], return_inverse=True)[1]
    names = np.unique(pair)

    def fitted(use: np.ndarray) -> Ridge:
        return Ridge(alpha=10.0, solver="sparse_cg", max_iter=300, tol=1e-3).fit(known[use], share[use])

    ridge = fitted(np.ones(len(train), bool))
    seen, strange = ridge.predict(tested), np.zeros(len(dev))
    for name in names:
        strange[pair == name] = fitted(of != name).predict(tested[pair == name])
    for label, score in (("all pairs seen", seen), ("without the pair", strange)):

        def mean(weights: Sequence[np.ndarray | None], score: np.ndarray = score) -> float:
            parts = [(bad[pair == name], score[pair == name]) for name in names]
            return float(np.mean([auroc(*part, w) for part, w in zip(parts, weights, strict=True)]))

        together = bootstrap([group], lambda weights, score=score: auroc(bad, score, weights[0]))
        print(f"{label}: all together {together}, mean over pairs {bootstrap([group[pair == n] for n in names], mean)}")
    # what a classifier that knew nothing but the pair would reach
    base = {name: share[of == name].mean() for name in names}
    by_pair = bootstrap([group], lambda weights: auroc(bad, np.array([base[name] for name in pair]), weights[0]))
    print(f"the name of the pair alone: all together {by_pair}")

    articles = [*read_rows(data, "articles_train"), *read_rows(data, "articles_dev")]
    rows = [row for row in articles if row["label"] == "human" and row["text"]]
    for about, pattern in _ABOUT.items():
        chosen = [(s, row["group"]) for row in rows for s in sentences_of(row) if pattern.search(s)]
        said = ridge.predict(features([sentence for sentence, _ in chosen]))
        of_article = np.unique([article for _, article in chosen], return_inverse=True)[1]
        expected = bootstrap([of_article], lambda weights, said=said: float(np.average(said, weights=weights[0])))
        print(f"share of edits that it expects in {len(said)} sentences of people about {about}: {expected}")


if __name__ == "__main__":
    with threadpool_limits(limits=1):
        main(Path(sys.argv[1]))
