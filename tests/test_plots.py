"""The plots: what is drawn is what the results say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from test_report import corpus_file

from mtdetect import Detector, ScoredCorpus, plots

matplotlib = pytest.importorskip("matplotlib", reason="needs matplotlib, from the extra notebook")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    from matplotlib import pyplot

    for number in pyplot.get_fignums():
        figure = pyplot.figure(number)
        figure.canvas.draw()  # a layout that can't be drawn warns, which is an error here
    pyplot.close("all")


@pytest.fixture(scope="module")
def corpus(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> ScoredCorpus:
    return ScoredCorpus.score([corpus_file(tmp_path_factory.mktemp("plots"))], detector)


def test_quality_histogram(corpus: ScoredCorpus, detector: Detector, articles: dict[str, str]) -> None:
    ax = plots.quality_histogram(corpus)
    known = [row.quality for row in corpus.rows if row.quality is not None]
    assert sum(bar.get_height() for bar in ax.patches) == len(known) == 24
    under = sum(bar.get_height() for bar in ax.patches if bar.get_hatch())
    assert under == sum(quality < 50 for quality in known) == 12
    assert ax.get_title() == "12 of 24 articles below 50, 1 not judged"
    assert plots.quality_histogram(corpus, ax=ax) is ax
    scores = detector.score_many([articles["garbled"], articles["clean"]])
    assert plots.quality_histogram(scores, limit=33).get_title() == "1 of 2 articles below 33"
    assert plots.quality_histogram([]).get_title() == "0 of 0 articles below 50"


def test_reliability_curve() -> None:
    rng = np.random.default_rng(0)
    score = rng.random(5000)
    ax = plots.reliability_curve(score, rng.random(5000) < score)
    line = ax.lines[1]
    assert len(line.get_xdata()) == 10 and np.abs(line.get_xdata() - line.get_ydata()).max() < 0.06
    overconfident = plots.reliability_curve(score, rng.random(5000) < 0.5 * score).lines[1]
    assert (overconfident.get_ydata() < overconfident.get_xdata()).all()
    assert len(plots.reliability_curve([0.5], [True]).lines[1].get_xdata()) == 1


def test_operating_points(detector: Detector) -> None:
    points = detector.classifier.points
    score = np.linspace(0, 1, 1001)
    ax = plots.operating_points(score, score > 0.5, points)
    labels = {text.get_text() for text in ax.get_legend().get_texts()}
    article = points["fpr_1"].article
    found = np.mean(score[score > 0.5] >= article)
    assert f"fpr_1: finds {100 * found:.0f} %, accuses 0.0 %" in labels and len(labels) == len(points)
    x, y = ax.lines[0].get_data()
    assert (x[0], y[0]) == (0, 0) and (x[-1], y[-1]) == (1, 1)
    assert all(np.diff(x) >= 0) and all(np.diff(y) >= 0)
    by_sentence = plots.operating_points(score, score > 0.5, points, level="sentence")
    assert by_sentence.get_title() == "500 machine and 501 human sentences"
    assert {text.get_text() for text in by_sentence.get_legend().get_texts()} != labels


def test_sentence_strip(detector: Detector, articles: dict[str, str]) -> None:
    article = detector.score(articles["garbled"])
    ax = plots.sentence_strip(article)
    bars = [bar for bar in ax.patches if bar.get_hatch() != "x"][: article.n_sentences]
    for bar, sentence in zip(bars, article.sentences, strict=True):
        assert (bar.get_x(), bar.get_width()) == (sentence.start, sentence.end - sentence.start)
        assert bar.get_height() == sentence.mt_score
        assert bool(bar.get_hatch()) == any(item.strength == "strong" for item in sentence.evidence)
    assert len(ax.texts) == article.n_flagged and len(ax.patches) == article.n_sentences + len(article.residue)
    assert plots.sentence_strip(detector.score("")).get_title() == "0 of 0 sentences flagged, not judged"


def test_reasons_by_outlet(corpus: ScoredCorpus) -> None:
    ax = plots.reasons_by_outlet(corpus)
    outlets = [label.get_text() for label in ax.get_yticklabels()]
    assert outlets == ["bad.example (8)", "good.example (8)", "mixed.example (8)"]
    names = [label.get_text().replace("\n", "_") for label in ax.get_xticklabels()]
    table = ax.images[0].get_array()
    for name, count in corpus.reasons().items():
        assert round(float(table[:, names.index(name)].sum()) * 8 / 100) == count
    assert len(plots.reasons_by_outlet(corpus, most=1).get_yticklabels()) == 1


def test_what_cannot_be_drawn(tmp_path: Path, detector: Detector) -> None:
    for score, machine in (([], []), ([0.5], [True, False]), ([float("nan")], [True]), ([1.5], [True])):
        with pytest.raises(ValueError, match="mt_score"):
            plots.reliability_curve(score, machine)
    with pytest.raises(ValueError, match="both machine and human"):
        plots.operating_points([0.5], [True], detector.classifier.points)
    with pytest.raises(ValueError, match="the rows need a url"):
        plots.reasons_by_outlet(ScoredCorpus())


def test_matplotlib_is_imported_only_to_draw() -> None:
    script = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from mtdetect import plots\n"
        "try: plots.quality_histogram([])\nexcept ImportError as error: print(error)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "plots need: pip install 'mtdetect[notebook]'\n"
