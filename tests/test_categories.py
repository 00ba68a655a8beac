"""The table of categories, switching them off, and their pages."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mtdetect import Detector
from mtdetect.artifacts import RULES
from mtdetect.categories import CATEGORIES, ignored
from mtdetect.classifier import FastClassifier
from mtdetect.tables import category_table

ROOT = Path(__file__).parents[1]
GARBLED = (ROOT / "notebooks" / "articles" / "garbled.txt").read_text("utf-8")


def categories(detector: Detector, text: str) -> set[str]:
    article = detector.score(text)
    return {item.category for sentence in article.sentences for item in sentence.evidence} | {
        item.category for item in (*article.residue, *article.encoding_damage)
    }


def test_table_holds_what_can_be_found() -> None:
    found = {rule.category for rule in RULES} | {
        "spun_synonym",
        "unnatural_phrasing",
        "page_residue",
        "encoding_damage",
    }
    assert set(CATEGORIES) == found


@pytest.mark.parametrize("name", [name for name in CATEGORIES if name != "unnatural_phrasing"])
def test_example_shows_its_category_and_switching_it_off_hides_it(detector: Detector, name: str) -> None:
    example = f"{CATEGORIES[name].example}\n\nIt rained in the valley, and the mayor went home on foot."
    assert name in categories(detector, example)
    off = Detector(detector.classifier, detector.point, ignore=[name])
    assert name not in categories(off, example)
    assert off.score(example).signature == detector.score(example).signature + f"|ignore:{name}"


@pytest.mark.parametrize("name", CATEGORIES)
def test_nothing_else_is_lost(detector: Detector, name: str) -> None:
    off = Detector(detector.classifier, detector.point, ignore=[name])
    before, after = categories(detector, GARBLED), categories(off, GARBLED)
    # a sentence that a rule made the model flag may lose the words of the model, too
    assert before - {name, "unnatural_phrasing"} <= after and name not in after
    changed = name in before and name not in ("entity_inconsistent", "unnatural_phrasing", "page_residue")
    mended = off.score(GARBLED).quality >= detector.score(GARBLED).quality
    assert mended or not changed


def test_only(detector: Detector) -> None:
    off = Detector(detector.classifier, detector.point, ignore=ignored(only=["fragment_break"]))
    article = off.score(GARBLED)
    assert {item.category for s in article.sentences for item in s.evidence} == {"fragment_break"}
    assert article.residue, "residue is not evidence: it stays out of the scores"
    assert [s.flagged for s in article.sentences] == [bool(s.evidence) for s in article.sentences]
    assert article.categories == ("fragment_break",)


def test_without_the_words_of_the_model_its_score_flags_nothing(detector: Detector) -> None:
    off = Detector(detector.classifier, "fpr_5", ignore=["unnatural_phrasing"])
    for point in ("fpr_0.1", "fpr_1", "fpr_5"):
        article = off.score(GARBLED).at(point)
        assert article.point.sentence == math.inf
        assert all(s.flagged == any(e.strength == "strong" for e in s.evidence) for s in article.sentences)
    assert [s.mt_score for s in article.sentences] == [s.mt_score for s in detector.score(GARBLED).sentences]


def test_unknown_category(detector: Detector) -> None:
    with pytest.raises(ValueError, match="no category 'grammar': choose from fragment_break, "):
        Detector(detector.classifier, ignore=["grammar"])
    with pytest.raises(ValueError, match="no category"):
        ignored(only=["grammar"])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"ignore": "case_anomaly"}, "a list of names"),
        ({"ignore": ["case_anomaly"], "only": ["case_anomaly"]}, "no category of evidence is left"),
        ({"only": ["page_residue"]}, "no category of evidence is left"),
        ({"ignore": set(CATEGORIES) - {"page_residue", "encoding_damage"}}, "no category of evidence is left"),
    ],
)
def test_nothing_left_to_find(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ignored(**options)


PAGES = ROOT / "docs" / "categories"


@pytest.mark.parametrize("name", CATEGORIES)
def test_page_is_true(detector: Detector, name: str) -> None:
    """Each category has a page; its examples are found or not as it says, its figures are those of the model."""
    page = (PAGES / f"{name}.md").read_text("utf-8")
    assert page.startswith(f"# {name}\n") and f"--ignore {name}" in page and CATEGORIES[name].what in page
    blocks = dict(re.findall(r"^(Found|Not found):\n\n```text\n(.*?)\n```", page, re.MULTILINE | re.DOTALL))
    assert set(blocks) == {"Found", "Not found"}
    for kind, block in blocks.items():
        for text in block.split("\n\n") if name != "unnatural_phrasing" else [block]:
            assert (name in categories(detector, text)) == (kind == "Found"), text
    figures = json.loads((ROOT / "models" / "fast-v4" / "metrics.json").read_bytes())["evidence"]
    if name in figures:
        assert "\n".join(["## Measured precision", "", *category_table(figures[name]), ""]) in page
    else:
        assert "No sentence of the dev split has it" in page


def test_index_lists_all_pages() -> None:
    index = (PAGES / "README.md").read_text("utf-8")
    for name, category in CATEGORIES.items():
        assert f"| [{name}]({name}.md) | {category.what} |" in index


def info(*args: object) -> str:
    return subprocess.run(
        [sys.executable, "-c", "from mtdetect.cli import main; main()", "info", *map(str, args)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_info_says_what_the_model_finds_and_how_it_was_measured() -> None:
    says = info()
    for name, category in CATEGORIES.items():
        assert re.search(f"^  {name} +{', '.join(category.strengths)} +{re.escape(category.what)}$", says, re.MULTILINE)
    metrics = json.loads((ROOT / "models" / "fast-v4" / "metrics.json").read_bytes())
    for point in ("fpr_0.1", "fpr_1", "fpr_5"):
        rates = [
            f"{100 * max(row[point]['value'] for name, row in metrics[key].items() if name.endswith(label)):.2f}"
            for key in ("sentences flagged", "articles called machine-translated")
            for label in (" human", " ht", " mt")
        ]
        assert re.search(rf"^  {point} +{' +'.join(rates)}$", says, re.MULTILINE), rates
    assert "Not meant for decisions about people" in says and "spa.parquet" in says


def test_info_on_a_model_of_ones_own(trained: FastClassifier, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    trained.save(folder)
    says = info("--model", folder)
    assert f"small-v1@{trained.digest}" in says and "not measured: mtdetect evaluate has not been run" in says
    for damaged in ("{", "[]", "{}", '{"signature": 5}'):
        (folder / "metrics.json").write_text(damaged)
        assert "metrics.json can't be read" in info("--model", folder)
    (folder / "metrics.json").write_bytes((ROOT / "models" / "fast-v4" / "metrics.json").read_bytes())
    assert "holds the figures of another model" in info("--model", folder)
