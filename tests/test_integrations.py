"""Five roads to the same scores: command line, datasets, Ray, Spark, datatrove; each with the real engine."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_filter import CLEAN, GARBLED, command, line

from mtdetect import Detector
from mtdetect.integrations import BatchScorer
from mtdetect.types import SCORE_TYPES
from mtdetect.writers import score_struct

# the engines warn of many things that are not ours
pytestmark = pytest.mark.filterwarnings("ignore")

PARTS = [*CLEAN.split("\n\n"), *GARBLED.split("\n\n")]
TEXTS = [
    # the first batches have nothing but nulls in some columns
    *["Too short."] * 12,
    *["\n\n".join(PARTS[i % 7 : i % 11 + 4]) for i in range(60)],
    "",
    "Der Zug fährt heute nicht, weil die Strecke gesperrt ist. " * 5,
    f"{CLEAN} \u202e\u200b\u0301",
    CLEAN,
    GARBLED,
]
ROWS = [{"id": str(i), "text": text, "n": i, "tags": [i, None]} for i, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_bytes(b"".join(line(row["text"], id=row["id"], n=row["n"], tags=row["tags"]) for row in ROWS))
    return path


@pytest.fixture(scope="module")
def expected(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The command line's scores, by id."""
    out = tmp_path_factory.mktemp("scores") / "out"
    call = command(source, "-o", out, "--min-quality", 50, "--rejects", "--workers", 2)
    subprocess.run(call, check=True, capture_output=True)
    rows = [json.loads(row) for path in out.rglob("rows.jsonl") for row in path.read_bytes().splitlines()]
    assert len(rows) == len(ROWS)
    return {row["id"]: {k: v for k, v in row["mtdetect"].items() if k != "rejected"} for row in rows}


def test_batches_of_any_size(expected: dict[str, dict[str, Any]], detector: Detector) -> None:
    scorer = BatchScorer()
    for size in (1, 7, len(ROWS)):
        scores = []
        for i in range(0, len(ROWS), size):
            batch = {"id": [row["id"] for row in ROWS[i : i + size]], "text": TEXTS[i : i + size]}
            found = scorer(batch)
            assert {name: found[name] for name in batch} == batch and list(found) == ["id", "text", "mtdetect"]
            scores += found["mtdetect"]
        assert scores == [expected[row["id"]] for row in ROWS]
    assert scores == [detector.score(text).to_dict(sentences=False) for text in TEXTS]
    assert list(scores[0]) == list(SCORE_TYPES)
    assert len(pickle.dumps(scorer)) < 500  # by name, whatever was loaded
    assert pickle.loads(pickle.dumps(scorer))({"text": [CLEAN]})["mtdetect"] == [expected[ROWS[-2]["id"]]]


def test_batches_that_can_not_be_scored() -> None:
    scorer = BatchScorer(text_field="body", key="s")
    (null,) = scorer({"body": [None]})["s"]
    assert null["quality"] is None and null["reason"] == "error: the text is NoneType, not a string"
    arrow = scorer({"body": np.array([3, None], object)})["s"]
    assert arrow.to_pylist()[0]["reason"] == "error: the text is int, not a string"
    assert scorer({"body": []})["s"] == []
    with pytest.raises(KeyError, match="the columns are text"):
        scorer({"text": [CLEAN]})
    with pytest.raises(ValueError, match="already"):
        scorer({"body": [CLEAN], "s": [1]})
    with pytest.raises(TypeError, match="dict of columns"):
        scorer([CLEAN])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no model"):
        BatchScorer("none")({"text": [CLEAN]})


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_datasets(expected: dict[str, dict[str, Any]], size: int) -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_list(ROWS)
    scorer = BatchScorer()
    options = {"batched": True, "batch_size": size, "features": scorer.features(rows.features)}
    for scored in (rows.map(scorer, **options), rows.to_iterable_dataset().map(scorer, **options)):
        found = list(scored)
        assert [{k: v for k, v in row.items() if k != "mtdetect"} for row in found] == ROWS
        assert [row["mtdetect"] for row in found] == [expected[row["id"]] for row in ROWS]
    assert rows.map(scorer, **options).filter(lambda row: (row["mtdetect"]["quality"] or 0) >= 50).num_rows > 0


def test_ray(expected: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    from pyarrow import parquet

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        rows = ray.data.from_items(ROWS)
        scored = rows.map_batches(BatchScorer, concurrency=2, num_cpus=1, batch_size=8)
        scored.write_parquet(str(tmp_path / "out"))
    finally:
        ray.shutdown()
    table = parquet.read_table(tmp_path / "out")
    assert table.schema.field("mtdetect").type == score_struct()
    found = sorted(table.to_pylist(), key=lambda row: row["n"])
    assert [row["text"] for row in found] == TEXTS
    assert [row["mtdetect"] for row in found] == [expected[row["id"]] for row in ROWS]


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
    del os.environ["PYSPARK_PYTHON"]


def test_spark(expected: dict[str, dict[str, Any]], spark: Any, tmp_path: Path) -> None:
    from mtdetect.integrations.spark import score_dataframe

    odd = "n bigint, d double, l array<int>, s struct<a: string, b: int>, t timestamp_ntz, b binary"
    values: list[tuple[Any, ...]] = [(2**60 + 1, float("nan"), [1, None], ("x", None), None, b"\x00\xff"), (None,) * 6]
    rows = [(row["id"], row["text"], *values[i % 2]) for i, row in enumerate(ROWS)] + [("null", None, *values[0])]
    frame = spark.createDataFrame(rows, f"id string, text string, {odd}").repartition(3)
    scored = score_dataframe(frame)
    assert scored.columns == [*frame.columns, "mtdetect"] and "mtdetect" not in frame.columns
    scored.write.parquet(str(tmp_path / "out"))
    assert (tmp_path / "out" / "_SUCCESS").exists()
    found = {row["id"]: row for row in spark.read.parquet(str(tmp_path / "out")).collect()}
    assert {name: row["mtdetect"].asDict() for name, row in found.items() if name != "null"} == expected
    assert found["null"]["mtdetect"]["reason"] == "error: the text is NoneType, not a string"
    for before in frame.collect():
        after = found[before["id"]]
        assert [repr(before[name]) for name in frame.columns] == [repr(after[name]) for name in frame.columns]
    with pytest.raises(ValueError, match="already"):
        score_dataframe(scored)
    with pytest.raises(ValueError, match="no column 'body'"):
        score_dataframe(frame, text_field="body")


def run_datatrove(source: Path, folder: Path, tasks: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.writers import JsonlWriter

    from mtdetect.integrations.datatrove import MTDetectFilter, SafeJsonlReader

    kept, dropped = folder / "kept", folder / "dropped"
    LocalPipelineExecutor(
        [
            SafeJsonlReader(str(source)),
            MTDetectFilter(50, exclusion_writer=JsonlWriter(str(dropped), compression=None), batch_size=5),
            JsonlWriter(str(kept), compression=None),
        ],
        tasks=tasks,
        workers=2,
        logging_dir=str(folder / "logs"),
    ).run()
    kept_rows, dropped_rows = (
        [json.loads(row) for path in sorted(place.rglob("*.jsonl")) for row in path.read_bytes().splitlines()]
        for place in (kept, dropped)
    )
    return kept_rows, dropped_rows


def test_datatrove(expected: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    source = tmp_path / "in"
    source.mkdir()
    for part in range(3):
        rows = ROWS[part::3]
        lines = b"".join(line(row["text"], id=row["id"], n=row["n"]) for row in rows)
        (source / f"{part}.jsonl").write_bytes(lines)
    kept, dropped = run_datatrove(source, tmp_path, 3)
    found = {row["id"]: row for row in kept + dropped}
    assert len(found) == len(kept) + len(dropped) == len(ROWS)
    assert {name: row["metadata"]["mtdetect"] for name, row in found.items()} == expected
    assert all(found[row["id"]].get("text", "") == row["text"] for row in ROWS)  # its writer leaves out what is empty
    assert found["3"]["metadata"]["n"] == 3
    reasons = {row["metadata"]["filter_reason"] for row in dropped}
    assert reasons >= {"quality", "not judged: too short", "not judged: not English"}
    assert all(row["metadata"]["mtdetect"]["quality"] >= 50 for row in kept)


def test_datatrove_loses_no_row(tmp_path: Path) -> None:
    pytest.importorskip("datatrove")
    import gzip

    from datatrove.pipeline.readers import JsonlReader

    source = tmp_path / "in"
    source.mkdir()
    good = line(CLEAN, id="good")
    (source / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + good + b'{"text": "\xff"}\n' + good)
    (source / "b.jsonl").write_bytes(good + line(3, id="number") + line("", id="empty") + b"{\n" + good)
    (source / "c.jsonl.gz").write_bytes(gzip.compress(good * 3)[:-20])
    kept, dropped = run_datatrove(source, tmp_path, 1)
    assert len(kept) >= 2 + 2  # and what could be read of the third
    reasons = [row["metadata"]["filter_reason"] for row in dropped]
    assert reasons.count("read_error") == 1 + 2 + 1 and reasons.count("not judged: no sentences") == 1
    errors = [row["metadata"]["read_error"] for row in dropped if "read_error" in row["metadata"]]
    assert any("not JSON" in error for error in errors) and any("truncated" in error for error in errors)
    assert any("int, not a string" in error for error in errors)
    # what the reader of datatrove makes of the same files
    theirs = list(JsonlReader(str(source), glob_pattern="a.jsonl").run())
    assert len(theirs) < 2
