"""Neural round trips of `htvsmt`, each year left out: python tests/benchmarks/left_out_year.py DATA.

German translations of English news by people, back into English by machine (``trans_de``), against the originals
(``org_en``). For each year the style head is trained without any document of that year; the figure is over all years.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import sparse

from mtdetect.classifier import FastClassifier
from mtdetect.data import read_rows, rule_matrix, sentences_of
from mtdetect.features import TOKEN_KINDS
from mtdetect.intervals import auroc, bootstrap
from mtdetect.train import NgramCounts, _fit_sgd, _merge_vocabularies, group_weights, matched_rows


def main(data: Path) -> None:
    """Print the AUROC with a 95 % interval over documents."""
    articles = read_rows(data, "articles_train")
    rows = matched_rows(articles, np.random.default_rng(0))
    tested = [
        row
        for row in articles
        if row["source"] == "htvsmt" and ("trans_de" in row["doc_id"] or "org_en" in row["doc_id"])
    ]
    keys = {id(row): i for i, row in enumerate(rows)}
    rows += [row for row in tested if id(row) not in keys]
    split = [sentences_of(row) for row in rows]
    owner = np.repeat(np.arange(len(rows)), [len(part) for part in split])
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    machine = np.array([row["label"] == "mt" for row in rows])
    year = np.array([row["year"] for row in rows])
    weight = group_weights(rows, groups, machine)
    found = NgramCounts.extract([sentence for part in split for sentence in part], TOKEN_KINDS)
    vocabulary = _merge_vocabularies(found.vocabulary(kind, groups[owner], 5) for kind in TOKEN_KINDS)
    arrays = {"keys": vocabulary, "chars": np.zeros((0, 4))}
    words = found.matrix(FastClassifier({}, arrays), "style", TOKEN_KINDS)
    features = sparse.hstack([words, rule_matrix(split)], format="csr")
    is_tested = np.array([any(row is one for one in tested) for row in rows])
    score = np.full(len(rows), np.nan)
    for left_out in np.unique(year[is_tested]):
        use = np.flatnonzero((year != left_out)[owner])
        weights = _fit_sgd(features[use], machine[owner][use], weight[owner][use], 0)
        z = features @ weights
        of_year = is_tested & (year == left_out)
        means = np.bincount(owner, z, len(rows)) / np.maximum(np.bincount(owner, minlength=len(rows)), 1)
        score[of_year] = means[of_year]
        print(left_out, of_year.sum(), round(auroc(machine[of_year], means[of_year]), 3), flush=True)
    which = np.flatnonzero(is_tested)
    years = [np.flatnonzero(year[which] == one) for one in np.unique(year[which])]
    parts = [which[of] for of in years]
    figure = bootstrap(
        [groups[part] for part in parts],
        lambda weights: float(np.mean([auroc(machine[p], score[p], w) for p, w in zip(parts, weights, strict=True)])),
    )
    print(f"trans_de against org_en, year left out, mean over years: {figure}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
