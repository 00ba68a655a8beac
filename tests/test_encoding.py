"""What a mistaken encoding did to an article is seen through, reported apart, and never garble."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear import assert_linear
from test_detector import check

from mtdetect import ArticleScore, Detector
from mtdetect.encoding import mended

ROOT = Path(__file__).parents[1]
ARTICLES = [
    path.read_text("utf-8")
    for path in (
        *sorted((ROOT / "notebooks" / "articles" / "clean").glob("*.txt")),
        ROOT / "notebooks" / "articles" / "garbled.txt",
    )
]


def as_latin(text: str) -> str:
    """Read UTF-8 as Windows-1252, and its undefined bytes as Latin-1, as browsers do."""
    letters = {c: "".join(map(_windows, c.encode())) for c in set(text) if ord(c) > 127}
    return text.translate(str.maketrans(letters))


def _windows(byte: int) -> str:
    try:
        return bytes([byte]).decode("windows-1252")
    except UnicodeDecodeError:
        return chr(byte)


def twice(text: str) -> str:
    return as_latin(as_latin(text))


def controls(text: str) -> str:
    """Read Windows-1252 as Latin-1."""
    return "".join(c if ord(c) < 256 else c.encode("windows-1252", "replace").decode("latin-1") for c in text)


def apostrophes_lost(text: str) -> str:
    return text.replace("’s", "\ufffds").replace("’t", "\ufffdt")


def judged(article: ArticleScore) -> tuple[object, ...]:
    sentences = [(s.mt_score, s.quality, s.flagged, [e.category for e in s.evidence]) for s in article.sentences]
    return article.quality, article.mt_score, article.reason, sentences


@pytest.mark.parametrize("damage", [as_latin, twice, controls, apostrophes_lost], ids=lambda damage: damage.__name__)
def test_no_score_moves(detector: Detector, damage: Callable[[str], str]) -> None:
    changed = 0
    for text in ARTICLES:
        damaged = damage(text)
        before, after = detector.score(text), detector.score(damaged)
        assert judged(before) == judged(after)
        assert bool(after.encoding_damage) == (damaged != text)
        assert all(not damaged[item.start : item.end].isascii() for item in after.encoding_damage)
        check(damaged, after)
        changed += damaged != text
    assert changed >= 3


def test_the_damage_is_told_apart_from_garble(detector: Detector) -> None:
    text = as_latin(ARTICLES[0]) + "\n\nThe mayor’s caf\ufffd was shut."
    article = detector.score(text)
    row = article.to_dict()
    assert row["n_encoding_damage"] == len(row["encoding_damage"]) == len(article.encoding_damage) > 1
    assert {item.strength for item in article.encoding_damage} == {"context"}
    assert "encoding_damage" not in {item.category for s in article.sentences for item in s.evidence}
    ignored = Detector(detector.classifier, ignore=["encoding_damage"]).score(text)
    assert not ignored.encoding_damage and ignored.signature.endswith("|ignore:encoding_damage")
    assert ignored.mt_score != article.mt_score


def test_sentences_that_are_already_split(detector: Detector) -> None:
    sentences = ["", as_latin("“We won’t go,” they said…"), as_latin("É"), "", "It\ufffds late.", as_latin("’")]
    whole = "\n".join(sentences)
    article = detector.score_sentences(sentences)
    assert [s.text for s in article.sentences] == sentences
    assert [whole[s.start : s.end] for s in article.sentences] == sentences
    assert [s.start for s in article.sentences] == [0, 1, *(s.start for s in article.sentences[2:])]


PIECES = [
    *map(as_latin, "“”’–…é£\u00a0🎸"),
    *map(twice, "’é"),
    *("\ufffd", "\ufffds ", "\x93", "\x9d", "\x85", "Ã", "â", "€", "Â "),
    *(". ", "He said so. ", "the mayor ", "\n", "", "drone. He hits. ", "  ", "“a” It ", "\u200b"),
]


@settings(max_examples=2000, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30))
def test_offsets_hold(detector: Detector, pieces: list[str]) -> None:
    text = "".join(pieces)
    check(text, detector.score(text))
    sentences = [piece for piece in text.split("\n") if piece.strip()]
    assert [s.text for s in detector.score_sentences(sentences).sentences] in ([], sentences)
    mend, damage, edits = mended(text)
    assert (mend == text) == (not damage) == (edits is None)
    if edits is not None:
        assert [edits.span(i, i + 1) for i in range(len(mend))] == sorted(
            edits.span(i, i + 1) for i in range(len(mend))
        )
        kept = [(edits.span(i, i + 1), c) for i, c in enumerate(mend)]
        assert all(text[a:b] == c or any(d.start <= a and b <= d.end for d in damage) for (a, b), c in kept)


@pytest.mark.parametrize("unit", ["\ufffd", "Ã©", "Ã© ", as_latin("’"), as_latin("’ a"), "\x93", "Ã", "â€", "é “"])
def test_time_is_linear(unit: str) -> None:
    assert_linear(mended, unit)


def test_distinct_damage_takes_no_longer() -> None:
    assert_linear(mended, " ".join(as_latin(chr(code)) for code in range(0xC0, 0x2000)))


def test_long_damage_is_not_kept() -> None:
    """A run of damage may be as long as the article; what is seen once more is short."""
    tracemalloc.start()
    try:
        for number in range(8):
            assert len(mended("The caf" + "Ã©" * (100_000 + number))[1][0].message) < 100
        assert tracemalloc.get_traced_memory()[0] < 1_000_000
    finally:
        tracemalloc.stop()
