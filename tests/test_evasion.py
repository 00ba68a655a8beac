"""What sites that cheat do to a garbled article: it stays garbled."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from mtdetect import Detector
from mtdetect.data import read_pairs

ROOT = Path(__file__).parents[1]
CLEAN = [path.read_text("utf-8") for path in sorted((ROOT / "notebooks" / "articles" / "clean").glob("*.txt"))]
GARBLED = (ROOT / "notebooks" / "articles" / "garbled.txt").read_text("utf-8")


def zero_width(text: str) -> str:
    return re.sub(r"\b(\w\w)(\w\w)", "\\1\u200b\\2", text)


def soft_hyphens(text: str) -> str:
    return re.sub(r"([bcdfgklmnprst])([aeiou])", "\\1\u00ad\\2", text)


def lookalikes(text: str) -> str:
    return text.translate(str.maketrans("aeopcxyKMTH", "аеорсхуКМТН"))


def other_quotes(text: str) -> str:
    return text.translate(str.maketrans('«»“”‘’"', "“”\"\"''“"))


def double_spaces(text: str) -> str:
    return text.replace(" ", "  ")


def diluted(text: str) -> str:
    """Put one clean paragraph ten times around the article."""
    return "\n\n".join([CLEAN[0].split("\n\n")[1]] * 5 + [text] + [CLEAN[0].split("\n\n")[1]] * 5)


def buried(text: str) -> str:
    """Hide the article behind 2,000 clean words."""
    clean = "\n\n".join(CLEAN)
    return "\n\n".join([clean] * (2000 // len(clean.split()) + 1) + [text])


DISGUISES = [zero_width, soft_hyphens, lookalikes, other_quotes, double_spaces]


@pytest.fixture(scope="module")
def garbled() -> list[str]:
    trips = [pair for pair in read_pairs([ROOT / "tests" / "pairs" / "sample.parquet"]) if pair.pivot == "spa"]
    return [GARBLED, *("\n\n".join(pair.machine) for pair in trips)]


@pytest.mark.parametrize("change", DISGUISES, ids=lambda change: change.__name__)
def test_a_disguise_changes_little(detector: Detector, garbled: list[str], change: Callable[[str], str]) -> None:
    assert len(garbled) > 8
    for text in garbled:
        before, after = detector.score(text), detector.score(change(text))
        assert before.mt_score is not None and after.mt_score is not None, after.reason
        assert before.quality is not None and after.quality is not None and before.quality < 50
        assert change(text) != text or change is other_quotes
        assert abs(after.mt_score - before.mt_score) <= 0.05
        assert after.quality < 50
        assert all(text[s.start : s.end] == s.text for text in [change(text)] for s in after.sentences)


@pytest.mark.parametrize("change", [diluted, buried], ids=lambda change: change.__name__)
def test_what_is_hidden_among_clean_text_is_found(
    detector: Detector, garbled: list[str], change: Callable[[str], str]
) -> None:
    for text in garbled:
        before, after = (
            {s.text for s in detector.score(version).at("fpr_5").sentences if s.flagged}
            for version in (text, change(text))
        )
        assert before and before <= after


def test_a_disguised_article_of_another_alphabet_is_none(detector: Detector) -> None:
    russian = "Совет проголосовал за то, чтобы закрыть мост до весны. Он сказал, что никто не спросил рыбаков. " * 5
    assert detector.score(russian).reason == "not English"
