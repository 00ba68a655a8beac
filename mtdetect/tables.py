"""The figures of a model as Markdown tables."""

from __future__ import annotations

from typing import Any

__all__ = ["evidence_table", "tables"]


def _cell(figure: dict[str, Any], percent: bool = False) -> str:
    factor, digits = (100, 2) if percent else (1, 3)
    value, low, high = (f"{factor * figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def tables(metrics: dict[str, Any]) -> str:
    """Return the figures as Markdown tables."""
    lines = [
        f"signature: `{metrics['signature']}`",
        "",
        "| matched AUROC | article | sentence |",
        "| --- | --- | --- |",
    ]
    for name, figure in metrics["matched auroc"]["article"].items():
        if figure:
            lines.append(f"| {name} | {_cell(figure)} | {_cell(metrics['matched auroc']['sentence'][name])} |")
    if metrics["round trips"]:
        lines += [
            "",
            "| round trips | articles | article AUROC | sentence AUROC | quality below 50, % | originals, % |",
        ]
        lines += ["| --- | --- | --- | --- | --- | --- |"]
        for name, row in metrics["round trips"].items():
            shown = [_cell(row["article auroc"]), _cell(row["sentence auroc"])]
            shown += [_cell(row[key], percent=True) for key in ("quality below 50", "originals below 50")]
            lines.append(f"| {name} | {row['articles']} | {' | '.join(shown)} |")
    flags = metrics["sentences flagged"]
    points = list(next(iter(flags.values())))
    lines += ["", f"| sentences flagged, % | {' | '.join(points)} | n |", "| --- " * (len(points) + 2) + "|"]
    for name, rates in flags.items():
        cells = " | ".join(_cell(rates[point], percent=True) for point in points)
        lines.append(f"| {name} | {cells} | {rates[points[0]]['n']} |")
    human = [rates for name, rates in flags.items() if name.endswith(" human")]
    worst = [f"{100 * max(rates[point]['value'] for rates in human):.2f}" for point in points]
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


def evidence_table(evidence: dict[str, Any]) -> list[str]:
    """Return the lines of a table: sentences with evidence per 10,000 of each kind, and its precision."""
    kinds = list(next(iter(next(iter(evidence.values())).values()))) if evidence else []
    trips = [name for name in kinds if "/" in name]
    heads = ["evidence", "strength", "human, n", *(f"{name}, per 10,000" for name in ("human", "ht", "mt", *trips))]
    heads += ["precision " + name for name in ("mt", *trips)]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for category, strengths in evidence.items():
        for strength, row in strengths.items():
            cells = [category, strength, str(row["human"].get("n", ""))]
            shares = [row[name].get("value") for name in ("human", "ht", "mt", *trips)]
            cells += ["" if share is None else f"{10_000 * share:.1f}" for share in shares]
            cells += [_cell(row[name]["precision"]) if "precision" in row[name] else "" for name in ("mt", *trips)]
            lines.append(f"| {' | '.join(cells)} |")
    return lines
