"""What the encoder learns from: sentences in their articles, with all that is known of them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtdetect.corrupt import corrupt
from mtdetect.data import Pair, read_rows, sentences_of
from mtdetect.encoder import SPAN_KINDS
from mtdetect.train import TODAY, group_weights, judgement_targets, matched_rows

__all__ = ["Article", "learn_from"]

Span = tuple[int, int, str]
_CLEAN = 2500
_LONGEST = 60  # sentences of a clean article
_BROKEN = 0.1  # share of the sentences of clean articles that are broken on purpose
_NAN = math.nan


class Article(NamedTuple):
    """Consecutive sentences, with what is known of each; NaN or None for what is not.

    Parameters
    ----------
    source : {"translated", "trip", "clean", "judged"}
        Where it is from.
    sentences : list of str
        Verbatim.
    style : float
        1 if a machine translated the article, 0 if people wrote or translated the same.
    garble : list of float
        1 for a sentence that comes from a round trip or was broken, 0 for one that people wrote or translated.
    quality : list of float
        Human judgement in standard deviations, higher is cleaner.
    spans : list of list of (start, end, category), or None
        What is wrong in each sentence; None where that is not known.
    group : str
        The document that it is a version of.
    weight : float
        How often it is looked at, relative to others of its source.
    today : bool
        Whether it is a version of a document that systems of today translated.
    """

    source: str
    sentences: list[str]
    style: float
    garble: list[float]
    quality: list[float]
    spans: Sequence[list[Span] | None] | None
    group: str = ""
    weight: float = 1.0
    today: bool = False


def learn_from(
    data: Path, pairs: Sequence[Pair], keeps: Callable[[dict[str, Any]], bool], seed: int, *, matched: bool = True
) -> list[Article]:
    """Return what the encoder learns from.

    Parameters
    ----------
    data : Path
        Folder with ``articles_train``, ``judgements_train`` and ``spans_train``.
    pairs : sequence of Pair
        Round trips.
    keeps : callable
        Which rows of the articles to use.
    seed : int
        Of the samples and of what is broken.
    matched : bool
        Whether the machine's articles stand beside people's versions of the same; if not, beside any clean news, which
        is what not to do: for comparison.
    """
    rng, chance = np.random.default_rng(seed), random.Random(seed)
    rows = [row for row in read_rows(data, "articles_train") if keeps(row)]
    found = _translated(rows, rng)
    travelled = {pair.group for pair in pairs} | {row["group"] for row in rows if row["label"] == "mt"}
    clean = [row for row in rows if row["label"] == "human" and row["group"] not in travelled]
    chance.shuffle(clean)
    if not matched:
        found = [article for article in found if article.style == 1]
        news = clean[_CLEAN:] or clean
        for article in list(found):
            part = sentences_of(chance.choice(news))[:_LONGEST]
            garble = [0.0] * len(part)
            found.append(article._replace(sentences=part, style=0.0, garble=garble, quality=_unknown(part), weight=1.0))
    for pair in pairs:
        found += _trips(pair, chance)
    for row in clean[:_CLEAN]:
        found.append(_broken(sentences_of(row)[:_LONGEST], chance))
    return [article for article in found + _judged(data) if article.sentences]


def _unknown(sentences: Sequence[str]) -> list[float]:
    return [_NAN] * len(sentences)


def _translated(rows: list[dict[str, Any]], rng: np.random.Generator) -> list[Article]:
    rows = matched_rows(rows, rng)
    machine = np.array([row["label"] == "mt" for row in rows], bool)
    groups = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    weights = group_weights(rows, groups, machine)
    weights /= weights.mean() if len(weights) else 1.0
    today = {row["group"] for row in rows if row["source"] in TODAY}
    found = []
    for row, made, weight in zip(rows, machine.tolist(), np.minimum(weights, 8.0).tolist(), strict=True):
        part, group = sentences_of(row), row["group"]
        garble = _unknown(part) if made else [0.0] * len(part)
        style = float(made)
        found.append(Article("translated", part, style, garble, _unknown(part), None, group, weight, group in today))
    return found


def _trips(pair: Pair, chance: random.Random) -> list[Article]:
    """Return a round trip and its original; for two in three, both are mixed sentence by sentence.

    Where all of an article is garbled, what its topic is or who wrote it would tell as much as its sentences.
    """
    whole = chance.random() < 1 / 3
    first = [whole or chance.random() < 0.5 for _ in pair.human]
    found = []
    for flip in (False, True):
        part: list[str] = []
        garble: list[float] = []
        spans: list[list[Span]] = []
        for human, machine, marked, pick in zip(pair.human, pair.machine, pair.spans, first, strict=True):
            picked = pick != flip
            part.append(machine if picked else human)
            garble.append(_NAN if human == machine else float(picked))
            spans.append([(a, b, kind or SPAN_KINDS[0]) for a, b, kind in marked] if picked else [])
        found.append(Article("trip", part, _NAN, garble, _unknown(part), spans))
    return found


def _broken(sentences: list[str], chance: random.Random) -> Article:
    part: list[str] = []
    garble: list[float] = []
    spans: list[list[Span]] = []
    for sentence in sentences:
        broken = corrupt(sentence, " ".join(part[-10:]), chance) if chance.random() < _BROKEN else None
        part.append(broken.text if broken else sentence)
        garble.append(1.0 if broken else 0.0)
        spans.append([(broken.start, broken.end, broken.category)] if broken else [])
    return Article("clean", part, _NAN, garble, _unknown(part), spans)


def _judged(data: Path) -> list[Article]:
    """Return single sentences that people judged, or where they marked what is wrong; annotators are joined."""
    judged, marked = read_rows(data, "judgements_train"), read_rows(data, "spans_train")
    quality = dict(zip((row["text"] for row in judged), judgement_targets(judged, marked).tolist(), strict=True))
    spans: dict[str, list[Span]] = {}
    for row in marked:
        if row["text"]:
            spans.setdefault(row["text"], []).extend((s["start"], s["end"], SPAN_KINDS[0]) for s in row["spans"])
    texts = dict.fromkeys([*quality, *spans])
    return [Article("judged", [text], _NAN, [_NAN], [quality.get(text, _NAN)], [spans.get(text)]) for text in texts]
