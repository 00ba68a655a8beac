"""What says nothing about the language of an article does not move its quality by more than two points."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from mtdetect import Detector
from mtdetect.data import read_pairs, read_rows

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
POINTS = 2.0


def curly(text: str) -> str:
    return re.sub(r'"([^"\n]*)"', r"“\1”", text).replace("'", "’")


def straight(text: str) -> str:
    return text.translate(str.maketrans("“”‘’", "\"\"''"))


def two_spaces(text: str) -> str:
    return re.sub(r"(?<=[.!?]) (?=\S)", "  ", text)


def spaced(text: str) -> str:
    return text.replace(" ", "  ")


def crlf(text: str) -> str:
    return text.replace("\n", "\r\n")


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def without_final_stop(text: str) -> str:
    return re.sub(r"\.\s*$", "", text)


def with_final_stop(text: str) -> str:
    return re.sub(r"(\w)\s*$", r"\1.", text)


def doubled(text: str) -> str:
    return f"{text.rstrip()}\n\n{text}"


def without_headline(text: str) -> str:
    return text.partition("\n")[2].lstrip()


def with_headline(text: str) -> str:
    return f"Council to decide on new harbour\n\n{text}"


CHANGES = [curly, straight, two_spaces, spaced, crlf, nfc, nfd, without_final_stop, with_final_stop, doubled]
OWN = sorted((ROOT / "notebooks" / "articles").rglob("*.txt"))


def moved(detector: Detector, text: str, change: Callable[[str], str]) -> float:
    before, after = detector.score(text).quality, detector.score(change(text)).quality
    assert before is not None and after is not None
    return abs(after - before)


@pytest.mark.parametrize("change", [*CHANGES, without_headline], ids=lambda change: change.__name__)
def test_quality_stays(detector: Detector, change: Callable[[str], str]) -> None:
    texts = [path.read_text("utf-8") for path in OWN]
    assert len(texts) > 12
    assert max(moved(detector, text, change) for text in texts) <= POINTS


def test_order_of_sentences(detector: Detector) -> None:
    for path in OWN:
        sentences = [sentence.text for sentence in detector.score(path.read_text("utf-8")).sentences]
        other = random.Random(0).sample(sentences, len(sentences))
        before, after = detector.score_sentences(sentences).quality, detector.score_sentences(other).quality
        assert before is not None and after is not None and abs(before - after) <= POINTS


@pytest.mark.parametrize("change", [*CHANGES, with_headline], ids=lambda change: change.__name__)
def test_quality_stays_on_dev(detector: Detector, change: Callable[[str], str], dev_texts: list[str]) -> None:
    far = [text for text in dev_texts if moved(detector, text, change) > POINTS]
    assert len(far) <= 0.01 * len(dev_texts)


@pytest.fixture(scope="module")
def dev_texts() -> list[str]:
    """Human articles of all dev sources and, where they are at hand, round trips."""
    if not (DATA / "articles_dev.parquet").exists():
        pytest.skip(f"needs {DATA}")
    rows = [row for row in read_rows(DATA, "articles_dev") if row["label"] != "mt"]
    texts = [row["text"] or "\n".join(row["sentences"]) for row in random.Random(0).sample(rows, 200)]
    return [text for text in texts if len(text.split()) >= 30]


def test_quality_stays_in_round_trips(detector: Detector) -> None:
    for pair in read_pairs([ROOT / "tests" / "pairs" / "sample.parquet"]):
        text = "\n\n".join(pair.machine)
        if len(text.split()) >= 30:
            for change in CHANGES:
                assert moved(detector, text, change) <= POINTS, change
