"""What the shipped model must reach: python tests/floors.py [DATA] raises quality_floor.json to what it reaches now.

All figures are shares or areas between 0 and 1 of which more is better. A floor never goes down.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from mtdetect import Detector
from mtdetect.evaluate import evaluate

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "quality_floor.json"
TRIPS = ROOT / "tests" / "pairs" / "sample.parquet"
SHIPPED = ("notebooks/articles", "tests/imitations", "tests/cases", "tests/pairs")
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


def shipped_figures(detector: Detector) -> dict[str, float]:
    """Measure on what the project ships: its own articles, imitations, round trips, cases."""
    found: dict[str, float] = {}
    for name, row in evaluate(detector, None, [TRIPS])["round trips"].items():
        for kind in ("article", "quality", "sentence"):
            found[f"{name}, {kind} AUROC"] = row[f"{kind} auroc"]["value"]
        found[f"{name}, quality below 50"] = row["quality below 50"]["value"]
    for folder in ("notebooks/articles/clean", "tests/imitations/non-native", "tests/imitations/simplified"):
        articles = [detector.score(path.read_text("utf-8")) for path in sorted((ROOT / folder).glob("*.txt"))]
        quality = np.array([article.quality for article in articles], float)
        found[f"{folder}, quality from 50 on"] = float((quality >= 50).mean())
        found[f"{folder}, mean quality / 100"] = float(quality.mean() / 100)
        for point in POINTS:
            flagged = [s.flagged for article in articles for s in article.at(point).sentences]
            found[f"{folder}, sentences not flagged, {point}"] = 1 - float(np.mean(flagged))
    for path in sorted((ROOT / "tests" / "cases").glob("*.json")):
        cases = orjson.loads(path.read_bytes())
        if isinstance(cases, dict):
            found[f"{path.stem}, positive cases found"] = _share(
                detector, path.stem, cases["positive"], ("strong", "weak")
            )
            found[f"{path.stem}, negative cases let go"] = 1 - _share(
                detector, path.stem, cases["negative"], ("strong",)
            )
    return {name: round(value, 4) for name, value in found.items()}


def _share(detector: Detector, category: str, cases: list[dict[str, Any]], strengths: tuple[str, ...]) -> float:
    hits = []
    for case in cases:
        article = detector.score(case["text"])
        evidence = [item for sentence in article.sentences for item in sentence.evidence] + list(article.residue)
        hits.append(any(item.category == category and item.strength in (*strengths, "context") for item in evidence))
    return float(np.mean(hits))


def dev_figures(detector: Detector, data: Path) -> dict[str, float]:
    """Measure on the dev split, round trips apart: they are not shared data."""
    metrics = evaluate(detector, data)
    found: dict[str, float] = {}
    for level, by_source in metrics["matched auroc"].items():
        found |= {f"{name}, matched {level} AUROC": figure["value"] for name, figure in by_source.items()}
    for key in ("sentences flagged", "articles called machine-translated"):
        for name, row in metrics[key].items():
            if not name.endswith(" mt"):
                found |= {f"{name}, not among {key}, {point}": 1 - row[point]["value"] for point in POINTS}
    for name, row in metrics["quality below 50"].items():
        if not name.endswith(" mt"):
            found[f"{name}, quality from 50 on"] = 1 - row["value"]
    judged = metrics["quality against judgement"]
    found |= {f"{name}, quality against judgement": row["value"] for name, row in judged["sentence"].items()}
    for source, row in metrics["spans"].items():
        found[f"{source}, precision of spans"] = row["precision"]["value"]
    return {name: round(value, 4) for name, value in found.items()}


def main(data: Path | None) -> None:
    """Raise the floors to what is reached; fail where a floor of the same data is missed."""
    detector = Detector.from_pretrained("fast")
    old: dict[str, Any] = orjson.loads(FILE.read_bytes()) if FILE.exists() else {}
    new = {"model": detector.score("").signature.split("|")[1]}
    for part, files, figures in (
        ("shipped", [ROOT / name for name in SHIPPED], lambda: shipped_figures(detector)),
        ("dev", [data / name for name in DEV] if data else None, lambda: dev_figures(detector, data or Path())),
    ):
        if files is None:
            new[part] = old[part]
            continue
        reached = {"data": digest(*files), "floors": figures()}
        if old.get(part, {}).get("data") == reached["data"]:
            lower = {k: v for k, v in old[part]["floors"].items() if reached["floors"].get(k, -1) < v}
            if lower:
                raise SystemExit(f"{part}: below the floor: {lower}")
        new[part] = reached
    FILE.write_bytes(orjson.dumps(new, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
