"""The figures behind a model: matched, by source, with bootstrap intervals over documents."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtdetect.data import Pair, read_pairs, read_rows
from mtdetect.detector import Detector
from mtdetect.types import ArticleScore

__all__ = ["auroc", "evaluate"]

MIN_ARTICLES = 15
_RESAMPLES = 500
F64 = NDArray[np.float64]
B = NDArray[np.bool_]


def auroc(machine: B, scores: F64, weight: F64 | None = None) -> float:
    """Return the area under the ROC curve: how often a machine text scores above a human one; ties count half.

    Parameters
    ----------
    machine : ndarray of bool, shape (n,)
        Which texts are machine-translated.
    scores : ndarray of shape (n,)
        Higher is more machine-like.
    weight : ndarray of shape (n,), optional
        How often each text counts.

    Returns
    -------
    float
        NaN if a side is empty.
    """
    weight = np.ones(len(scores)) if weight is None else weight
    rank = np.unique(scores, return_inverse=True)[1]
    positive = np.bincount(rank, weight * machine)
    negative = np.bincount(rank, weight * ~machine, len(positive))
    pairs = positive.sum() * negative.sum()
    below = np.cumsum(negative) - negative / 2
    return float(positive @ below / pairs) if pairs else float("nan")


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


def _resampled(group: NDArray[np.int64], rng: np.random.Generator) -> F64:
    """Return how often each item counts when groups are drawn with replacement."""
    _, place = np.unique(group, return_inverse=True)
    n = place.max() + 1
    return np.bincount(rng.integers(n, size=n), minlength=n)[place].astype(float)


def _interval(value: float, samples: Sequence[float]) -> dict[str, float]:
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return {"value": round(value, 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def _bootstrap(
    groups: Sequence[NDArray[np.int64]], figure: Callable[[Sequence[F64 | None]], float], seed: int = 0
) -> dict[str, float]:
    """Return a figure over several parts, with an interval from drawing the groups of each part again."""
    rng = np.random.default_rng(seed)
    samples = [figure([_resampled(group, rng) for group in groups]) for _ in range(_RESAMPLES)]
    return _interval(figure([None] * len(groups)), samples)


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
    result: dict[str, Any] = _bootstrap(
        [group for _, _, group in parts],
        lambda weights: float(np.mean([auroc(m, s, w) for (m, s, _), w in zip(parts, weights, strict=True)])),
    )
    return result | {"pairs": {name: round(auroc(m, s), 3) for name, (m, s, _) in zip(names, parts, strict=True)}}


def _rate(hit: B, group: NDArray[np.int64]) -> dict[str, Any]:
    def share(weights: Sequence[F64 | None]) -> float:
        weight = np.ones(len(hit)) if weights[0] is None else weights[0]
        return float(weight @ hit / weight.sum())

    return _bootstrap([group], share) | {"n": len(hit)}


def _spearman(x: F64, y: F64, group: NDArray[np.int64]) -> dict[str, Any]:
    from scipy.stats import spearmanr

    def correlation(weights: Sequence[F64 | None]) -> float:
        which = np.arange(len(x)) if weights[0] is None else np.repeat(np.arange(len(x)), weights[0].astype(int))
        return float(spearmanr(x[which], y[which])[0])

    return _bootstrap([group], correlation) | {"n": len(x)}


def _judgements(detector: Detector, rows: list[dict[str, Any]]) -> dict[str, Any]:
    articles = [detector.score_sentences([row["text"]]) for row in rows]
    n_rows = len(rows)
    rows = [row for row, article in zip(rows, articles, strict=True) if article.sentences]
    quality = np.array([article.sentences[0].quality for article in articles if article.sentences])
    score = np.array([row["score_raw"] for row in rows], float)
    group = np.unique([row["group"] for row in rows], return_inverse=True)[1]
    kind = np.array([f"{row['kind']} {row['lang_pair']}" for row in rows])
    result = {}
    for name in np.unique(kind):
        use = kind == name
        result[str(name)] = _spearman(quality[use], score[use], group[use])
    da = [entry["value"] for name, entry in result.items() if name.startswith("mlqe-da")]
    return {"sentence": result, "mlqe-da mean": round(float(np.mean(da)), 4), "not judged": n_rows - len(rows)}


def _spans(detector: Detector, rows: list[dict[str, Any]], source: str) -> dict[str, Any]:
    """Compare evidence with the spans that people marked, over characters; annotators of one text are joined."""
    marked: dict[tuple[str, str], B] = {}
    for row in rows:
        if row["source"] == source and row["label"] == "mt" and row["text"]:
            gold = marked.setdefault((row["group"], row["text"]), np.zeros(len(row["text"]), bool))
            for span in row["spans"]:
                gold[span["start"] : span["end"]] = True
    counts = []
    for (_, text), gold in marked.items():
        found = np.zeros(len(text), bool)
        for sentence in detector.score_sentences([text]).sentences:
            for item in sentence.evidence:
                found[item.start : item.end] = True
        counts.append([(gold & found).sum(), (~gold & found).sum(), (gold & ~found).sum(), (~gold & ~found).sum()])
    table = np.array(counts, float)
    group = np.unique([name for name, _ in marked], return_inverse=True)[1]

    def figure(compute: Callable[[F64], float]) -> dict[str, float]:
        return _bootstrap([group], lambda w: compute(table.sum(axis=0) if w[0] is None else w[0] @ table))

    def correlation(t: F64) -> float:
        tp, fp, fn, tn = t
        return float((tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))

    return {
        "matthews": figure(correlation),
        "precision": figure(lambda t: float(t[0] / (t[0] + t[1]))),
        "recall": figure(lambda t: float(t[0] / (t[0] + t[2]))),
        "texts": len(table),
    }


def _by_engine(pairs: Sequence[Pair]) -> dict[str, list[Pair]]:
    found: dict[str, list[Pair]] = {}
    for pair in pairs:
        found.setdefault(f"{pair.engine}/{pair.pivot}", []).append(pair)
    return found


def _round_trips(detector: Detector, pairs: Sequence[Pair]) -> dict[str, Any]:
    """Compare round trips with their own originals, for each engine and pivot; sentences that changed."""
    result = {}
    points = list(detector.classifier.points)
    for name, chosen in _by_engine(pairs).items():
        sides = [side for pair in chosen for side in (pair.human, pair.machine)]
        articles = [detector.score_sentences(side) for side in sides]
        number = np.unique([pair.group for pair in chosen], return_inverse=True)[1]
        group = np.repeat(number, 2)
        machine = np.arange(len(sides)) % 2 == 1
        judged = np.array([article.quality is not None for article in articles])
        quality = np.array([article.quality for article in articles], float)
        score = np.array([article.mt_score for article in articles], float)
        changed: list[B] = []
        for pair in chosen:
            differs = np.array([one != other for one, other in zip(pair.human, pair.machine, strict=True)], bool)
            changed += [differs, differs]
        whole = [len(article.sentences) == len(side) for article, side in zip(articles, sides, strict=True)]
        use = [i for i in range(len(sides)) if whole[i] and whole[i ^ 1]]
        which = np.concatenate([changed[i] for i in use])
        sentence = np.array([s.mt_score for i in use for s in articles[i].sentences])[which]
        of = np.repeat(use, [len(sides[i]) for i in use])[which]
        flagged = {
            point: np.array([s.flagged for i in use for s in articles[i].at(point).sentences])[which]
            for point in points
        }
        keep = np.flatnonzero(judged)

        def area(m: B, scores: F64) -> Callable[[Sequence[F64 | None]], float]:
            return lambda weights: auroc(m, scores, weights[0])

        low = judged & (quality < 50)
        result[name] = {
            "articles": len(chosen),
            "article auroc": _bootstrap([group[keep]], area(machine[keep], score[keep])),
            "quality auroc": _bootstrap([group[keep]], area(machine[keep], -quality[keep])),
            "sentence auroc": _bootstrap([group[of]], area(machine[of], sentence)),
            "quality below 50": _rate(low[machine], group[machine]),
            "originals below 50": _rate(low[~machine], group[~machine]),
            "flagged": {point: _rate(hit[machine[of]], group[of][machine[of]]) for point, hit in flagged.items()},
        }
    return result


def _evidence(detector: Detector, scored: _Scored, pairs: Sequence[Pair]) -> dict[str, Any]:
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
    for name, chosen in _by_engine(pairs).items():
        articles = [detector.score_sentences(pair.machine) for pair in chosen]
        number = np.unique([pair.group for pair in chosen], return_inverse=True)[1]
        sides[name] = _hits(articles), np.repeat(number, [article.n_sentences for article in articles])
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

    result = _bootstrap([machine_group, human_group], figure)
    return result if human.any() else result | {"value": 1.0, "high": 1.0}


def evaluate(
    detector: Detector, data: Path | None, pairs: Sequence[Path] = (), log: Callable[[str], None] = lambda line: None
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
    log : callable
        Called with a line at each step.

    Returns
    -------
    dict
        Plain JSON types; every figure has ``value`` and a 95 % interval, ``low`` to ``high``, from drawing
        documents again.

    Raises
    ------
    DataError
        If the data are missing.
    """
    trips = read_pairs(pairs)
    result = {"signature": detector.score("").signature, "round trips": _round_trips(detector, trips)}
    if data is None:
        return result
    rows = [row for row in read_rows(data, "articles_dev") if row["text"] or row["sentences"]]
    scored = _Scored.score(detector, rows)
    log(f"scored {len(rows)} articles, {len(scored.sentence)} sentences")
    sources = [str(name) for name in np.unique(scored.source)]
    with_mt = [name for name in sources if "mt" in scored.label[scored.source == name]]
    matched = {level: {name: _matched(scored, name, level) for name in with_mt} for level in ("article", "sentence")}
    log("matched figures: done")
    flags: dict[str, Any] = {}
    called: dict[str, Any] = {}
    low_quality: dict[str, Any] = {}
    for name in sources:
        for label in np.unique(scored.label[scored.source == name]):
            use = (scored.source == name) & (scored.label == label)
            which = use[scored.owner]
            group = scored.group[scored.owner][which]
            flags[f"{name} {label}"] = {point: _rate(hit[which], group) for point, hit in scored.flagged.items()}
            judged = use & ~np.isnan(scored.quality)
            called[f"{name} {label}"] = {
                point.name: _rate(scored.mt_score[judged] >= point.article, scored.group[judged])
                for point in detector.classifier.points.values()
            }
            below = _rate(scored.quality[judged] < 50, scored.group[judged])
            median = round(float(np.median(scored.quality[judged])), 2)
            low_quality[f"{name} {label}"] = below | {"median": median, "not judged": int((use & ~judged).sum())}
    log("rates: done")
    spans = read_rows(data, "spans_dev")
    return result | {
        "matched auroc": matched,
        "sentences flagged": flags,
        "articles called machine-translated": called,
        "evidence": _evidence(detector, scored, trips),
        "quality below 50": low_quality,
        "quality against judgement": _judgements(detector, read_rows(data, "judgements_dev")),
        "spans": {source: _spans(detector, spans, source) for source in ("mlqe_pe", "mqm")},
    }
