"""The task of van der Werff et al. (EAMT 2022): python tests/benchmarks/eamt.py DATA PAIRS.

WMT German-English news, translated by people against DeepL or Google. Trained on 2008 to 2014 and tested on 2018, their
development year; 2019, their test year, is not in DATA. PAIRS holds the training pairs of the model card. Writes
eamt.json.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from mtdetect import Detector
from mtdetect.classifier import FastClassifier
from mtdetect.data import LeftOut, read_rows, rule_matrix, sentences_of
from mtdetect.features import TOKEN_KINDS
from mtdetect.intervals import auroc, bootstrap
from mtdetect.matrix import family
from mtdetect.tables import _cell
from mtdetect.train import NgramCounts, _fit_sgd, _merge_vocabularies, train_fast

SYSTEMS = ("deepl", "google")
PUBLISHED = {"sentence": "SVM .549, DeBERTa .663", "article": "SVM .607, Longformer .820"}
Scorer = Callable[[Sequence[Sequence[str]]], tuple[Any, Any]]


def svm(documents: Sequence[Sequence[str]], machine: Any, year: Any) -> Scorer:
    """Word 1- and 2-grams, as in their code, a model for each level; above 0: machine."""

    def fitted(texts: Sequence[str], labels: Any) -> Any:
        tokens = CountVectorizer(min_df=1, ngram_range=(1, 2), token_pattern=r"\w+|[^\w\s]", lowercase=True)
        return make_pipeline(tokens, LinearSVC(C=1, max_iter=20_000, random_state=0)).fit(texts, labels)

    by_article = fitted(["\n".join(d) for d in documents], machine)
    sizes = [len(d) for d in documents]
    by_sentence = fitted([s for d in documents for s in d], np.repeat(machine, sizes))

    def score(tested: Sequence[Sequence[str]]) -> tuple[Any, Any]:
        sentences = [s for d in tested for s in d]
        return by_article.decision_function(["\n".join(d) for d in tested]), by_sentence.decision_function(sentences)

    return score


def features_alone(documents: Sequence[Sequence[str]], machine: Any, year: Any) -> Scorer:
    """The features and the training of our `style` head; thresholds from years left out of the training years."""
    sizes = np.array([len(d) for d in documents])
    owner = np.repeat(np.arange(len(documents)), sizes)
    grams = NgramCounts.extract([s for d in documents for s in d], TOKEN_KINDS)
    vocabulary = _merge_vocabularies(grams.vocabulary(kind, owner, 3) for kind in TOKEN_KINDS)
    model = FastClassifier({}, {"keys": vocabulary, "chars": np.zeros((0, 4))})
    weight = (1 / sizes)[owner]

    def matrix(of: NgramCounts, split: Sequence[Sequence[str]]) -> Any:
        return sparse.hstack([of.matrix(model, "style", TOKEN_KINDS), rule_matrix(split)], format="csr")

    def means(z: Any, who: Any, n: int) -> Any:
        return np.bincount(who, z, n) / np.bincount(who, minlength=n)

    features = matrix(grams, documents)
    held = np.zeros(len(owner))
    for one in np.unique(year):
        use = np.flatnonzero((year != one)[owner])
        z = features @ _fit_sgd(features[use], machine[owner][use], weight[use], 0)
        held[(year == one)[owner]] = z[(year == one)[owner]]
    bars = [_best(means(held, owner, len(documents)), machine), _best(held, machine[owner])]
    weights = _fit_sgd(features, machine[owner], weight, 0)

    def score(tested: Sequence[Sequence[str]]) -> tuple[Any, Any]:
        who = np.repeat(np.arange(len(tested)), [len(d) for d in tested])
        z = matrix(NgramCounts.extract([s for d in tested for s in d], TOKEN_KINDS), tested) @ weights
        return means(z, who, len(tested)) - bars[0], z - bars[1]

    return score


def _best(scores: Any, machine: Any) -> float:
    order = np.sort(scores)
    return float(max(order, key=lambda bar: ((scores > bar) == machine).mean()))


def ours(data: Path, pairs: Sequence[Path], unseen: str) -> Scorer:
    """The whole of our training without 2018, and without a system; above a probability of .5: machine."""

    def column(row: dict[str, Any]) -> str:
        old = row.get("year") != 2018 or (
            row.get("label") == "human" and row.get("source") not in ("htvsmt", "wmt_ref")
        )
        return "in" if "pivot" in row or (old and (row.get("label") != "mt" or family(row) != unseen)) else "out"

    with tempfile.TemporaryDirectory() as folder:
        left_out = LeftOut(column, "out", frozenset())
        detector = Detector(train_fast(data, Path(folder, "model"), pairs=pairs, left_out=left_out))

    def score(tested: Sequence[Sequence[str]]) -> tuple[Any, Any]:
        scored = [detector.score_sentences(list(d)) for d in tested]
        whole = np.array([0.5 if a.mt_score is None else a.mt_score for a in scored])
        return whole - 0.5, np.array([s.mt_score for a in scored for s in a.sentences]) - 0.5

    return score


def main(data: Path, pairs: Path) -> None:
    """Print a table and write the figures."""
    rows = [r for r in read_rows(data, "articles_train") if r["source"] == "htvsmt" and r["orig_lang"] == "de"]
    training = [pairs / f"{name}.parquet" for name in ("spa", "cat", "glg")]
    found = []
    for known in SYSTEMS:
        (unseen,) = set(SYSTEMS) - {known}
        learn = [r for r in rows if r["year"] <= 2014 and (r["label"] == "ht" or r["system"] == known)]
        machine = np.array([r["label"] == "mt" for r in learn])
        given = [sentences_of(r) for r in learn], machine, np.array([r["year"] for r in learn])
        scorers = {"n-gram SVM, their data": svm(*given), "our features, their data": features_alone(*given)}
        scorers["our features, all our data"] = ours(data, training, unseen)
        for name, score in scorers.items():
            for system in (known, unseen):
                tested = [r for r in rows if r["year"] == 2018 and (r["label"] == "ht" or r["system"] == system)]
                both = {r["group"] for r in tested if r["label"] == "ht"} & {
                    r["group"] for r in tested if r["label"] == "mt"
                }
                tested = [r for r in tested if r["group"] in both]
                of, sizes = np.array([r["label"] == "mt" for r in tested]), [len(sentences_of(r)) for r in tested]
                group = np.unique([r["group"] for r in tested], return_inverse=True)[1]
                scores = score([sentences_of(r) for r in tested])
                entry: dict[str, Any] = {
                    "model": name,
                    "trained on": known,
                    "tested on": system,
                    "articles": len(tested),
                }
                by_level = {"article": (of, group), "sentence": (np.repeat(of, sizes), np.repeat(group, sizes))}
                for z, (level, (m, g)) in zip(scores, by_level.items(), strict=True):
                    right = ((z > 0) == m) * 1.0
                    entry[level] = {
                        "accuracy": bootstrap([g], lambda w, r=right: float(np.average(r, weights=w[0]))),
                        "auroc": bootstrap([g], lambda w, m=m, z=z: auroc(m, z, w[0])),
                    }
                found.append(entry)
                cells = [_cell(entry[level][key]) for level in ("sentence", "article") for key in ("accuracy", "auroc")]
                print(f"| {name} | {known} | {system} | {' | '.join(cells)} |", flush=True)
    result = {"published, WMT19": PUBLISHED, "measured, WMT18": found}
    Path(__file__).with_name("eamt.json").write_bytes(
        orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
