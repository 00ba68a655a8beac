"""What the shipped models must reach: python tests/floors.py [DATA] writes quality_floor.json.

All figures are shares or areas between 0 and 1 of which more is better. Each has what this model reaches, which must
not move, and a floor: the lower end of the 95 % interval of the best model so far. The next model is to reach it, and
a floor never goes down. (A floor at the figure itself would be broken by half the figures of an equally good model.)
The accurate model is measured on what the project ships alone.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mtdetect import Detector
from mtdetect.evaluate import evaluate
from mtdetect.summary import wilson

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "quality_floor.json"
TRIPS = ROOT / "tests" / "pairs" / "sample.parquet"
SHIPPED = ("notebooks/articles", "tests/imitations", "tests/pairs")  # and the cases: a new one is no other measure
DEV = ("articles_dev.parquet", "judgements_dev.parquet", "spans_dev.parquet")
POINTS = ("fpr_0.1", "fpr_1", "fpr_5")


def digest(*paths: Path) -> str:
    """Return a digest of files and of all files below folders."""
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()[:16]


Figure = tuple[float, float]
"""What is reached, and the lower end of its 95 % interval."""


def _share(hits: Sequence[bool] | NDArray[np.bool_]) -> Figure:
    n, of = int(np.sum(hits)), len(hits)
    return n / of, wilson(n, of)["low"]


def _without(row: dict[str, Any]) -> Figure:
    """Return the share of texts that something is not true of; where it never was, chance is not nothing."""
    return 1 - row["value"], min(1 - row["high"], wilson(round((1 - row["value"]) * row["n"]), row["n"])["low"])


def _reached(row: dict[str, Any]) -> Figure:
    return row["value"], row["low"]


def shipped_figures(detector: Detector) -> dict[str, Figure]:
    """Measure on what the project ships: its own articles, imitations, round trips, cases."""
    found: dict[str, Figure] = {}
    for name, row in evaluate(detector, None, [TRIPS])["round trips"].items():
        for kind in ("article", "quality", "sentence"):
            found[f"{name}, {kind} AUROC"] = _reached(row[f"{kind} auroc"])
        found[f"{name}, quality below 50"] = _reached(row["quality below 50"])
    for folder in ("notebooks/articles/clean", "tests/imitations/non-native", "tests/imitations/simplified"):
        articles = [detector.score(path.read_text("utf-8")) for path in sorted((ROOT / folder).glob("*.txt"))]
        quality = np.array([article.quality for article in articles], float)
        found[f"{folder}, quality from 50 on"] = _share(quality >= 50)
        spread = 1.96 * quality.std(ddof=1) / len(quality) ** 0.5
        found[f"{folder}, mean quality / 100"] = quality.mean() / 100, (quality.mean() - spread) / 100
        for point in POINTS:
            flagged = [s.flagged for article in articles for s in article.at(point).sentences]
            found[f"{folder}, sentences not flagged, {point}"] = _share(~np.array(flagged))
    for path in sorted((ROOT / "tests" / "cases").glob("*.json")):
        cases = orjson.loads(path.read_bytes())
        if isinstance(cases, dict):  # made to be found: chance has no part in it
            share = _found(detector, path.stem, cases["positive"], ("strong", "weak"))
            found[f"{path.stem}, positive cases found"] = share, share
            share = 1 - _found(detector, path.stem, cases["negative"], ("strong",))
            found[f"{path.stem}, negative cases let go"] = share, share
    return _rounded(found)


def _rounded(figures: dict[str, Figure]) -> dict[str, Figure]:
    return {name: (round(float(value), 4), round(float(low), 4)) for name, (value, low) in figures.items()}


def _found(detector: Detector, category: str, cases: list[dict[str, Any]], strengths: tuple[str, ...]) -> float:
    hits = []
    for case in cases:
        article = detector.score(case["text"])
        evidence = [item for sentence in article.sentences for item in sentence.evidence]
        evidence += [*article.residue, *article.encoding_damage]
        hits.append(any(item.category == category and item.strength in (*strengths, "context") for item in evidence))
    return float(np.mean(hits))


def dev_figures(metrics: dict[str, Any]) -> dict[str, Figure]:
    """Take the figures of the dev split from what `evaluate` measured, round trips apart: they are not shared data."""
    found: dict[str, Figure] = {}
    for level, by_source in metrics["matched auroc"].items():
        found |= {f"{name}, matched {level} AUROC": _reached(figure) for name, figure in by_source.items()}
    for key in ("sentences flagged", "articles called machine-translated"):
        for name, row in metrics[key].items():
            if not name.endswith(" mt"):
                found |= {f"{name}, not among {key}, {point}": _without(row[point]) for point in POINTS}
    for name, row in metrics["quality below 50"].items():
        if not name.endswith(" mt"):
            found[f"{name}, quality from 50 on"] = _without(row)
    judged = metrics["quality against judgement"]
    found |= {f"{name}, quality against judgement": _reached(row) for name, row in judged["sentence"].items()}
    for source, row in metrics["spans"].items():
        found[f"{source}, precision of spans"] = _reached(row["precision"])
    return _rounded(found)


def raised(reached: dict[str, Figure], old: dict[str, Any]) -> dict[str, list[float]]:
    """Return what is reached with its floors, none lower than before; fail where one is missed."""
    missed = {
        name: (reached.get(name, (-1, -1))[0], was[1])
        for name, was in old.items()
        if name not in reached or reached[name][0] < was[1]
    }
    if missed:
        raise SystemExit(f"below the floor (figure, floor): {missed}")
    return {name: [value, max(low, old.get(name, (0, 0))[1])] for name, (value, low) in reached.items()}


def main(data: Path | None) -> None:
    """Write what is reached; fail where a floor of the same data is missed."""
    detector, accurate = (Detector.from_pretrained(name) for name in ("fast", "accurate"))
    old: dict[str, Any] = orjson.loads(FILE.read_bytes()) if FILE.exists() else {}
    new: dict[str, Any] = {
        name: one.score("").signature.split("|")[1] for name, one in (("model", detector), ("accurate model", accurate))
    }
    shipped = [ROOT / name for name in SHIPPED]
    for part, files, figures in (
        ("shipped", shipped, lambda: shipped_figures(detector)),
        ("accurate", shipped, lambda: shipped_figures(accurate)),
        ("dev", [data / name for name in DEV] if data else None, lambda: dev_figures(evaluate(detector, data))),
    ):
        if files is None:
            new[part] = old[part]
            continue
        was = old.get(part, {})
        same = was.get("data") == digest(*files)
        new[part] = {"data": digest(*files), "figures": raised(figures(), was["figures"] if same else {})}
    FILE.write_bytes(orjson.dumps(new, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
