"""What the classifier points at in a sentence: what it takes for garbled, what sounds translated."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right

import numpy as np
from numpy.typing import NDArray

from mtdetect.categories import CATEGORIES
from mtdetect.classifier import sigmoid
from mtdetect.encoder import SPAN_KINDS, Marks
from mtdetect.features import MAX_CHARS
from mtdetect.types import Evidence

__all__ = ["PHRASING", "garbled", "is_dense", "machine_like", "spans"]

PHRASING = "unnatural_phrasing"
_DENSE = 0.3  # mean probability of the tokens of a sentence to be garbled, from which on it is shown which
_GARBLED = "words that a fluent writer would not put here"
_MACHINE_LIKE = "wording more usual in machine translation than in human English"
_WORD, _WHOLE = re.compile(r"\S+"), re.compile(r"\w+(?:[.,'’-]\w+)*")  # "5,000" and "well-known" are not cut
F64 = NDArray[np.float64]


def garbled(text: str, marks: Marks, limit: float, *, sure: bool) -> list[Evidence]:
    """Return what the encoder takes for garbled in a sentence, as evidence with offsets in that sentence.

    Parameters
    ----------
    text : str
        The sentence.
    marks : Marks
        What the encoder says of its tokens.
    limit : float
        Logit from which on a token counts.
    sure : bool
        Whether something is wrong for sure: where no token reaches the limit, then, it is where the encoder would
        look for it.
    """
    found = spans(text, marks, limit)
    if not found and sure:
        found = spans(text, marks, float(marks.garbled.max(initial=-math.inf)))
    return [
        Evidence(start, end, kind, _GARBLED if kind == PHRASING else CATEGORIES[kind].what, "weak", "model")
        for start, end, kind in found
    ]


def is_dense(marks: Marks) -> bool:
    """Return whether so much of a sentence is garbled that a single surprising word isn't all."""
    return len(marks.garbled) > 0 and float(sigmoid(marks.garbled.astype(np.float64)).mean()) >= _DENSE


def spans(text: str, marks: Marks, limit: float) -> list[tuple[int, int, str]]:
    """Return what is garbled in a sentence, as start, end and category of runs of whole words."""
    found: list[tuple[int, int, str]] = []
    hit = np.flatnonzero((marks.garbled >= limit) & (marks.end > marks.start))
    if not len(hit):
        return found
    words = [match.span() for match in _WHOLE.finditer(text)]
    begins, ends = [begin for begin, _ in words], [end for _, end in words]
    for run in np.split(hit, np.flatnonzero(np.diff(hit) > 1) + 1):
        # a token may begin with the space before its word, or be a part of one
        first = bisect_right(ends, int(marks.start[run].min()))
        last = bisect_left(begins, int(marks.end[run].max())) - 1
        if first <= last:
            start, end = begins[first], ends[last]
            kind = SPAN_KINDS[int(marks.kind[run].sum(axis=0).argmax())]
            if found and start <= found[-1][1]:
                start, _, kind = found.pop()
            found.append((start, end, kind))
    return found


def machine_like(text: str, values: F64) -> Evidence:
    """Return the run of words of a sentence that speaks most for a machine, as evidence with offsets in it.

    Parameters
    ----------
    text : str
        The sentence.
    values : ndarray of shape (n_chars,)
        What each character contributes.
    """
    start, end = _most_machine_like(text, values)
    return Evidence(start, end, PHRASING, _MACHINE_LIKE, "weak", "model")


def _most_machine_like(text: str, values: F64) -> tuple[int, int]:
    """Return the run of words with the largest sum of contributions above the mean of the sentence."""
    words = [match.span() for match in _WORD.finditer(text, 0, MAX_CHARS)]
    if not words:
        return 0, len(text)
    sums = np.add.reduceat(values[: words[-1][1]], [start for start, _ in words])
    sums = sums - sums.mean()
    best, total, begin, span = -np.inf, 0.0, 0, (0, 0)
    for i, value in enumerate(sums.tolist()):
        if total <= 0:
            total, begin = 0.0, i
        total += value
        if total > best:
            best, span = total, (begin, i)
    return words[span[0]][0], words[span[1]][1]
