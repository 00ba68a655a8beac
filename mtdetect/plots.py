"""Plots of results, with matplotlib: each draws into one ``Axes`` and returns it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from mtdetect.categories import CATEGORIES
from mtdetect.scored import ScoredCorpus
from mtdetect.summary import wilson
from mtdetect.types import ArticleScore, OperatingPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["operating_points", "quality_histogram", "reasons_by_outlet", "reliability_curve", "sentence_strip"]

# told apart by people who don't see all colours (Okabe and Ito), and by more than colour
_BLUE, _ORANGE, _RED, _GREY = "#0072b2", "#e69f00", "#d55e00", "#8a8f98"


def quality_histogram(
    corpus: ScoredCorpus | Iterable[ArticleScore], *, limit: float = 50, ax: Axes | None = None
) -> Axes:
    """Draw how many articles have which quality; those under a limit are hatched.

    Parameters
    ----------
    corpus : ScoredCorpus or iterable of ArticleScore
        The articles; those without a quality are counted in the title only.
    limit : float
        Quality that a filter would ask for, 0 to 100.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The plot. The x-axis is quality, 0 to 100, higher is cleaner.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    ax = ax or _axes()
    every = [item.quality for item in (corpus.rows if isinstance(corpus, ScoredCorpus) else corpus)]
    known = np.array([quality for quality in every if quality is not None], float)
    edges = np.unique(np.append(np.linspace(0, 100, 21), np.clip(limit, 0, 100)))
    counts, _ = np.histogram(known, edges)
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        under = high <= limit
        ax.bar(
            low, count, high - low, align="edge", color=_ORANGE if under else _BLUE, hatch="//" if under else None,
            edgecolor="white", linewidth=0.5,
        )  # fmt: skip
    ax.axvline(limit, color="black", linestyle="--", linewidth=1)
    below = int((known < limit).sum())
    ax.set(xlabel="quality (higher is cleaner)", ylabel="articles", xlim=(0, 100))
    unjudged = f", {len(every) - len(known)} not judged" if len(known) < len(every) else ""
    ax.set_title(f"{below:,} of {len(known):,} articles below {limit:g}{unjudged}")
    return ax


def reliability_curve(mt_score: ArrayLike, machine: ArrayLike, *, bins: int = 10, ax: Axes | None = None) -> Axes:
    """Draw how often texts with an `mt_score` are machine-translated in truth.

    Parameters
    ----------
    mt_score : array_like of float, shape (n,)
        Predicted probabilities, 0 to 1.
    machine : array_like of bool, shape (n,)
        Which texts are machine-translated.
    bins : int
        Number of bins, with about as many texts in each.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The plot: the mean of each bin, with a 95 % interval (Wilson's). On the diagonal the score is calibrated.

    Raises
    ------
    ValueError
        If there is nothing to draw, or the lengths differ.
    ImportError
        If matplotlib is missing.
    """
    score, truth = _labelled(mt_score, machine)
    ax = ax or _axes()
    order = np.argsort(score, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, len(order))) if len(part)]
    x = np.array([score[part].mean() for part in parts])
    y = np.array([truth[part].mean() for part in parts])
    ends = [wilson(int(truth[part].sum()), len(part)) for part in parts]
    error = np.array([[max(v - end["low"], 0), max(end["high"] - v, 0)] for v, end in zip(y, ends, strict=True)]).T
    ax.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1, label="calibrated")
    ax.errorbar(x, y, error, color=_BLUE, marker="o", capsize=3, label=f"{len(score):,} texts")
    ax.set(xlabel="mt_score", ylabel="share of machine translation", xlim=(0, 1), ylim=(0, 1), title="Reliability")
    ax.legend()
    return ax


def operating_points(
    mt_score: ArrayLike,
    machine: ArrayLike,
    points: Mapping[str, OperatingPoint],
    *,
    level: Literal["sentence", "article"] = "article",
    ax: Axes | None = None,
) -> Axes:
    """Draw the share of machine translation that is found against the share of human text that is accused.

    Parameters
    ----------
    mt_score : array_like of float, shape (n,)
        Scores of texts, 0 to 1.
    machine : array_like of bool, shape (n,)
        Which texts are machine-translated.
    points : mapping of str to OperatingPoint
        What is marked on the curve, as `ArticleScore.points`.
    level : {"article", "sentence"}
        What the texts are; it chooses the threshold of the points.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The plot: false-positive rate on the x-axis, true-positive rate on the y-axis, 0 to 1.

    Raises
    ------
    ValueError
        If one side is empty, or the lengths differ.
    ImportError
        If matplotlib is missing.
    """
    score, truth = _labelled(mt_score, machine)
    if truth.all() or not truth.any():
        raise ValueError("both machine and human texts are needed")
    ax = ax or _axes()

    def rates(threshold: float) -> tuple[float, float]:
        hit = score >= threshold
        return float(hit[~truth].mean()), float(hit[truth].mean())

    curve = [(0.0, 0.0), *(rates(threshold) for threshold in np.unique(score)[::-1])]
    ax.plot(*zip(*curve, strict=True), color=_BLUE, linewidth=1.5)
    ax.plot([0, 1], [0, 1], color=_GREY, linestyle="--", linewidth=1)
    for marker, (name, point) in zip("ovs^Dpx", points.items(), strict=False):
        x, y = rates(getattr(point, level))
        ax.plot([x], [y], marker, color=_RED, label=f"{name}: finds {100 * y:.0f} %, accuses {100 * x:.1f} %")
    ax.set(xlabel="false-positive rate", ylabel="true-positive rate", xlim=(-0.02, 1), ylim=(0, 1.02))
    ax.set_title(f"{truth.sum():,} machine and {(~truth).sum():,} human {level}s")
    ax.legend(loc="lower right")
    return ax


def sentence_strip(article: ArticleScore, *, ax: Axes | None = None) -> Axes:
    """Draw where in an article the damage is: one bar for each sentence, as wide as it is long.

    Parameters
    ----------
    article : ArticleScore
        The article.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The plot: characters on the x-axis, the `mt_score` of the sentences on the y-axis. Flagged sentences are
        orange, those with strong evidence hatched, too, and page residue is grey.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    """
    ax = ax or _axes(height=2.2)
    for number, sentence in enumerate(article.sentences, 1):
        strong = any(item.strength == "strong" for item in sentence.evidence)
        ax.bar(
            sentence.start, sentence.mt_score, sentence.end - sentence.start, align="edge",
            color=_ORANGE if sentence.flagged else _BLUE, hatch="///" if strong else None, edgecolor="white",
        )  # fmt: skip
        if sentence.flagged:
            middle = (sentence.start + sentence.end) / 2
            ax.annotate(str(number), (middle, sentence.mt_score), ha="center", va="bottom", fontsize="small")
    for item in article.residue:
        ax.axvspan(item.start, item.end, color=_GREY, alpha=0.4)
    ax.axhline(article.point.sentence, color="black", linestyle="--", linewidth=1)
    ax.set(xlabel="characters", ylabel="mt_score", xlim=(0, max(len(article.text), 1)), ylim=(0, 1.12))
    quality = "not judged" if article.quality is None else f"quality {article.quality:.0f}"
    ax.set_title(f"{article.n_flagged} of {article.n_sentences} sentences flagged, {quality}")
    return ax


def reasons_by_outlet(corpus: ScoredCorpus, *, most: int = 10, ax: Axes | None = None) -> Axes:
    """Draw the share of the articles of each outlet that have sentences flagged for each reason.

    Parameters
    ----------
    corpus : ScoredCorpus
        Articles with addresses.
    most : int
        Number of outlets: those with the most articles.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The plot: a table of shares in percent; darker is more.

    Raises
    ------
    ValueError
        If no article has an address.
    ImportError
        If matplotlib is missing.
    """
    articles = Counter(row.host for row in corpus.rows if row.host and row.quality is not None)
    if not articles:
        raise ValueError("no article has an address: the rows need a url")
    hosts = [host for host, _ in sorted(articles.items(), key=lambda item: (-item[1], item[0]))[:most]]
    hits = Counter((row.host, name) for row in corpus.rows for name in row.categories)
    used = {name for host, name in hits if host in hosts}
    names = [name for name in [*CATEGORIES, *sorted(used - set(CATEGORIES))] if name in used] or ["no reason"]
    shares = np.array([[100 * hits[host, name] / articles[host] for name in names] for host in hosts])
    ax = ax or _axes(height=1.6 + 0.35 * len(hosts))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=100, aspect="auto")
    for (y, x), share in np.ndenumerate(shares):
        ax.text(x, y, f"{share:.0f}", ha="center", va="center", color="white" if share > 55 else "black")
    ax.set_xticks(range(len(names)), [name.replace("_", "\n") for name in names])
    ax.set_yticks(range(len(hosts)), [f"{host} ({articles[host]:,})" for host in hosts])
    ax.set_title("articles with a reason to flag a sentence, %")
    return ax


def _labelled(mt_score: ArrayLike, machine: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    score, truth = np.asarray(mt_score, float), np.asarray(machine, bool)
    if score.shape != truth.shape or score.ndim != 1 or not len(score):
        raise ValueError(f"mt_score and machine need one length of at least 1: {score.shape} and {truth.shape}")
    if not ((score >= 0) & (score <= 1)).all():
        raise ValueError("mt_score is outside of 0 to 1: leave out what was not judged")
    return score, truth


def _axes(height: float = 3.6) -> Axes:
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plots need: pip install 'mtdetect[notebook]'") from error
    return pyplot.subplots(figsize=(7, height), layout="constrained")[1]
