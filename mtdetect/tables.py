"""The figures of a model as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

__all__ = ["KINDS", "category_table", "evidence_table", "matrix_table", "tables", "worst_rate"]

KINDS = {"human": "news by people", "ht": "translations by people", "mt": "translations by machines"}


def _cell(figure: dict[str, Any], percent: bool = False) -> str:
    factor, digits = (100, 2) if percent else (1, 3)
    value, low, high = (f"{factor * figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def tables(metrics: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    lines = [f"signature: `{metrics['signature']}`"]
    for key, table in _TABLES.items():
        if metrics.get(key):
            lines += ["", *table(metrics[key])]
    return "\n".join(lines)


def _round_trips(of: dict[str, Any]) -> list[str]:
    heads = ["round trips", "n", "article AUROC", "by quality", "sentence AUROC", "quality below 50, %", "originals, %"]
    lines = _head(heads)
    for name, row in of.items():
        shown = [_cell(row[f"{kind} auroc"]) for kind in ("article", "quality", "sentence")]
        shown += [_cell(row[key], percent=True) for key in ("quality below 50", "originals below 50")]
        lines.append(f"| {name} | {row['articles']} | {' | '.join(shown)} |")
    return lines


def _within(of: dict[str, Any]) -> list[str]:
    heads = ["four sentences by each in turn", "sentence AUROC", "the machine's flagged, %", "people's flagged, %"]
    lines = _head(heads)
    for name, row in of.items():
        shown = [_cell(row["sentence auroc"]), *(_cell(row[k], percent=True) for k in ("flagged", "people's flagged"))]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return lines


def _matched(of: dict[str, Any]) -> list[str]:
    rows = [(name, figure, of["sentence"][name]) for name, figure in of["article"].items() if figure]
    return _head(["matched AUROC", "article", "sentence"]) + [f"| {n} | {_cell(a)} | {_cell(s)} |" for n, a, s in rows]


def _rates(name: str, rates: dict[str, Any]) -> list[str]:
    points = list(next(iter(rates.values())))
    lines = _head([f"{name}, %", *points, "n"])
    for source, row in rates.items():
        cells = " | ".join(_cell(row[point], percent=True) for point in points)
        lines.append(f"| {source} | {cells} | {row[points[0]]['n']} |")
    worst = [worst_rate(rates, "human", point) for point in points]
    if not math.isnan(worst[0]):
        lines.append(f"| worst human source | {' | '.join(f'{100 * rate:.2f}' for rate in worst)} | |")
    return lines


def _low_quality(of: dict[str, Any]) -> list[str]:
    lines = _head(["articles", "quality below 50, %", "median", "n", "not judged"])
    for name, row in of.items():
        lines.append(f"| {name} | {_cell(row, percent=True)} | {row['median']} | {row['n']} | {row['not judged']} |")
    return lines


def _judged(of: dict[str, Any]) -> list[str]:
    lines = _head(["quality against human judgement", "Spearman", "n"])
    rows = of["sentence"] | {"mean over mlqe-da pairs": of["mlqe-da mean"]}
    return lines + [f"| {name} | {_cell(figure)} | {figure['n']} |" for name, figure in rows.items()]


def _spans(of: dict[str, Any]) -> list[str]:
    kinds = ("matthews", "precision", "recall")
    lines = _head(["evidence spans, characters", *(kind.title() if kind == "matthews" else kind for kind in kinds)])
    return lines + [f"| {name} | {' | '.join(_cell(row[kind]) for kind in kinds)} |" for name, row in of.items()]


def _edited(of: dict[str, Any]) -> list[str]:
    lines = _head(["sentences with edits of 30 % and more against those with 5 % at most (mlqe), by quality", "AUROC"])
    rows = {name: of[name] for name in ("all pairs", "mean over pairs")} | of["pairs"]
    return lines + [f"| {name} | {_cell(figure)} |" for name, figure in rows.items()]


def _reliability(of: dict[str, Any]) -> list[str]:
    lines = _head(["reliability of article mt_score", "ECE", "Brier", "mean of people's articles"])
    for name, row in of.items():
        lines.append(f"| {name} | {' | '.join(_cell(row[k]) if k in row else '' for k in ('ece', 'brier', 'mean'))} |")
    return lines


def _worth(of: dict[str, Any]) -> list[str]:
    trips = next(iter(of.values()))
    shares = list(next(iter(trips.values())))
    lines = _head(["precision when so many are garbled", "garbled by", *shares])
    for name, by_trip in of.items():
        lines += [f"| {name} | {t} | {' | '.join(_cell(row[s]) for s in shares)} |" for t, row in by_trip.items()]
    return lines


def _shortcuts(of: dict[str, Any]) -> list[str]:
    lines = _head(["AUROC of a classifier that sees only", *of])
    for probe in next(iter(of.values())):
        lines.append(f"| {probe} | {' | '.join(_cell(row[probe]) if row[probe] else '' for row in of.values())} |")
    return lines


def matrix_table(kind: str, of: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of a train-by-test table: article AUROC, and that of sentences behind it."""
    tested = list(dict.fromkeys(value for row in of.values() for value in row))
    lines = _head([f"{kind}: trained without", *tested])
    for name, row in of.items():
        shown = [f"{row[v]['article']['value']:.3f} / {row[v]['sentence']['value']:.3f}" for v in tested]
        lines.append(
            f"| {name} | {' | '.join(f'**{s}**' if v == name else s for v, s in zip(tested, shown, strict=True))} |"
        )
    return lines


def _head(heads: list[str]) -> list[str]:
    return [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]


def worst_rate(rates: dict[str, Any], label: str, point: str) -> float:
    """Return the highest rate of any source with this label."""
    return max((row[point]["value"] for name, row in rates.items() if name.endswith(f" {label}")), default=math.nan)


def evidence_table(evidence: dict[str, Any]) -> list[str]:
    """Return the lines of a table: how many of 10,000 sentences have evidence, and its precision, for each kind."""
    kinds = list(next(iter(next(iter(evidence.values())).values()))) if evidence else []
    direct = [name for name in kinds if name in KINDS]
    machine = [name for name in kinds if name not in ("human", "ht")]
    heads = [
        "evidence",
        "human, n",
        *(f"{name}, of 10,000" for name in direct),
        *(f"precision {name}" for name in machine),
    ]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for category, strengths in evidence.items():
        for strength, row in strengths.items():
            cells = [f"{category}, {strength}", str(row["human"]["n"])]
            cells += [_of_10_000(row[name]) for name in direct]
            cells += [_precision(row[name]) for name in machine]
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def category_table(strengths: dict[str, Any]) -> list[str]:
    """Return the lines of a table for one category: a line for each strength and kind of sentences."""
    lines = ["| strength | sentences of | with it | of 10,000 | precision |", "| --- | --- | --- | --- | --- |"]
    for strength, row in strengths.items():
        for name, part in row.items():
            kind = KINDS.get(name) or f"round trips, {name.partition('/')[2]}"
            counts = f"{part['n']} of {part['of']:,}"
            lines.append(f"| {strength} | {kind} | {counts} | {_of_10_000(part)} | {_precision(part)} |")
    return lines


def _of_10_000(part: dict[str, Any]) -> str:
    return f"{10_000 * part['n'] / part['of']:.1f}" if part["of"] else ""


def _precision(part: dict[str, Any]) -> str:
    return _cell(part["precision"]) if "precision" in part else ""


_TABLES: dict[str, Callable[[Any], list[str]]] = {
    "round trips": _round_trips,
    "sentences within articles": _within,
    "matched auroc": _matched,
    "sentences flagged": partial(_rates, "sentences flagged"),
    "articles called machine-translated": partial(_rates, "articles called machine-translated"),
    "evidence": evidence_table,
    "quality below 50": _low_quality,
    "quality against judgement": _judged,
    "much edited": _edited,
    "spans": _spans,
    "reliability": _reliability,
    "precision by share garbled": _worth,
    "shortcuts": _shortcuts,
}
