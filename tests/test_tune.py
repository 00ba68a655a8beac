"""Adapting a model to round trips of an engine that it has not seen."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet
from small_data import sentence

from mtdetect import Detector
from mtdetect.classifier import FastClassifier
from mtdetect.data import DataError, Pair
from mtdetect.evaluate import evaluate
from mtdetect.tables import tables
from mtdetect.tune import _points, tune_fast

STRANGE = {" on Monday": " in the Monday", " in the valley": " within valley", "The mayor": "Mayor one", ".": " so."}


def trips(seed: int, n: int = 30) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        human = [sentence(rng)[0] for _ in range(8)]
        machine = list(human)
        for before, after in STRANGE.items():
            machine = [text.replace(before, after) for text in machine]
        row = {"group": f"{seed}-{i}", "engine": "strange", "pivot": "xx"}
        rows.append(row | {"human_sentences": human, "mt_sentences": machine})
    return rows


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def tuned(trained: FastClassifier, tmp_path_factory: pytest.TempPathFactory) -> FastClassifier:
    folder = tmp_path_factory.mktemp("tuned")
    return tune_fast(trained, folder / "mine", [write(folder / "pairs.parquet", trips(1))])


def test_it_learns_an_engine_that_it_has_not_seen(
    trained: FastClassifier, tuned: FastClassifier, tmp_path: Path
) -> None:
    unseen = [write(tmp_path / "unseen.parquet", trips(2))]
    before, after = (evaluate(Detector(model), None, unseen) for model in (trained, tuned))
    base, own = (metrics["round trips"]["strange/xx"] for metrics in (before, after))
    assert own["article auroc"]["value"] >= base["article auroc"]["value"]
    assert own["sentence auroc"]["value"] > base["sentence auroc"]["value"] + 0.05
    assert own["sentence auroc"]["low"] > base["sentence auroc"]["value"]
    assert after["round trips"]["strange/xx"]["originals below 50"]["value"] <= 0.05
    shown = tables(after)
    assert f"mine@{tuned.digest}" in shown and "| strange/xx | 30 |" in shown and "matched" not in shown


def test_what_it_knew_stays(trained: FastClassifier, tuned: FastClassifier, data: Path) -> None:
    before, after = (evaluate(Detector(model), data, [data / "pairs.parquet"]) for model in (trained, tuned))
    for pivot in ("cat", "spa"):
        assert after["round trips"][f"apertium/{pivot}"]["sentence auroc"]["value"] > 0.95
    assert after["quality against judgement"] == before["quality against judgement"]
    assert after["sentences flagged"]["news human"]["fpr_1"]["value"] <= 0.01
    for name, point in trained.points.items():
        assert tuned.points[name].sentence >= point.sentence and tuned.points[name].article >= point.article


def test_mean_of_the_originals_stays(trained: FastClassifier, tuned: FastClassifier) -> None:
    from mtdetect.calibrate import raw_scores

    held = {f"1-{i}" for i in range(30)} - set(sorted(f"1-{i}" for i in range(30))[::5])
    changed = [
        [one for one, other in zip(row["human_sentences"], row["mt_sentences"], strict=True) if one != other]
        for row in trips(1)
        if row["group"] in held
    ]
    before, after = (raw_scores(model, changed)[0].mean(axis=1) for model in (trained, tuned))
    assert np.abs(before - after).max() < 0.1
    assert before[0] == after[0] and before[2] == after[2], "style and quality are those of the base"


def test_same_pairs_same_bytes(trained: FastClassifier, tuned: FastClassifier, tmp_path: Path) -> None:
    again = tune_fast(trained, tmp_path / "mine", [write(tmp_path / "pairs.parquet", trips(1))])
    assert again.digest == tuned.digest
    assert again.config["training"]["base"] == f"small-v1@{trained.digest}"
    assert FastClassifier.load(tmp_path / "mine").digest == tuned.digest


def test_thresholds_rise_where_ones_own_originals_would_be_flagged(trained: FastClassifier) -> None:
    calm = [Pair(row["group"], "e", "p", row["human_sentences"], row["mt_sentences"]) for row in trips(3)]
    machine = [[sentence(random.Random(f"{i} {k}"))[1] for k in range(8)] for i in range(30)]
    odd = [Pair(str(i), "e", "p", sentences, sentences) for i, sentences in enumerate(machine)]
    assert _points(trained, []) == trained.config["operating_points"]
    for name, point in _points(trained, odd).items():
        known = trained.config["operating_points"][name]
        assert point["sentence"] > known["sentence"] and point["article"] > known["article"]
        assert all(_points(trained, calm)[name][level] >= known[level] for level in known)


def test_what_cannot_be_learned_from(trained: FastClassifier, tmp_path: Path) -> None:
    few = write(tmp_path / "few.parquet", trips(1, 4))
    with pytest.raises(DataError, match="round trips of 4 articles are too few to adapt a model: 5 at least"):
        tune_fast(trained, tmp_path / "mine", [few])
    same = [row | {"mt_sentences": row["human_sentences"]} for row in trips(1, 6)]
    with pytest.raises(DataError, match="changed no sentence"):
        tune_fast(trained, tmp_path / "mine", [write(tmp_path / "same.parquet", same)])
    with pytest.raises(DataError, match="cannot read"):
        tune_fast(trained, tmp_path / "mine", [tmp_path / "none.parquet"])
    assert not (tmp_path / "mine").exists()
