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
from mtdetect.classifier import (
    HEADS,
    FastClassifier,
    ModelError,
    article_features,
    article_mt_features,
    sentence_weights,
)
from mtdetect.detector import model_folder
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
    mix = model.config["mt"]["sentence"]["weights"]
    logits = model.logits(extract(SENTENCES), np.zeros((len(SENTENCES), len(model.config["rules"])), bool))
    spread = model.contributions(SENTENCES, mix)
    assert [len(part) for part in spread] == [len(sentence) for sentence in SENTENCES]
    for sentence, part, logit in zip(SENTENCES, spread, mix[0] * logits[0] + mix[1] * logits[1], strict=True):
        if any(char.isalpha() for char in sentence):
            assert part.sum() == pytest.approx(logit, abs=1e-5)
            assert part[[i for i, char in enumerate(sentence) if char in "“”"]] == pytest.approx(0)


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
        return article_features(columns[:, 0], columns[:, 1], columns[:, 2] > 0, columns[:, 3], np.zeros(1, int))[0]

    shuffled = list(table)
    random.shuffle(shuffled)
    assert features(shuffled) == pytest.approx(features(table))
    assert features(table + table) == pytest.approx(features(table))
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


@given(st.floats(-9, 9), st.floats(-9, 9), st.floats(0, 5), st.floats(0, 5))
def test_article_mt_features_grow_with_the_heads(style: float, roundtrip: float, more: float, further: float) -> None:
    low = article_mt_features(np.array([style]), np.array([roundtrip]), -1.3)
    high = article_mt_features(np.array([style + more]), np.array([roundtrip + further]), -1.3)
    assert (high >= low).all()


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


@pytest.mark.parametrize("changes", [{"format": 99}, {"surprise": 1}])
def test_other_formats_and_unknown_keys_are_refused(folder: Path, changes: dict[str, int]) -> None:
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
