"""Training, calibration and evaluation, end to end on small data written here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from mtdetect import Detector
from mtdetect.classifier import FastClassifier
from mtdetect.data import DataError, Pair, rule_columns, rule_matrix
from mtdetect.evaluate import _precision, evaluate, spliced
from mtdetect.intervals import auroc
from mtdetect.tables import tables
from mtdetect.train import train_fast


def test_it_learns_what_the_machine_does(data: Path, trained: FastClassifier) -> None:
    metrics = evaluate(Detector(trained), data, [data / "pairs.parquet"])
    matched = metrics["matched auroc"]
    for level, floor in (("article", 0.99), ("sentence", 0.95)):
        figure = matched[level]["wmt2021"]
        assert figure["value"] >= floor
        assert figure["low"] <= figure["value"] <= figure["high"]
    assert metrics["quality against judgement"]["mlqe-da mean"]["value"] > 0.6
    flags = metrics["sentences flagged"]
    assert flags["news human"]["fpr_5"]["value"] <= 0.06
    assert flags["wmt2021 mt"]["fpr_5"]["value"] > 0.5
    assert trained.config["name"] == "small-v1"
    for pivot in ("cat", "spa"):
        trips = metrics["round trips"][f"apertium/{pivot}"]
        assert trips["articles"] == 30
        assert trips["article auroc"]["value"] >= 0.99 and trips["sentence auroc"]["value"] >= 0.95
        assert trips["quality below 50"]["value"] > 0.9 > 0.1 > trips["originals below 50"]["value"]
        assert f"| apertium/{pivot} | 30 | 1.000" in tables(metrics)
        within = metrics["sentences within articles"][f"apertium/{pivot}"]
        assert within["sentence auroc"]["value"] >= 0.95
        assert within["flagged"]["value"] > 0.5 > 0.1 > within["people's flagged"]["value"]
        assert 0.4 < within["flagged"]["n"] / (within["flagged"]["n"] + within["people's flagged"]["n"]) < 0.6
    assert "| wmt2021 | 1.000 [1.000, 1.000] |" in tables(metrics)
    words = metrics["evidence"]["unnatural_phrasing"]["weak"]
    for name in ("mt", "apertium/cat", "apertium/spa"):
        assert 0 < words[name]["n"] <= words[name]["of"]
        assert words[name]["precision"]["low"] <= words[name]["precision"]["value"] > 0.9
    assert f"| unnatural_phrasing, weak | {words['human']['n']} | " in tables(metrics)


def test_precision_is_that_of_as_many_sentences_of_both() -> None:
    machine, human = np.arange(100) < 30, np.arange(1000) < 100
    groups = np.arange(100), np.arange(1000)
    figure = _precision(machine, groups[0], human, groups[1])
    assert figure["value"] == 0.75 and 0.65 < figure["low"] < 0.72 < 0.78 < figure["high"] < 0.85
    never = _precision(machine, groups[0], np.zeros(1000, bool), groups[1])
    assert never["value"] == never["high"] == 1 and 0.2 / 0.203 < never["low"] < 0.3 / 0.303


def test_the_same_seed_and_data_give_the_same_bytes(data: Path, trained: FastClassifier, tmp_path: Path) -> None:
    pairs = [data / "pairs.parquet"]
    again = train_fast(data, tmp_path / "small-v1", pairs=pairs)
    assert again.config == trained.config
    other = train_fast(data, tmp_path / "other", pairs=pairs, seed=1)
    assert other.digest != trained.digest


def test_operating_points_keep_their_promise_on_every_human_source(data: Path, trained: FastClassifier) -> None:
    rows = parquet.read_table(data / "articles_dev.parquet").to_pylist()
    texts = [row["text"] for row in rows if row["label"] == "human"]
    for name, rate in (("fpr_0.1", 0.001), ("fpr_1", 0.01), ("fpr_5", 0.05)):
        sentences = [s for a in Detector(trained, name).score_many(texts) for s in a.sentences]
        assert sum(s.flagged for s in sentences) <= rate * len(sentences) + 1


def test_only_unused_tortured_phrases_are_kept(trained: FastClassifier) -> None:
    assert len(trained.arrays["spun"]) == 1
    detector = Detector(trained)
    for text, found in (("He spoke of bosom peril.", True), ("He spoke in Oslo.", False)):
        evidence = [item.category for s in detector.score_sentences([text]).sentences for item in s.evidence]
        assert ("spun_synonym" in evidence) is found


def test_round_trips_are_optional(data: Path, tmp_path: Path) -> None:
    model = train_fast(data, tmp_path / "plain")
    assert not model.arrays["weights"][:, [1, 3]].any()
    metrics = evaluate(Detector(model), data)
    assert metrics["matched auroc"]["article"]["wmt2021"]["value"] >= 0.99
    assert metrics["round trips"] == {}


def test_other_parquet_is_no_pairs_file(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks the columns engine, human_sentences, mt_sentences, pivot"):
        train_fast(data, tmp_path / "out", pairs=[data / "articles_dev.parquet"])


def test_missing_data_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"articles_train\.parquet") as caught:
        train_fast(tmp_path, tmp_path / "out")
    assert "\n" not in str(caught.value)
    (tmp_path / "articles_train.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot read"):
        train_fast(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_rule_hits_find_their_sentence() -> None:
    split = [["All is well.", "The group (ISIS, formerly ISIS) is gone."], ["Nothing here."]]
    hits = rule_matrix(split)
    assert hits.shape == (3, len(rule_columns()))
    assert [rule_columns()[i] for i in np.flatnonzero(hits[1])] == [("repetition_collapse", "strong")]
    assert not hits[[0, 2]].any()


def test_auroc_counts_pairs() -> None:
    machine = np.array([True, True, False, False])
    assert auroc(machine, np.array([3.0, 2.0, 1.0, 0.0])) == 1
    assert auroc(machine, np.array([1.0, 1.0, 1.0, 1.0])) == 0.5
    assert auroc(machine, np.array([3.0, 0.0, 1.0, 2.0])) == 0.5
    assert auroc(machine, np.array([3.0, 0.0, 1.0, 2.0]), np.array([3.0, 1.0, 1.0, 1.0])) == 0.75
    assert np.isnan(auroc(np.array([True]), np.array([1.0])))


def test_spliced_articles_are_half_the_machines_and_verbatim() -> None:
    human, machine = [f"One {i}." for i in range(9)], [f"Two {i}." for i in range(9)]
    for number, (sentences, made) in enumerate(spliced(Pair("group", "engine", "epo", human, machine))):
        assert made.tolist() == [i // 4 % 2 != number for i in range(9)]
        assert sentences == [machine[i] if of_machine else human[i] for i, of_machine in enumerate(made)]
