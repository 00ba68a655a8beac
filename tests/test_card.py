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
    value, low, high = (re.sub(r"\b0\.", ".", f"{figure[key]:.{digits}f}") for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def test_figures_are_of_the_shipped_model(detector: Detector) -> None:
    signature = detector.score("").signature
    assert METRICS["signature"] == signature
    assert CARD.count(signature) == 1 and README.count(f"`{signature}`") == 1


def test_card_holds_the_tables_of_the_measurement() -> None:
    assert tables(METRICS).strip() in CARD


def column(metrics: dict[str, Any]) -> list[str]:
    """Return the figures of a model as they stand in the table beside those of another one."""
    matched, edited = metrics["matched auroc"], metrics["much edited"]
    figures = [matched["article"]["wmt2022"], matched["sentence"]["wmt2022"], matched["article"]["llm_mt"]]
    found = [short(figure) for figure in figures]
    for name in ("apertium/epo", "apertium/hbs"):
        trips = metrics["round trips"][name]
        found += [short(trips[f"{kind} auroc"]) for kind in ("article", "quality", "sentence")]
        found += [
            short(metrics["sentences within articles"][name]["sentence auroc"]),
            percent(trips["quality below 50"], 1),
        ]
    for rows, label in (("quality below 50", "human"), ("sentences flagged", "human"), ("sentences flagged", "ht")):
        of = [row for name, row in metrics[rows].items() if name.endswith(f" {label}")]
        worst = max((row.get("fpr_1", row) for row in of), key=lambda row: row["value"])
        found.append(percent(worst, 2))
    found += [short(edited["all pairs"]), short(edited["mean over pairs"])]
    found += [short(metrics["spans"][source]["matthews"]) for source in ("mlqe_pe", "mqm")]
    judged = metrics["quality against judgement"]
    return [*found, short(judged["mlqe-da mean"]), short(judged["sentence"]["mqm zh-en"])]


def percent(figure: dict[str, Any], digits: int) -> str:
    value, low, high = (f"{100 * figure[key]:.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} % [{low}, {high}]"


def test_figures_of_the_accurate_model_are_its_own() -> None:
    pytest.importorskip("onnxruntime")
    folder = model_folder("accurate")
    metrics: dict[str, Any] = orjson.loads((folder / "metrics.json").read_bytes())
    card = (folder / "README.md").read_text("utf-8")
    assert metrics["signature"] == Detector.from_pretrained("accurate").score("").signature
    assert tables(metrics).strip() in card
    section = README[README.index("### The `accurate` model") : README.index("## Beside what people use")]
    beside: dict[str, Any] = orjson.loads((ROOT / "tests" / "benchmarks" / "fast-beside-accurate.json").read_bytes())
    assert beside["signature"] == METRICS["signature"] and f"`{metrics['signature']}`" in section
    expected = list(zip(column(metrics), column(beside), strict=True))
    for text in (card, section):
        rows = re.search(r"^\| figure \(dev\) \|.*\n\|[ -|]*\n((?:\|.*\n)*)", text, re.MULTILINE)
        assert rows
        assert [tuple(row.strip("| ").split(" | ")[-2:]) for row in rows[1].splitlines()] == expected
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
