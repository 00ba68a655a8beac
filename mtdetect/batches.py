"""Windows of articles with all that is known of them, and the order in which the encoder learns from them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtdetect.encoder import SPAN_KINDS, Tokens, Window, tokenised, windows
from mtdetect.examples import Article
from mtdetect.start import Start

__all__ = ["SHARES", "Example", "Plan", "examples_of", "steps"]

SHARES = {"translated": 0.4, "trip": 0.2, "clean": 0.1, "judged": 0.3}
"""Of the tokens that are drawn, by `mtdetect.examples.Article.source`."""
_UNCASED = 0.3  # share of the windows without capitals: what an engine does to them must not be all that is learned
_PADDED, _SPARED = 1.2, 160  # tokens of a batch with its padding for each without, and those that a batch costs itself
_MICRO = 4096
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """How the encoder is trained.

    Parameters
    ----------
    tokens : int
        How many tokens it learns from, one after the other.
    step : int
        Tokens between two updates of the weights.
    rate : float
        Highest learning rate of AdamW.
    seed : int
        Of the order of the windows.
    drop : tuple of str
        Sources and losses that it does without: any of ``translated``, ``trip``, ``clean``, ``judged``; ``style``,
        ``article``, ``pair``, ``garble``, ``quality``, ``span`` and ``kind``.
    """

    tokens: int
    step: int = 1024
    rate: float = 3e-4
    seed: int = 0
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Example:
    """A window with what is known of it; NaN or -1 for what is not."""

    window: Window
    article: Article
    place: int  # among the windows of the article
    garble: F64
    quality: F64
    span: NDArray[np.float32]  # of each token
    kind: NDArray[np.int8]


def examples_of(articles: Sequence[Article], start: Start, seed: int) -> list[Example]:
    """Return the windows of articles in order; `seed` says which articles have no capitals."""
    rng = random.Random(seed)
    tokens: list[Tokens] = []
    for i in range(0, len(articles), 2000):
        part = articles[i : i + 2000]
        flat = []
        for article in part:
            small = rng.random() < _UNCASED
            flat += [sentence.lower() if small else sentence for sentence in article.sentences]
        tokens += tokenised(start.tokenizer, flat, cased=start.cased)
    parts, owner, done = [], [], 0
    for i, article in enumerate(articles):
        n = len(article.sentences)
        parts.append(tokens[done : done + n])
        owner += [i] * n
        done += n
    marks = [marked for article in articles for marked in article.spans or [None] * len(article.sentences)]
    garble = np.array([value for article in articles for value in article.garble], float)
    quality = np.array([value for article in articles for value in article.quality], float)
    found: list[Example] = []
    for window in windows(parts, start.separator):
        which = range(window.begin, window.begin + len(window.first) - 1)
        article = articles[owner[which[0]]]
        span = np.full(len(window.ids), np.nan, np.float32)
        kind = np.full(len(window.ids), -1, np.int8)
        for place, number in zip(window.first, which, strict=False):
            known = marks[number]
            if known is not None:
                own = tokens[number]
                covered = slice(place, place + len(own.ids))
                span[covered] = 0
                for begin, end, category in known:
                    hit = (own.start < end) & (own.end > begin)
                    span[covered][hit] = 1
                    kind[covered][hit] = SPAN_KINDS.index(category)
        place = found[-1].place + 1 if found and found[-1].article is article else 0
        sentences = slice(which[0], which[-1] + 1)
        found.append(Example(window, article, place, garble[sentences], quality[sentences], span, kind))
    return found


def steps(examples: Sequence[Example], plan: Plan) -> Iterator[list[list[int]]]:
    """Draw the examples of each step, in batches of like lengths; the sources in fixed shares, each in turn.

    What a machine translated comes with what a person made of the same lines right after it.
    """
    rng = random.Random(plan.seed)
    people: dict[str, dict[int, list[int]]] = {}
    for i, item in enumerate(examples):
        if item.article.style == 0:
            people.setdefault(item.article.group, {}).setdefault(id(item.article), []).append(i)
    of = {
        name: [i for i, item in enumerate(examples) if item.article.source == name and item.article.style != 0]
        for name in SHARES
        if name not in plan.drop
    }
    sizes = [len(item.window.ids) for item in examples]
    share = {name: SHARES[name] / float(np.mean([sizes[i] for i in own])) for name, own in of.items() if own}
    if "translated" in share:
        share["translated"] /= 2  # they come in pairs
    left: dict[str, list[int]] = {name: [] for name in share}
    while True:
        drawn: list[tuple[int, ...]] = []
        total = 0
        while total < plan.step:
            (name,) = rng.choices(list(share), list(share.values()))
            while not left[name]:
                heavy = max(examples[i].article.weight for i in of[name])
                chosen = [i for i in of[name] if rng.random() < examples[i].article.weight / heavy]
                left[name] = rng.sample(chosen, len(chosen))
            one = left[name].pop()
            unit: tuple[int, ...] = (one,)
            if examples[one].article.style == 1:
                versions = list(people[examples[one].article.group].values())
                same = versions[rng.randrange(len(versions))]
                unit = (one, same[min(examples[one].place, len(same) - 1)])
            drawn.append(unit)
            total += sum(sizes[i] for i in unit)
        drawn.sort(key=lambda unit: max(sizes[i] for i in unit))
        batches: list[list[int]] = []
        for unit in drawn:
            last = batches[-1] if batches else []
            padded = (len(last) + len(unit)) * max(sizes[i] for i in unit)
            if not last or padded > min(_MICRO, _PADDED * sum(sizes[j] for j in [*last, *unit]) + _SPARED):
                batches.append(list(unit))
            else:
                last.extend(unit)
        yield batches
