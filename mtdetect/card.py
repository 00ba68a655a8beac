"""What a model is, in lines for people: its card, its categories, its operating points and how they were measured."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import Any

import orjson

from mtdetect.accurate import AccurateClassifier, load_model
from mtdetect.categories import CATEGORIES
from mtdetect.classifier import FastClassifier
from mtdetect.tables import KINDS, worst_rate

__all__ = ["lines_about"]

_WIDTH = 100


def lines_about(folder: Path) -> list[str]:
    """Return what ``mtdetect info`` says of a model.

    Parameters
    ----------
    folder : Path
        The model. What its ``README.md`` and ``metrics.json`` could tell is left out if they are not there.

    Raises
    ------
    ModelError
        If the model can't be loaded.
    """
    loaded = load_model(folder)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    lines = [f"{loaded.config['name']}@{loaded.digest}, {size / 1e6:.1f} MB, in {folder}"]
    lines += ["", *_summary(folder / "README.md")]
    lines += [
        "",
        "operating points (--fpr), and the mt_score from which on a sentence is flagged, or an article called",
    ]
    lines += ["machine-translated:"]
    for point in loaded.points.values():
        share = float(point.name.removeprefix("fpr_")) / 100
        lines.append(f"  {point.name:8} --fpr {share:<6g} sentence {point.sentence:.3f}  article {point.article:.3f}")
    lines += _measured(folder / "metrics.json", loaded)
    lines += ["", "categories of evidence (--ignore, --only):"]
    for name, category in CATEGORIES.items():
        lines.append(f"  {name:21} {', '.join(category.strengths):13} {category.what}")
    lines += ["", "training:"]
    for name, value in loaded.config["training"].items():
        entries = value.items() if isinstance(value, dict) else [(name, value)]
        lines += [f"  {key}: {entry}" for key, entry in entries]
    return lines


def _summary(card: Path) -> list[str]:
    """Return the first paragraph of a card, and its intended use."""
    try:
        blocks = card.read_text("utf-8").split("\n\n")
    except (OSError, UnicodeDecodeError):
        return [f"no card: {card} can't be read"]
    shown = [block for block in blocks if block.strip() and not block.startswith("#")][:2]
    plain = [" ".join(block.replace("**", "").split()) for block in shown]
    return [line for block in plain for line in textwrap.wrap(block, _WIDTH)]


def _measured(path: Path, model: FastClassifier | AccurateClassifier) -> list[str]:
    """Return the measured rates of the operating points, in percent, of the worst source."""
    try:
        metrics: Any = orjson.loads(path.read_bytes())
        measured = f"|model:{model.config['name']}@{model.digest}|" in metrics["signature"]
        if not measured:
            return [f"  {path} holds the figures of another model"]
        lines = []
        if "sentences flagged" in metrics:
            lines += ["  measured on the dev split, percent, the source with the highest rate:"]
            lines.append(f"  {'':8} {'sentences flagged':^27} {'articles called':^27}")
            lines.append(f"  {'':8} " + " ".join([f"{'human':>8} {'ht':>9} {'mt':>8}"] * 2))
            for point in model.points:
                cells = []
                for key in ("sentences flagged", "articles called machine-translated"):
                    for label, width in (("human", 8), ("ht", 9), ("mt", 8)):
                        rate = worst_rate(metrics[key], label, point)
                        cells.append(f"{'–' if math.isnan(rate) else f'{100 * rate:.2f}':>{width}}")
                lines.append(f"  {point:8} {' '.join(cells)}")
            lines.append("  " + "; ".join(f"{label}: {words}" for label, words in KINDS.items()))
        if metrics["round trips"]:
            lines += ["", "round trips against their originals, AUROC:"]
        for name, row in metrics["round trips"].items():
            areas = (f"{level}s {row[f'{level} auroc']['value']:.3f}" for level in ("article", "sentence"))
            lines.append(f"  {name:14} {', '.join(areas)}")
    except OSError:
        return ["  not measured: mtdetect evaluate has not been run"]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return [f"  {path} can't be read"]
    return lines
