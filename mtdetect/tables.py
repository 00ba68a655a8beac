"""The figures of a model as Markdown tables."""

from __future__ import annotations

import math
from typing import Any

__all__ = ["KINDS", "category_table", "evidence_table", "tables", "worst_rate"]

KINDS = {"human": "news by people", "ht": "translations by people", "mt": "translations by machines"}


def _cell(figure: dict[str, Any], percent: bool = False) -> str:
    factor, digits = (100, 2) if percent else (1, 3)
    value, low, high = (f"{factor * figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def tables(metrics: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    lines = [f"signature: `{metrics['signature']}`"]
    if metrics["round trips"]:
        lines += [
            "",
            "| round trips | n | article AUROC | by quality | sentence AUROC | quality below 50, % | originals, % |",
        ]
        lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
        for name, row in metrics["round trips"].items():
            shown = [_cell(row[f"{kind} auroc"]) for kind in ("article", "quality", "sentence")]
            shown += [_cell(row[key], percent=True) for key in ("quality below 50", "originals below 50")]
            lines.append(f"| {name} | {row['articles']} | {' | '.join(shown)} |")
    if "matched auroc" not in metrics:
        return "\n".join(lines)
    lines += ["", "| matched AUROC | article | sentence |", "| --- | --- | --- |"]
    for name, figure in metrics["matched auroc"]["article"].items():
        if figure:
            lines.append(f"| {name} | {_cell(figure)} | {_cell(metrics['matched auroc']['sentence'][name])} |")
    for key in ("sentences flagged", "articles called machine-translated"):
        rates = metrics[key]
        points = list(next(iter(rates.values())))
        lines += ["", f"| {key}, % | {' | '.join(points)} | n |", "| --- " * (len(points) + 2) + "|"]
        for name, row in rates.items():
            cells = " | ".join(_cell(row[point], percent=True) for point in points)
            lines.append(f"| {name} | {cells} | {row[points[0]]['n']} |")
        worst = [f"{100 * worst_rate(rates, 'human', point):.2f}" for point in points]
        lines.append(f"| worst human source | {' | '.join(worst)} | |")
    lines += ["", *evidence_table(metrics["evidence"])]
    lines += ["", "| articles | quality below 50, % | median | n | not judged |", "| --- | --- | --- | --- | --- |"]
    for name, rate in metrics["quality below 50"].items():
        lines.append(
            f"| {name} | {_cell(rate, percent=True)} | {rate['median']} | {rate['n']} | {rate['not judged']} |"
        )
    judged = metrics["quality against judgement"]
    lines += ["", "| quality against human judgement | Spearman | n |", "| --- | --- | --- |"]
    lines += [f"| {name} | {_cell(figure)} | {figure['n']} |" for name, figure in judged["sentence"].items()]
    lines.append(f"| mean over mlqe-da pairs | {judged['mlqe-da mean']:.3f} | |")
    lines += ["", "| evidence spans, characters | Matthews | precision | recall |", "| --- | --- | --- | --- |"]
    for name, figures in metrics["spans"].items():
        lines.append(f"| {name} | {' | '.join(_cell(figures[key]) for key in ('matthews', 'precision', 'recall'))} |")
    return "\n".join(lines)


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
