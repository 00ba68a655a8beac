from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear import assert_linear

from mtdetect.features import KINDS, MAX_CHARS, Grams, extract

SENTENCE = 'The minister said on Friday: "We won\'t pay 3500 euros – not now, not ever."'
TEXTS = st.text(st.characters(), max_size=60) | st.text("aA0 .-'“\u0301\u200b", max_size=20)


def keys(grams: Grams, i: int) -> list[list[int]]:
    ends = {kind: np.append(block.first[1:], len(block.key)) for kind, block in grams.blocks.items()}
    return [grams.blocks[kind].key[grams.blocks[kind].first[i] : ends[kind][i]].tolist() for kind in KINDS]


@pytest.mark.parametrize(
    "same",
    [
        SENTENCE.replace('"', "”"),
        SENTENCE.replace("'", "’"),
        SENTENCE.replace(" ", "  "),
        SENTENCE.replace(" ", "\u00a0"),
        SENTENCE.replace(" – ", "—"),
        SENTENCE.replace(" – ", " - "),
        SENTENCE.replace("3500", "7"),
        SENTENCE.replace(":", " :"),
        SENTENCE.lower(),
        SENTENCE.replace("minister", "min\u200bister"),
        SENTENCE.rstrip('."'),
        f"  {SENTENCE}\r\n",
    ],
)
def test_typography_does_not_show(same: str) -> None:
    assert same != SENTENCE
    assert keys(extract([same]), 0) == keys(extract([SENTENCE]), 0)


def test_accents_look_alike_however_they_are_composed() -> None:
    composed = "Vojtěch met Łukasz in a café in Kraków."
    decomposed = unicodedata.normalize("NFD", composed)
    assert keys(extract([composed]), 0) == keys(extract([decomposed]), 0)
    assert keys(extract(["Vojtech met Lukasz in a cafe in Krakow."]), 0) == keys(extract([composed]), 0)


def test_words_do_show() -> None:
    assert keys(extract(["The minister says nothing."]), 0) != keys(extract(["The minister said nothing."]), 0)


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_a_sentence_does_not_see_its_neighbours(sentences: list[str]) -> None:
    batch = extract(sentences)
    for i, sentence in enumerate(sentences):
        alone = extract([sentence])
        assert keys(batch, i) == keys(alone, 0)
        assert batch.n_tokens[i] == alone.n_tokens[0] >= 2


@given(st.lists(TEXTS, min_size=1, max_size=6))
def test_origins_point_into_the_sentence_in_order(sentences: list[str]) -> None:
    grams = extract(sentences)
    for i, sentence in enumerate(sentences):
        origin = grams.origin[grams.first[i] : grams.first[i + 1]]
        inside = origin[origin >= 0]
        assert (np.diff(inside) > 0).all()
        assert len(inside) == 0 or inside[-1] < len(sentence)


def test_n_grams_cover_what_they_say() -> None:
    grams = extract(["Rain fell on Oslo."])
    found = zip(*grams.spans("word2"), grams.blocks["word2"].key, strict=True)
    spans = [
        (int(grams.origin[start]), int(grams.origin[end - 1]) + 1)
        for start, end, key in found
        if key and grams.origin[start] >= 0 and grams.origin[end - 1] >= 0
    ]
    assert ["Rain fell on Oslo."[a:b] for a, b in spans] == ["Rain fell", "fell on", "on Oslo"]


def test_only_the_beginning_of_an_endless_sentence_counts() -> None:
    start = "word " * (MAX_CHARS // 5)
    assert keys(extract([start + "and more"]), 0) == keys(extract([start]), 0)


@pytest.mark.parametrize("unit", [" ", ".", "a", "é", "\u200d", "0", "“", "a b ", "\u0301"])
def test_time_is_linear(unit: str) -> None:
    assert_linear(lambda text: extract([text[i : i + 1000] for i in range(0, len(text), 1000)]), unit, within=1)
