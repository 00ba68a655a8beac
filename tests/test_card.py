"""The card and the README hold the figures that were measured, none made up and none left behind."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from mtdetect import Detector
from mtdetect.classifier import model_folder
from mtdetect.tables import matrix_table, tables

ROOT = Path(__file__).parents[1]
FOLDER = model_folder("fast")
CARD = (FOLDER / "README.md").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
METRICS: dict[str, Any] = orjson.loads((FOLDER / "metrics.json").read_bytes())


def short(figure: dict[str, Any], digits: int = 3) -> str:
    """Write a figure as the README does: “.749 [.734, .765]”."""
    value, low, high = (f"{figure[key]:.{digits}f}".removeprefix("0") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def test_figures_are_of_the_shipped_model(detector: Detector) -> None:
    signature = detector.score("").signature
    assert METRICS["signature"] == signature
    assert CARD.count(signature) == 1 and README.count(f"`{signature}`") == 1


def test_card_holds_the_tables_of_the_measurement() -> None:
    assert tables(METRICS).strip() in CARD


def test_figures_of_the_accurate_model_are_its_own() -> None:
    pytest.importorskip("onnxruntime")
    folder = model_folder("accurate")
    metrics: dict[str, Any] = orjson.loads((folder / "metrics.json").read_bytes())
    card = (folder / "README.md").read_text("utf-8")
    assert metrics["signature"] == Detector.from_pretrained("accurate").score("").signature
    assert tables(metrics).strip() in card
    section = README[README.index("### The `accurate` model") : README.index("## Beside what people use")]
    matched, trips = metrics["matched auroc"], metrics["round trips"]
    figures = [matched[level][source] for level, source in (("article", "wmt2022"), ("sentence", "wmt2022"))]
    figures += [
        matched["article"]["llm_mt"],
        metrics["much edited"]["all pairs"],
        metrics["much edited"]["mean over pairs"],
    ]
    figures += [metrics["spans"][source]["matthews"] for source in ("mlqe_pe", "mqm")]
    figures += [
        trips[f"apertium/{p}"][f"{k} auroc"] for p in ("epo", "hbs") for k in ("article", "quality", "sentence")
    ]
    for figure in figures:
        assert short(figure) in section and short(figure) in card
    assert f"`{metrics['signature']}`" in section
    for row in map(orjson.loads, (ROOT / "tests" / "benchmarks" / "ablations.jsonl").read_bytes().splitlines()):
        (shown,) = (line for line in card.splitlines() if line.startswith(f"| {row['variant']} |"))
        figures = [row[name] for name in ("wmt2022 article", "epo sentence", "hbs sentence", "mlqe-da Spearman")]
        cells = shown.strip("| ").split(" | ")[1:]
        assert all(cell == "–" or float(cell) == figure for cell, figure in zip(cells, figures, strict=True))


def test_readme_holds_the_figures_of_the_measurement() -> None:
    section = README[README.index("## How good is it?") : README.index("## Beside what people use")]
    matched, trips = METRICS["matched auroc"], METRICS["round trips"]
    for figure in (
        *(matched["article"][source] for source in ("wmt2022", "llm_mt")),
        matched["sentence"]["wmt2022"],
        *(
            trips[f"apertium/{pivot}"][f"{kind} auroc"]
            for pivot in ("epo", "hbs")
            for kind in ("article", "quality", "sentence")
        ),
    ):
        assert short(figure) in section
    for name, rows in (("sentences flagged", METRICS["sentences flagged"]), ("", METRICS["quality below 50"])):
        worst = max(
            (row["fpr_1"] if name else row for key, row in rows.items() if key.endswith(" human")),
            key=lambda row: row["value"],
        )
        percent = {key: 100 * worst[key] for key in ("value", "low", "high")}
        assert f"{percent['value']:.2f} % [{percent['low']:.2f}, {percent['high']:.2f}]" in section
    for pivot in ("epo", "hbs"):
        assert f"{100 * trips[f'apertium/{pivot}']['quality below 50']['value']:.0f} %" in section


def test_peers_are_those_of_the_run() -> None:
    pytest.importorskip("scipy")
    sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
    try:
        import peers
    finally:
        sys.path.pop(0)
    found = orjson.loads((ROOT / "tests" / "benchmarks" / "peers.json").read_bytes())
    assert peers.tables(found).strip() in CARD
    section = README[README.index("## Beside what people use") :]
    for peer in ("mt_score", "quality", "n-gram SVM", "KenLM perplexity", "Harper lints", "slop-guard"):
        for figure in (of["article"] for of in found["peers"][peer]["matched"].values()):
            assert short(figure).replace("1.000", "1.00") in section, (peer, figure)
    assert found["costs"]["mtdetect"]["version"] in METRICS["signature"].split("|")


def test_matrices_are_those_of_the_run() -> None:
    for path in sorted((ROOT / "tests" / "benchmarks").glob("matrix-*.json")):
        kind = path.stem.removeprefix("matrix-")
        assert "\n".join(matrix_table(kind, orjson.loads(path.read_bytes()))).strip() in CARD
        assert re.search(rf"^\| {kind}: trained without", CARD, re.MULTILINE)
