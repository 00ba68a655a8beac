"""The figures behind a model: matched, by source, with bootstrap intervals over documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.accurate import CALIBRATED, AccurateClassifier
from mtdetect.data import DataError, Pair, bucket, read_pairs, read_rows, sentences_of
from mtdetect.detector import Detector
from mtdetect.encoder import RememberingEncoder
from mtdetect.intervals import auroc, bootstrap, rate
from mtdetect.judged import judgements, marked_spans, much_edited
from mtdetect.probes import mask_names, shortcuts
from mtdetect.reliability import precision_by_share, reliability
from mtdetect.types import ArticleScore

__all__ = ["evaluate"]

MIN_ARTICLES = 15
_RUN = 4  # sentences of either side in turn, in a spliced article
F64 = NDArray[np.float64]
B = NDArray[np.bool_]


@dataclass(frozen=True)
class _Scored:
    """The dev articles as the detector saw them, one row each; sentences point back to their article."""

    source: NDArray[np.str_]
    label: NDArray[np.str_]
    pair: NDArray[np.str_]
    group: NDArray[np.int64]
    quality: F64
    mt_score: F64
    owner: NDArray[np.int64]
    sentence: F64
    flagged: dict[str, B]
    evidence: dict[tuple[str, str], B]

    @classmethod
    def score(cls, detector: Detector, rows: list[dict[str, Any]]) -> _Scored:
        articles: list[ArticleScore] = []
        plain = iter(detector.score_many(row["text"] for row in rows if not row["sentences"]))
        for row in rows:
            articles.append(detector.score_sentences(row["sentences"]) if row["sentences"] else next(plain))
        sizes = [article.n_sentences for article in articles]
        points = list(detector.classifier.points)
        flagged = {
            name: np.array([s.flagged for article in articles for s in article.at(name).sentences], bool)
            for name in points
        }

        def column(name: str) -> NDArray[np.str_]:
            return np.array([str(row[name]) for row in rows])

        return cls(
            column("source"),
            column("label"),
            column("lang_pair"),
            np.unique(column("group"), return_inverse=True)[1],
            np.array([article.quality for article in articles], float),
            np.array([article.mt_score for article in articles], float),
            np.repeat(np.arange(len(rows)), sizes),
            np.array([s.mt_score for article in articles for s in article.sentences]),
            flagged,
            _hits(articles),
        )


def _hits(articles: Iterable[ArticleScore]) -> dict[tuple[str, str], B]:
    """Return which sentences have evidence, by category and strength, those of all articles one after the other."""
    sentences = [sentence for article in articles for sentence in article.sentences]
    hits: dict[tuple[str, str], B] = {}
    for i, sentence in enumerate(sentences):
        for item in sentence.evidence:
            hits.setdefault((item.category, item.strength), np.zeros(len(sentences), bool))[i] = True
    return dict(sorted(hits.items()))


def _matched(scored: _Scored, source: str, level: str) -> dict[str, Any]:
    """Return the mean over language pairs of the AUROC of `mt` against `ht`, or `human` where there is no `ht`."""
    human = "ht" if "ht" in scored.label[scored.source == source] else "human"
    parts, names = [], []
    for pair in np.unique(scored.pair[scored.source == source]):
        use = (scored.source == source) & (scored.pair == pair) & ~np.isnan(scored.mt_score)
        machine, other = use & (scored.label == "mt"), use & (scored.label == human)
        if min(machine.sum(), other.sum()) < MIN_ARTICLES:
            continue
        names.append(str(pair))
        if level == "article":
            which = np.flatnonzero(machine | other)
            parts.append((machine[which], scored.mt_score[which], scored.group[which]))
        else:
            which = np.flatnonzero((machine | other)[scored.owner])
            owner = scored.owner[which]
            parts.append((machine[owner], scored.sentence[which], scored.group[owner]))
    if not parts:
        return {}
    result: dict[str, Any] = bootstrap(
        [group for _, _, group in parts],
        lambda weights: float(np.mean([auroc(m, s, w) for (m, s, _), w in zip(parts, weights, strict=True)])),
    )
    return result | {"pairs": {name: round(auroc(m, s), 3) for name, (m, s, _) in zip(names, parts, strict=True)}}


def _reading_ahead(
    detector: Detector, rows: Sequence[dict[str, Any]], pairs: Sequence[Pair], singles: Iterable[dict[str, Any]]
) -> Detector:
    """Return the same detector with an encoder that has read it all, by several processes."""
    model = detector.classifier
    assert isinstance(model, AccurateClassifier)
    encoder = RememberingEncoder(model.encoder.folder, **model.config["encoder"])
    articles = [sentences_of(row) for row in rows]
    sides = [side for pair in pairs for side in (pair.human, pair.machine)]
    named = [
        article for article, row in zip(articles, rows, strict=True) if row["label"] != "human" and row["sentences"]
    ]
    masked = [[mask_names(sentence) for sentence in article] for article in ([*named, *sides] if rows else [])]
    mixed = [sentences for pair in pairs for sentences, _ in spliced(pair)] if rows else []
    encoder.read_ahead([*articles, *sides, *masked, *mixed, *([row["text"]] for row in singles)])
    return Detector(replace(model, encoder=encoder), detector.point, ignore=detector.ignore)


@dataclass(frozen=True)
class _Trips:
    """Round trips through one engine and pivot as the detector saw them: original and machine version in turn."""

    name: str
    pairs: list[Pair]
    articles: list[ArticleScore]
    machine: B
    group: NDArray[np.int64]
    judged: B
    quality: F64
    mt_score: F64

    @classmethod
    def score(cls, detector: Detector, pairs: Sequence[Pair]) -> list[_Trips]:
        by_engine: dict[str, list[Pair]] = {}
        for pair in pairs:
            by_engine.setdefault(f"{pair.engine}/{pair.pivot}", []).append(pair)
        found = []
        for name, chosen in by_engine.items():
            articles = [detector.score_sentences(side) for pair in chosen for side in (pair.human, pair.machine)]
            number = np.unique([pair.group for pair in chosen], return_inverse=True)[1]
            found.append(
                cls(
                    name,
                    chosen,
                    articles,
                    np.arange(len(articles)) % 2 == 1,
                    np.repeat(number, 2),
                    np.array([article.quality is not None for article in articles]),
                    np.array([article.quality for article in articles], float),
                    np.array([article.mt_score for article in articles], float),
                )
            )
        return found

    def figures(self, points: Sequence[str]) -> dict[str, Any]:
        """Compare round trips with their own originals; of sentences, those that changed."""
        changed = [pair.changed for pair in self.pairs for _ in range(2)]
        sizes = [len(differs) for differs in changed]
        whole = [len(article.sentences) == size for article, size in zip(self.articles, sizes, strict=True)]
        use = [i for i in range(len(sizes)) if whole[i] and whole[i ^ 1]]
        which = np.concatenate([changed[i] for i in use])
        sentence = np.array([s.mt_score for i in use for s in self.articles[i].sentences])[which]
        of = np.repeat(use, [sizes[i] for i in use])[which]
        keep, machine, group = np.flatnonzero(self.judged), self.machine, self.group

        def area(which: NDArray[np.int64], scores: F64) -> dict[str, float]:
            return bootstrap([group[which]], lambda weights: auroc(machine[which], scores, weights[0]))

        def flagged(point: str) -> dict[str, Any]:
            hit = np.array([s.flagged for i in use for s in self.articles[i].at(point).sentences])[which]
            return rate(hit[machine[of]], group[of][machine[of]])

        low = self.judged & (self.quality < 50)
        return {
            "articles": len(self.pairs),
            "article auroc": area(keep, self.mt_score[keep]),
            "quality auroc": area(keep, -self.quality[keep]),
            "sentence auroc": area(of, sentence),
            "quality below 50": rate(low[machine], group[machine]),
            "originals below 50": rate(low[~machine], group[~machine]),
            "flagged": {point: flagged(point) for point in points},
        }


def spliced(pair: Pair) -> Iterator[tuple[list[str], B]]:
    """Yield two articles of the sentences of both sides, `_RUN` of each in turn; with each, which are the machine's."""
    for first in (False, True):
        machine = (np.arange(len(pair.human)) // _RUN % 2 == 1) != first
        sides = zip(pair.human, pair.machine, machine, strict=True)
        yield [made if of_machine else original for original, made, of_machine in sides], machine


def _within(detector: Detector, trips: Sequence[_Trips]) -> dict[str, Any]:
    """Return how well sentences of the machine are told from those around them that a person wrote."""
    result = {}
    for trip in trips:
        scores, flags, machine, group = [], [], [], []
        for number, pair in enumerate(trip.pairs):
            use = pair.changed
            for sentences, made in spliced(pair):
                found = detector.score_sentences(sentences).sentences
                if len(found) == len(sentences):
                    scores.append(np.array([sentence.mt_score for sentence in found])[use])
                    flags.append(np.array([sentence.flagged for sentence in found], bool)[use])
                    machine.append(made[use])
                    group.append(np.full(int(use.sum()), number))
        if not scores:
            continue
        z, hit, made, of = (np.concatenate(parts) for parts in (scores, flags, machine, group))
        result[trip.name] = {
            "sentence auroc": bootstrap([of], partial(lambda made, z, weights: auroc(made, z, weights[0]), made, z)),
            "flagged": rate(hit[made], of[made]),
            "people's flagged": rate(hit[~made], of[~made]),
        }
    return result


def _evidence(scored: _Scored, trips: Sequence[_Trips]) -> dict[str, Any]:
    """Return how many sentences of each kind have evidence, and how precise it is against people's news.

    The precision is that of a corpus with as many sentences of the machine as of people: the share of the machine's
    among those with the evidence.
    """
    of = {"human": scored.label == "human", "ht": scored.label == "ht", "mt": scored.label == "mt"}
    sides = {
        name: ({key: hit[use[scored.owner]] for key, hit in scored.evidence.items()}, scored.group[scored.owner][
            use[scored.owner]])
        for name, use in of.items()
    }  # fmt: skip
    for trip in trips:
        articles = [article for article, machine in zip(trip.articles, trip.machine, strict=True) if machine]
        sizes = [article.n_sentences for article in articles]
        sides[trip.name] = _hits(articles), np.repeat(trip.group[trip.machine], sizes)
    found: dict[str, Any] = {}
    for category, strength in sorted({key for hits, _ in sides.values() for key in hits}):
        row: dict[str, Any] = {}
        for name, (hits, group) in sides.items():
            hit = hits.get((category, strength), np.zeros(len(group), bool))
            row[name] = {"n": int(hit.sum()), "of": len(hit)}
            people = "ht" if name == "mt" else "human"
            if name not in ("human", "ht") and hit.any():
                other_hits, other_group = sides[people]
                other = other_hits.get((category, strength), np.zeros(len(other_group), bool))
                row[name]["precision"] = _precision(hit, group, other, other_group)
        found.setdefault(category, {})[strength] = row
    return found


def _precision(
    machine: B, machine_group: NDArray[np.int64], human: B, human_group: NDArray[np.int64]
) -> dict[str, float]:
    # where no sentence has it, no resample has, either, but up to three in as many are still likely
    likely = 0.0 if human.any() else 3 / len(human)

    def figure(weights: Sequence[F64 | None]) -> float:
        shares = [
            float(hit.mean() if weight is None else weight @ hit / weight.sum())
            for hit, weight in zip((machine, human), weights, strict=True)
        ]
        return shares[0] / (sum(shares) + likely) if any(shares) else float("nan")

    result = bootstrap([machine_group, human_group], figure)
    return result if human.any() else result | {"value": 1.0, "high": 1.0}


def _rates(detector: Detector, scored: _Scored) -> dict[str, Any]:
    """Return how often sentences are flagged, articles called machine-translated and quality is low, by source."""
    flags: dict[str, Any] = {}
    called: dict[str, Any] = {}
    low_quality: dict[str, Any] = {}
    for source, label in sorted(set(zip(scored.source.tolist(), scored.label.tolist(), strict=True))):
        use = (scored.source == source) & (scored.label == label)
        judged = use & ~np.isnan(scored.quality)
        if not judged.any():
            continue
        name, which = f"{source} {label}", use[scored.owner]
        group = scored.group[scored.owner][which]
        flags[name] = {point: rate(hit[which], group) for point, hit in scored.flagged.items()}
        called[name] = {
            point.name: rate(scored.mt_score[judged] >= point.article, scored.group[judged])
            for point in detector.classifier.points.values()
        }
        below = rate(scored.quality[judged] < 50, scored.group[judged])
        median = round(float(np.median(scored.quality[judged])), 2)
        low_quality[name] = below | {"median": median, "not judged": int((use & ~judged).sum())}
    return {
        "sentences flagged": flags,
        "articles called machine-translated": called,
        "quality below 50": low_quality,
    }


def _worth(detector: Detector, scored: _Scored, trips: Sequence[_Trips]) -> dict[str, Any]:
    """Return the precision of articles that are called garbled, in a corpus that has few of them."""
    people = (scored.label == "human") & ~np.isnan(scored.quality)
    bars: dict[str, Callable[[F64, F64], B]] = {"quality below 50": lambda quality, _: quality < 50}
    for point in detector.classifier.points.values():
        bars[f"mt_score, {point.name}"] = partial(lambda bar, _, score: score >= bar, point.article)
    result: dict[str, Any] = {}
    for name, marks in bars.items():
        false = marks(scored.quality[people], scored.mt_score[people])
        for trip in trips:
            which = trip.judged & trip.machine
            found = marks(trip.quality[which], trip.mt_score[which])
            figures = precision_by_share(found, trip.group[which], false, scored.group[people])
            result.setdefault(name, {})[trip.name] = figures
    return result


def _reliability(scored: _Scored, trips: Sequence[_Trips]) -> dict[str, Any]:
    result = {}
    for source in np.unique(scored.source):
        use = (scored.source == source) & ~np.isnan(scored.mt_score)
        result[str(source)] = reliability(scored.label[use] == "mt", scored.mt_score[use], scored.group[use])
    for trip in trips:
        use = trip.judged
        result[trip.name] = reliability(trip.machine[use], trip.mt_score[use], trip.group[use])
    return result


def _shortcuts(
    detector: Detector, rows: list[dict[str, Any]], trips: Sequence[_Trips], sources: Sequence[str]
) -> dict[str, Any]:
    """Return what shortcuts tell in matched data, and the headline with names masked."""
    result = {}
    for source in sources:
        chosen = [row for row in rows if row["source"] == source]
        machine = np.array([row["label"] == "mt" for row in chosen])
        group = np.unique([row["group"] for row in chosen], return_inverse=True)[1]
        result[source] = shortcuts([sentences_of(row) for row in chosen], machine, group)
        masked = [row | {"sentences": [mask_names(s) for s in sentences_of(row)]} for row in chosen]
        figure = _matched(_Scored.score(detector, masked), source, "article")
        result[source]["mt_score, names masked"] = {key: figure[key] for key in ("value", "low", "high") if figure}
    for trip in trips:
        sides = [side for pair in trip.pairs for side in (pair.human, pair.machine)]
        result[trip.name] = shortcuts(sides, trip.machine, trip.group)
        masked_trips = [
            pair._replace(human=[mask_names(s) for s in pair.human], machine=[mask_names(s) for s in pair.machine])
            for pair in trip.pairs
        ]
        (masked_trip,) = _Trips.score(detector, masked_trips)
        result[trip.name]["mt_score, names masked"] = masked_trip.figures([])["article auroc"]
    return result


def evaluate(
    detector: Detector,
    data: Path | None,
    pairs: Sequence[Path] = (),
    people: Mapping[str, Sequence[str]] | None = None,
    share: float = 1.0,
    log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure a detector on the dev split, and on round trips.

    Parameters
    ----------
    detector : Detector
        At the operating point that spans are taken from.
    data : Path or None
        Folder with ``articles_dev``, ``judgements_dev`` and ``spans_dev``; None for the figures of round trips alone.
    pairs : sequence of Path
        Round trips of clean articles that the model has not seen, from `mtdetect roundtrip`.
    people : mapping of str to sequence of str, optional
        Articles by people of other kinds, such as non-native writers, that the thresholds were not chosen on.
    share : float
        Of the documents, always the same; accurate models never see those that their calibration has seen.
    log : callable
        Called with a line at each step.

    Returns
    -------
    dict
        Plain JSON types. A figure has ``value`` and a 95 % interval, ``low`` to ``high``, from drawing documents again;
        counts, medians, and what a mean is made of or follows from have none.

    Raises
    ------
    DataError
        If the data are missing, or the detector is a cascade.
    """
    if detector.cascade:
        raise DataError("each half of a cascade has thresholds of its own: evaluate fast and accurate")
    rows: list[dict[str, Any]] = [
        {"source": name, "label": "people", "lang_pair": "", "group": f"{name} {i}", "text": text, "sentences": None}
        for name, texts in (people or {}).items()
        for i, text in enumerate(texts)
    ]
    judged: list[dict[str, Any]] = []
    spans: list[dict[str, Any]] = []
    round_trips = read_pairs(pairs)
    if data is not None:
        rows += [row for row in read_rows(data, "articles_dev") if row["text"] or row["sentences"]]
        judged, spans = read_rows(data, "judgements_dev"), read_rows(data, "spans_dev")
    encoded = isinstance(detector.classifier, AccurateClassifier)
    lowest = max(1 - share, CALIBRATED if encoded else 0.0)
    rows = [row for row in rows if row["label"] == "people" or bucket(row["group"]) >= lowest]
    round_trips = [pair for pair in round_trips if bucket(pair.group) >= 1 - share]
    if encoded:
        detector = _reading_ahead(detector, rows, round_trips, [*judged, *spans])
        log(f"read {len(rows)} articles and {len(round_trips)} round trips")
    trips = _Trips.score(detector, round_trips)
    points = list(detector.classifier.points)
    result: dict[str, Any] = {"signature": detector.score("").signature}
    result["round trips"] = {trip.name: trip.figures(points) for trip in trips}
    if not rows:
        return result
    scored = _Scored.score(detector, rows)
    log(f"scored {len(rows)} articles, {len(scored.sentence)} sentences")
    result |= _rates(detector, scored)
    log("rates: done")
    if data is None:
        return result
    with_mt = [str(name) for name in np.unique(scored.source[scored.label == "mt"])]
    matched = {level: {name: _matched(scored, name, level) for name in with_mt} for level in ("article", "sentence")}
    log("matched figures: done")
    result["reliability"] = _reliability(scored, trips)
    if trips:
        result["sentences within articles"] = _within(detector, trips)
        result["precision by share garbled"] = _worth(detector, scored, trips)
    result["shortcuts"] = _shortcuts(detector, rows, trips, with_mt)
    log("shortcuts: done")
    return result | {
        "matched auroc": matched,
        "evidence": _evidence(scored, trips),
        "quality against judgement": judgements(detector, judged),
        "much edited": much_edited(detector, spans),
        "spans": {source: marked_spans(detector, spans, source) for source in ("mlqe_pe", "mqm")},
    }
