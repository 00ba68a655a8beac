"""What is too long or takes too long is an error, and the next one is served."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from mtdetect import Detector
from mtdetect.corpus import read_records
from mtdetect.filter import Rule, filter_corpus

PROSE = (
    "The council voted on Tuesday to close the old bridge until the spring, and nobody asked the fishermen why. " * 4
)
GOOD = f"<html><body><article><h1>Bridge to close</h1><p>{PROSE}</p></article></body></html>"
SLOW = f"<html><body><article>{'<b>x</b>' * 200_000}<p>{PROSE}</p></article></body></html>"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pages = tmp_path / "pages"
    pages.mkdir()
    for name, page in (("1.html", GOOD), ("2.html", SLOW), ("3.html", GOOD)):
        (pages / name).write_text(page, "utf-8")
    (pages / "4.txt").write_text(PROSE * 30, "utf-8")
    return pages


def test_reader_stops_a_page_that_takes_too_long(folder: Path) -> None:
    begin = time.perf_counter()
    records = list(read_records([folder], timeout=1, max_chars=2000))
    assert time.perf_counter() - begin < 30
    errors = [record.error for record in records]
    assert errors == [None, "took more than 1 seconds", None, f"too long: {len(PROSE * 30)} characters, at most 2000"]
    assert [record.text is None for record in records] == [False, True, False, True]
    assert records[0].title == "Bridge to close"


@pytest.mark.parametrize("workers", [1, 2])
def test_filter_stops_a_page_that_takes_too_long(
    folder: Path, detector: Detector, tmp_path: Path, workers: int
) -> None:
    manifest = filter_corpus(
        [folder], tmp_path / "out", Rule(min_quality=10), detector, workers=workers, timeout=1, max_chars=2000
    )
    assert (manifest["n_in"], manifest["n_kept"], manifest["n_errors"]) == (4, 2, 2)
    rows = [orjson.loads(line) for line in (tmp_path / "out" / "errors.jsonl").read_bytes().splitlines()]
    assert [row["reason"].split(":")[0] for row in rows] == ["took more than 1 seconds", "too long"]


def test_options(folder: Path) -> None:
    def score(*options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "mtdetect", "score", *options, folder], capture_output=True, check=False
        )

    ran = score("--max-chars", "2000", "--timeout", "1")
    rows = [orjson.loads(line) for line in ran.stdout.splitlines()]
    assert rows[1]["reason"] == "error: took more than 1 seconds"
    assert [row["quality"] is None for row in rows] == [False, True, False, True]
    assert ran.returncode == 0 and b"2 of 4 records could not be read" in ran.stderr
    for options in (["--timeout", "0"], ["--timeout", "-1"], ["--max-chars", "0"], ["--timeout", "x"]):
        refused = score(*options)
        assert refused.returncode == 2 and refused.stderr.count(b"\n") == 1 and options[0].encode() in refused.stderr
