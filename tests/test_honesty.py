"""Intervals, probes for shortcuts, reliability: that each finds what it is for."""

from __future__ import annotations

import numpy as np
import pytest

from mtdetect.features import normalised
from mtdetect.intervals import auroc, bootstrap, rate
from mtdetect.probes import mask_names, probe, shortcuts
from mtdetect.reliability import calibration_error, precision_by_share, reliability

N = 120


def documents(human: str, machine: str) -> tuple[list[list[str]], np.ndarray, np.ndarray]:
    """Versions of as many documents, each with words of its own."""
    words = ["river harbour", "museum garden", "orchard valley", "station bridge"]
    articles = []
    for i in range(N):
        for template in (human, machine):
            articles.append([template.format(words[(i * 7 + k) % 4], k) for k in range(6)])
    return articles, np.arange(2 * N) % 2 == 1, np.repeat(np.arange(N), 2)


@pytest.mark.parametrize(
    ("human", "machine", "seen"),
    [
        ("The people at the {0} left.", "The people; at the {0}, left.", {"punctuation", "punctuation, normalised"}),
        ("The “{0}” people left.", 'The "{0}" people left.', {"punctuation"}),
        (
            "The people at the {0} left.",
            "The people at the {0} left all.",
            {"length", "length, normalised", "punctuation"},
        ),
        ("The people at the {0} left.", "So people at the {0} left.", {"first letter", "first letter, normalised"}),
        ("The men at the {0} people left.", "The men at the {0} folks left.", {"topic words"}),
        ("The men with Ann at {0} left.", "The men with Eva at {0} left.", {"names"}),
        ("The people at the {0} left.", "The people at the {0} left.", set()),
    ],
)
def test_a_probe_sees_its_shortcut_and_no_other(human: str, machine: str, seen: set[str]) -> None:
    found = shortcuts(*documents(human, machine))
    for name, figure in found.items():
        if name in seen:
            assert figure["low"] > 0.95, name
        elif "normalised" not in name or not seen:
            assert figure["value"] == pytest.approx(0.5, abs=0.1), name


def test_no_probe_has_seen_the_document_that_it_judges() -> None:
    rng = np.random.default_rng(0)
    articles = [[f"The {' '.join(chr(97 + c) * 6 for c in rng.integers(26, size=8))} word."] * 2 for _ in range(2 * N)]
    machine, group = np.arange(2 * N) % 2 == 1, np.repeat(np.arange(N), 2)
    scores = probe(articles, machine, group, np.ones(2 * N))
    assert auroc(machine, scores["topic words"]) == pytest.approx(0.5, abs=0.12)


def test_names_are_masked_within_a_sentence() -> None:
    assert mask_names("Yesterday Anna Novak met, in Oslo, 12 men.") == "Yesterday X X met, in X, 00 men."
    assert mask_names("The mayor left.") == "The mayor left."


def test_normalised_text_is_what_typography_leaves() -> None:
    assert normalised(["The “old” man; he’s 12…", "É - b"]) == normalised(['the "old" man, he\'s 7', "e b"])
    assert normalised(["A b.", "", "C"]) == ["a b", "", "c"]


def test_intervals_are_over_documents_not_sentences() -> None:
    hit = np.repeat(np.arange(20) < 10, 50)
    by_document = rate(hit, np.repeat(np.arange(20), 50))
    by_sentence = rate(hit, np.arange(1000))
    assert by_document["value"] == by_sentence["value"] == 0.5
    width = [figure["high"] - figure["low"] for figure in (by_document, by_sentence)]
    assert 0.3 < width[0] < 0.6 and width[1] < 0.08
    again = rate(hit, np.repeat(np.arange(20), 50))
    assert again == by_document


def test_a_probability_that_is_one_is_reliable() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(size=20_000)
    machine = rng.uniform(size=20_000) < score
    group = np.arange(20_000)
    good = reliability(machine, score, group)
    assert good["ece"]["value"] < 0.02 and good["brier"]["value"] == pytest.approx(1 / 6, abs=0.01)
    sure = reliability(machine, np.round(score), group)
    assert sure["ece"]["value"] == pytest.approx(0.25, abs=0.02) and sure["brier"]["value"] > 0.24
    assert calibration_error(machine, machine.astype(float), np.ones(20_000)) == 0
    people = reliability(np.zeros(100, bool), score[:100], group[:100])
    assert set(people) == {"mean"} and people["mean"]["value"] == pytest.approx(score[:100].mean(), abs=1e-3)


def test_precision_falls_with_the_share_of_garble() -> None:
    garbled, human = np.arange(200) < 120, np.arange(2000) < 20
    of = precision_by_share(garbled, np.arange(200), human, np.arange(2000))
    assert list(of) == ["0.1 %", "1 %", "10 %"]
    for share, figure in zip((0.001, 0.01, 0.1), of.values(), strict=True):
        assert figure["value"] == pytest.approx(share * 0.6 / (share * 0.6 + (1 - share) * 0.01), abs=1e-3)
        assert figure["low"] < figure["value"] < figure["high"]
    never = precision_by_share(garbled, np.arange(200), np.zeros(2000, bool), np.arange(2000))["0.1 %"]
    # no false hit in 2,000 may be three in 2,000: .0006 of .0006 + .0015
    assert never["value"] == never["high"] == 1 and 0.2 < never["low"] < 0.3


def test_bootstrap_repeats_itself() -> None:
    group = np.repeat(np.arange(30), 3)
    values = np.random.default_rng(1).uniform(size=90)
    figures = [bootstrap([group], lambda w: float(np.average(values, weights=w[0]))) for _ in range(2)]
    assert figures[0] == figures[1] and figures[0]["low"] < figures[0]["value"] < figures[0]["high"]
