from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtdetect import Detector
from mtdetect.accurate import in_article
from mtdetect.classifier import (
    HEADS,
    FastClassifier,
    ModelError,
    article_features,
    article_mt_features,
    model_folder,
    said_first,
    sentence_weights,
)
from mtdetect.features import extract

SENTENCES = [
    "The council voted to close the bridge until the spring.",
    "“No one,” she said, “has asked the fishermen what they think — not once.”",
    "Él llegó tarde; İstanbul, naïve café, 12,5 % …",
    "?",
    "",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(model_folder("fast"), tmp_path / "model"))


def rewrite(folder: Path, **changes: Any) -> None:
    config = orjson.loads((folder / "config.json").read_bytes()) | changes
    (folder / "config.json").write_bytes(orjson.dumps(config))


def test_contributions_add_up_to_the_mixture_of_logits(detector: Detector) -> None:
    model = detector.classifier
    logits = model.logits(extract(SENTENCES), np.zeros((len(SENTENCES), len(model.config["rules"])), bool))
    mix = model.config["mt"]["sentence"]["weights"]
    spread = model.contributions(SENTENCES, mix)
    assert [len(part) for part in spread] == [len(sentence) for sentence in SENTENCES]
    for sentence, part, logit in zip(SENTENCES, spread, mix[0] * logits[0] + mix[1] * logits[1], strict=True):
        if any(char.isalpha() for char in sentence):
            assert part.sum() == pytest.approx(logit, abs=1e-5)
            assert part[[i for i, char in enumerate(sentence) if char in "“”"]] == pytest.approx(0)
        else:
            assert not part.any()


def test_frequent_words_that_never_meet_are_the_least_familiar(detector: Detector) -> None:
    model = detector.classifier
    usual, strange = (
        "He said that the council of the city was to vote.",
        "He the said of that was council to the a city.",
    )
    none = np.zeros((2, len(model.config["rules"])), bool)
    human, garbled = model.logits(extract([usual, strange]), none).T
    for head in ("roundtrip", "garble"):
        assert garbled[HEADS.index(head)] > human[HEADS.index(head)] + 1


def test_logits_do_not_depend_on_the_batch(detector: Detector) -> None:
    model = detector.classifier
    none = np.zeros((len(SENTENCES), len(model.config["rules"])), bool)
    together = model.logits(extract(SENTENCES), none)
    for i, sentence in enumerate(SENTENCES):
        assert model.logits(extract([sentence]), none[:1])[:, 0].tolist() == together[:, i].tolist()


def test_rule_evidence_never_speaks_for_a_human_or_for_quality(detector: Detector) -> None:
    weights = detector.classifier.arrays["rules"]
    for head, weight in zip(HEADS, weights.T, strict=True):
        assert (weight <= 0).all() if head == "quality" else (weight >= 0).all()


def test_quality_weights_have_one_direction(detector: Detector) -> None:
    quality = detector.classifier.config["quality"]
    assert quality["sentence"]["slope"] > 0
    assert all(weight <= 0 for weight in quality["article"]["weights"])
    assert quality["article"]["weights"][2] < 0


sentence_rows = st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans(), st.floats(0.5, 24))


@given(st.lists(sentence_rows, min_size=1, max_size=12), st.randoms(), st.integers(0, 11), sentence_rows)
def test_article_features_ignore_order_and_grow_with_damage(table: Any, random: Any, place: int, worse: Any) -> None:
    def features(items: Any) -> Any:
        columns = np.array(items, float)
        damage, garble, strong, weight = columns.T
        return article_features(damage, garble, strong > 0, weight, np.zeros(1, int), 0.1)[0]

    shuffled = list(table)
    random.shuffle(shuffled)
    assert features(shuffled) == pytest.approx(features(table))
    again = [(*row[:3], 0.0) for row in table]
    assert features(table + again) == pytest.approx(features(table))
    place %= len(table)
    damaged = list(table)
    damaged[place] = (*(max(old, new) for old, new in zip(table[place][:3], worse[:3], strict=True)), table[place][3])
    assert (features(damaged) >= features(table) - 1e-12).all()


def test_headlines_and_long_sentences_weigh_less_than_their_length() -> None:
    sentences = ["The council voted for it on Monday after a debate.", "Council votes for new harbour", "Short one."]
    tokens = extract(sentences).n_tokens
    assert sentence_weights(sentences, tokens).tolist() == [tokens[0], tokens[1] / 2, tokens[2]]
    long = "The " + "very " * 60 + "long day ended."
    assert sentence_weights([long, long[:-1]], extract([long] * 2).n_tokens).tolist() == [24, 24]
    quoted = ["He said: “We lost.” ", "“Did we?”)", "No\u00a0…\u200b"]
    assert sentence_weights(quoted, np.full(3, 6)).tolist() == [6, 6, 6]


@given(st.lists(st.sampled_from("abcd"), max_size=9))
def test_what_is_said_again_counts_once(sentences: list[str]) -> None:
    first = said_first(sentences).tolist()
    assert first == [sentence not in sentences[:i] for i, sentence in enumerate(sentences)]


def test_a_short_article_is_taken_for_usual_until_it_says_otherwise() -> None:
    def garble(n: int) -> float:
        found = article_features(
            np.zeros(n), np.full(n, 0.9), np.zeros(n, bool), np.full(n, 20.0), np.zeros(1, int), 0.1
        )
        return float(found[0, 1])

    assert 0.1 < garble(1) < 0.3 < garble(5) < garble(50) < 0.9


heads = st.tuples(*[st.floats(-9, 9)] * 3)
steps = st.tuples(*[st.floats(0, 5)] * 3)


@given(heads, steps)
def test_mt_features_grow_with_the_heads(low: tuple[float, ...], step: tuple[float, ...]) -> None:
    limits = {"cap": -1.3, "beyond": 0.2}
    high = [value + more for value, more in zip(low, step, strict=True)]
    one, other = (article_mt_features(*np.array(values)[:, None], limits) for values in (low, high))
    assert (other >= one).all()


def test_save_and_load_give_the_same_model(detector: Detector, tmp_path: Path) -> None:
    model = detector.classifier
    again = model.save(tmp_path / "copy")
    # another release of numpy may lay out the file of weights in another way
    assert {**again.config, "checksums": None} == {**model.config, "checksums": None}
    assert all((again.arrays[name] == array).all() for name, array in model.arrays.items())
    assert again.save(tmp_path / "second").digest == again.digest


def test_model_fits_in_the_budget() -> None:
    assert sum(path.stat().st_size for path in model_folder("fast").iterdir()) < 20_000_000


def test_changed_weights_are_refused(folder: Path) -> None:
    data = bytearray((folder / "weights.npz").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "weights.npz").write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        FastClassifier.load(folder)


def test_truncated_weights_are_refused(folder: Path) -> None:
    data = (folder / "weights.npz").read_bytes()[:1000]
    (folder / "weights.npz").write_bytes(data)
    with pytest.raises(ModelError, match="checksum"):
        FastClassifier.load(folder)
    rewrite(folder, checksums={"weights.npz": hashlib.sha256(data).hexdigest()})
    with pytest.raises(ModelError, match=r"weights\.npz"):
        FastClassifier.load(folder)


def test_pickles_are_refused(folder: Path) -> None:
    np.savez(folder / "weights.npz", keys=np.array([{"a": 1}], object))
    rewrite(folder, checksums={"weights.npz": hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()})
    with pytest.raises(ModelError, match=r"weights\.npz"):
        FastClassifier.load(folder)


def repacked(folder: Path, compressed: bool = False, **changes: Any) -> None:
    with np.load(folder / "weights.npz") as stored:
        arrays = {name: stored[name] for name in stored.files} | changes
    (np.savez_compressed if compressed else np.savez)(folder / "weights.npz", **arrays)
    rewrite(folder, checksums={"weights.npz": hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()})


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"cells": np.zeros((7, 4), np.float32)}, "shape: cells"),
        ({"weights": np.zeros((3, 4), np.float16)}, "shape: weights"),
        ({"keys": np.zeros((2, 2), np.uint32)}, "shape: keys"),
        ({"surprise": np.zeros(1)}, "does not hold the arrays"),
        ({"spun": np.zeros(1, np.float64)}, "does not hold the arrays"),
    ],
)
def test_unknown_arrays_and_shapes_are_refused(folder: Path, changes: dict[str, Any], match: str) -> None:
    repacked(folder, **changes)
    with pytest.raises(ModelError, match=match):
        FastClassifier.load(folder)


def test_a_bomb_is_not_unpacked(folder: Path) -> None:
    repacked(folder, compressed=True, spun=np.zeros(40_000_000, np.uint64))
    assert (folder / "weights.npz").stat().st_size < 20_000_000
    with pytest.raises(ModelError, match="too large"):
        FastClassifier.load(folder)


@pytest.mark.parametrize("name", ["config.json", "weights.npz"])
def test_links_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(ModelError, match="is a link"):
        FastClassifier.load(folder)


@pytest.mark.parametrize("changes", [{"format": 99}, {"surprise": 1}, {"rules": 3}, {"name": None}, {"mt": []}])
def test_other_formats_and_unknown_keys_are_refused(folder: Path, changes: dict[str, Any]) -> None:
    rewrite(folder, **changes)
    with pytest.raises(ModelError, match="format"):
        FastClassifier.load(folder)


def test_broken_config_is_one_clear_line(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match="not JSON") as caught:
        FastClassifier.load(folder)
    assert "\n" not in str(caught.value)


def test_missing_weights_are_one_clear_line(folder: Path) -> None:
    (folder / "weights.npz").unlink()
    with pytest.raises(ModelError, match=r"No such file.*weights\.npz"):
        FastClassifier.load(folder)


def test_nothing_in_the_package_can_unpickle() -> None:
    package = Path(__file__).parents[1] / "mtdetect"
    for path in package.glob("*.py"):
        source = path.read_text("utf-8")
        for word in ("import pickle", "joblib", "cloudpickle", "allow_pickle=True", "dill"):
            assert word not in source, path


def test_encrypted_weights_are_damaged(trained: FastClassifier, tmp_path: Path) -> None:
    """Found by fuzzing after 950,000 executions."""
    trained.save(tmp_path)
    data = (tmp_path / "weights.npz").read_bytes()
    name = data.index(b"PK\x01\x02")
    data = data[: name + 8] + b"\x01" + data[name + 9 :]
    (tmp_path / "weights.npz").write_bytes(data)
    config = orjson.loads((tmp_path / "config.json").read_bytes())
    config["checksums"] = {"weights.npz": hashlib.sha256(data).hexdigest()}
    (tmp_path / "config.json").write_bytes(orjson.dumps(config))
    with pytest.raises(ModelError, match=r"is damaged: .*encrypted"):
        FastClassifier.load(tmp_path)


LOG_ODDS = st.lists(st.floats(-30, 30), max_size=40)


@given(st.lists(LOG_ODDS, min_size=1, max_size=4), st.data())
def test_sentences_in_their_article_keep_their_order_and_depend_on_no_other_article(
    articles: list[list[float]], data: st.DataObject
) -> None:
    found = in_article(
        np.concatenate([np.array(own, float) for own in articles]), np.array([len(own) for own in articles])
    )
    assert ((found >= 0) & (found <= 1)).all()
    for own in articles:
        alone, found = found[: len(own)], found[len(own) :]
        assert alone.tolist() == in_article(np.array(own), np.array([len(own)])).tolist()
        assert (np.diff(alone[np.argsort(own, kind="stable")]) >= -1e-12).all()
        if own:
            which = data.draw(st.permutations(range(len(own))))
            assert in_article(np.array(own)[which], np.array([len(own)])) == pytest.approx(alone[which], abs=1e-9)
            more = np.array(own)
            more[which[0]] += data.draw(st.floats(0, 10))
            assert (in_article(more, np.array([len(own)])) >= alone - 1e-9).all()


def test_a_doubtful_sentence_is_what_its_article_is() -> None:
    def judged(own: float, others: float, n: int) -> float:
        return float(in_article(np.array([own] + [others] * n), np.array([n + 1]))[0])

    assert judged(0, 0, 0) == pytest.approx(0.5)
    assert judged(0, -3, 20) < 0.25 < judged(0, -3, 1) < 0.5 < judged(0, 3, 1) < 0.75 < judged(0, 3, 20)
    # what is garbled beyond doubt is so in an article by a person, too
    assert judged(8, -3, 200) > 0.99 and judged(-8, 3, 200) < 0.01
