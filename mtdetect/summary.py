"""What a filter run did, counted: rows, reasons, quality, and the hosts whose articles were rejected most."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Any, Protocol

from mtdetect.types import ArticleScore

__all__ = ["COUNTS", "Judged", "Summary", "host_of", "kept_by_limits", "report_of", "what_limits_keep", "wilson"]

COUNTS = ("n_in", "n_kept", "n_rejected", "n_errors", "n_other")
_HOST = re.compile(r"[A-Za-z][\w+.-]*://(?:[^/?#@]*@)?(\[[0-9a-fA-F:.]+\]|[^/?#@:\s\[]+)")
_MAX_HOSTS = 50_000
_MAX_HOST = 253  # characters that a name can have in the DNS
_SHOWN_HOSTS = 20
_Z = 1.96


class Summary:
    """Counts of one input or of several.

    Attributes
    ----------
    counts : Counter
        ``n_in`` = ``n_kept`` + ``n_rejected`` + ``n_errors``; ``n_other``: no articles, in web archives.
    reasons : Counter
        Rejected articles by reason.
    quality : Counter
        Articles by the tens of their quality, ``"0"`` to ``"90"``, and ``"null"``.
    hosts, bad_hosts : Counter
        Articles and rejected articles by host; those of hosts beyond the first 50,000 are counted as ``"others"``.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self.reasons: Counter[str] = Counter()
        self.quality: Counter[str] = Counter()
        self.hosts: Counter[str] = Counter()
        self.bad_hosts: Counter[str] = Counter()

    def add_error(self) -> None:
        """Count a row that can't be read."""
        self.counts.update(("n_in", "n_errors"))

    def add(self, scores: dict[str, Any], reason: str | None, url: str | None) -> None:
        """Count an article: its scores, why it was rejected (None if it was kept), and its address."""
        self.counts["n_in"] += 1
        self.counts["n_kept" if reason is None else "n_rejected"] += 1
        quality = scores["quality"]
        self.quality["null" if quality is None else str(min(int(quality) // 10, 9) * 10)] += 1
        if reason is not None:
            self.reasons[":".join(reason.split(":")[:2])] += 1  # without the number of words
        if host := host_of(url):
            if host not in self.hosts and len(self.hosts) >= _MAX_HOSTS:
                host = "others"
            self.hosts[host] += 1
            self.bad_hosts[host] += reason is not None

    def merge(self, entry: dict[str, Any]) -> None:
        """Add what `to_dict` has said of another input."""
        self.counts.update({name: entry[name] for name in COUNTS})
        for name in ("reasons", "quality", "hosts", "bad_hosts"):
            counter: Counter[str] = getattr(self, name)
            for key, n in entry[name].items():
                counter[
                    key if name in ("reasons", "quality") or key in counter or len(counter) < _MAX_HOSTS else "others"
                ] += n

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON types."""
        counters = {
            name: dict(sorted(getattr(self, name).items())) for name in ("reasons", "quality", "hosts", "bad_hosts")
        }
        return {**self.counts, **counters}

    def worst_hosts(self) -> list[dict[str, Any]]:
        """Return the hosts with the largest share of rejected articles, as far as their number of articles proves it.

        Returns
        -------
        list of dict
            ``host``, ``n``, ``n_rejected``, and the ends of a 95 % interval for the share, ``low`` and ``high``
            (Wilson's), ordered by ``low``.
        """
        rows: list[dict[str, Any]] = [
            {"host": host, "n": n, "n_rejected": self.bad_hosts[host], **wilson(self.bad_hosts[host], n)}
            for host, n in self.hosts.items()
            if self.bad_hosts[host]
        ]
        return sorted(rows, key=lambda row: (-row["low"], row["host"]))[:_SHOWN_HOSTS]


def host_of(url: str | None) -> str | None:
    """Return the host of an address in lower case, None if it has none, or one that is too long to be a name."""
    # what the standard library does is ten times as slow
    match = _HOST.match(url or "")
    return match[1].lower() if match and len(match[1]) <= _MAX_HOST else None


def wilson(k: int, n: int) -> dict[str, float]:
    """Return the ends of the 95 % interval for a share of `k` in `n`, ``low`` and ``high``, after Wilson."""
    middle = (k + _Z**2 / 2) / (n + _Z**2)
    half = _Z / (n + _Z**2) * sqrt(k * (n - k) / n + _Z**2 / 4)
    return {"low": round(max(middle - half, 0.0), 4), "high": round(min(middle + half, 1.0), 4)}


def report_of(manifest: dict[str, Any]) -> Iterator[str]:
    """Yield what people want to know of a run, line by line: counts, reasons, quality, hosts.

    Parameters
    ----------
    manifest : dict
        From `filter_corpus`.
    """
    n_in, n_kept = manifest["n_in"], manifest["n_kept"]
    yield f"{n_in} rows = {n_kept} kept + {manifest['n_rejected']} rejected + {manifest['n_errors']} errors"
    if manifest["n_other"]:
        yield f"{manifest['n_other']} records that are no pages were copied"
    for reason, n in sorted(manifest["reasons"].items(), key=lambda item: -item[1]):
        yield f"rejected for {reason}: {n}"
    most = max(manifest["quality"].values(), default=0)
    for low in [*map(str, range(0, 100, 10)), "null"] if most else ():
        n = manifest["quality"].get(low, 0)
        name = "no quality" if low == "null" else f"quality {low:>2}+"
        yield f"{name:10} {n:>{len(str(most))}} {'#' * round(40 * n / most)}".rstrip()
    for row in manifest["worst_hosts"][:5]:
        share = f"{row['low']:.0%} to {row['high']:.0%} of its articles"
        yield f"{row['host']}: {row['n_rejected']} of {row['n']} rejected, {share} at 95 %"
    if n_kept < manifest["n_rejected"]:
        yield "more than half of the articles were rejected: does --dry-run show the limits that you want?"


class Judged(Protocol):
    """An article, by its scores: `ArticleScore`, or a row of a `ScoredCorpus`."""

    @property
    def quality(self) -> float | None:
        """0 to 100."""

    @property
    def mt_score(self) -> float | None:
        """0 to 1."""

    @property
    def n_sentences(self) -> int:
        """Sentences that were judged."""

    @property
    def n_flagged(self) -> int:
        """Sentences that were flagged."""


def kept_by_limits(articles: Sequence[Judged]) -> list[tuple[str, float, int]]:
    """Return what each limit of `filter` alone would keep.

    Parameters
    ----------
    articles : sequence of Judged
        Those without a quality are kept by no limit.

    Returns
    -------
    list of tuple of str, float and int
        Option, limit and number of kept articles.
    """
    judged = [
        (a.quality, a.mt_score, a.n_flagged / max(a.n_sentences, 1))
        for a in articles
        if a.quality is not None and a.mt_score is not None
    ]
    quality, mt_score, flagged = (sorted(row[column] for row in judged) for column in range(3))
    return [
        *(("--min-quality", limit, len(judged) - bisect_left(quality, limit)) for limit in range(0, 100, 10)),
        *(("--max-mt-score", limit / 10, bisect_right(mt_score, limit / 10)) for limit in range(9, 0, -1)),
        *(("--max-flagged-share", limit, bisect_right(flagged, limit)) for limit in (0.5, 0.2, 0.1, 0.05, 0)),
    ]


def what_limits_keep(articles: Sequence[ArticleScore]) -> Iterator[str]:
    """Yield what each limit alone would keep of a sample, line by line.

    Parameters
    ----------
    articles : sequence of ArticleScore
        The sample.
    """
    n = max(len(articles), 1)
    for name, limit, kept in kept_by_limits(articles):
        yield f"{name} {limit:<4g} keeps {kept} of {len(articles)} articles, {kept / n:.1%}"
    if unjudged := sum(article.quality is None for article in articles):
        yield f"{unjudged} of {len(articles)} articles have no quality and are rejected by any limit"
