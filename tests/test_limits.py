"""What is too long or takes too long is an error, and the next one is served."""

from __future__ import annotations

import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import orjson
import pytest
from linear import assert_linear

from mtdetect import Detector
from mtdetect.corpus import read_records
from mtdetect.filter import Rule, filter_corpus
from mtdetect.pages import read_page
from mtdetect.report import article_page

PROSE = (
    "The council voted on Tuesday to close the old bridge until the spring, and nobody asked the fishermen why. " * 4
)
GOOD = f"<html><body><article><h1>Bridge to close</h1><p>{PROSE}</p></article></body></html>"
SLOW = f"<html><body><article>{'<p>a' * 90_000}<p>{PROSE}</p></article></body></html>"


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
    records = list(read_records([folder], timeout=3, max_chars=2000))
    assert time.perf_counter() - begin < 30
    errors = [record.error for record in records]
    assert errors == [None, "took more than 3 seconds", None, f"too long: {len(PROSE * 30)} characters, at most 2000"]
    assert [record.text is None for record in records] == [False, True, False, True]
    assert records[1].raw is None
    assert records[0].title == "Bridge to close"


@pytest.mark.parametrize("workers", [1, 2])
def test_filter_stops_a_page_that_takes_too_long(
    folder: Path, detector: Detector, tmp_path: Path, workers: int
) -> None:
    manifest = filter_corpus(
        [folder], tmp_path / "out", Rule(min_quality=10), detector, workers=workers, timeout=3, max_chars=2000
    )
    assert (manifest["n_in"], manifest["n_kept"], manifest["n_errors"]) == (4, 2, 2)
    rows = [orjson.loads(line) for line in (tmp_path / "out" / "errors.jsonl").read_bytes().splitlines()]
    assert [row["reason"].split(":")[0] for row in rows] == ["took more than 3 seconds", "too long"]


def test_what_takes_time_to_import_is_not_held_against_the_first_page(detector: Detector, tmp_path: Path) -> None:
    code = "import time; start = time.perf_counter(); import trafilatura; print(time.perf_counter() - start)"
    took = float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    (tmp_path / "1.html").write_text(GOOD, "utf-8")
    (record,) = read_records([tmp_path], timeout=0.75 * took)
    assert record.error is None
    rule = Rule(min_quality=10)
    manifest = filter_corpus([tmp_path / "1.html"], tmp_path / "out", rule, detector, timeout=0.75 * took)
    assert manifest["n_kept"] == 1


def test_reader_refuses_a_page_of_too_many_tags() -> None:
    page = read_page(f"<html><body>{'<p>a' * 2_000_000}<p>{PROSE}</p></body></html>".encode(), html=True)
    assert (page.text, page.error) == (None, "too many tags: 2000006, at most 100000")


def test_score_stops_a_text_that_takes_too_long(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text(PROSE, "utf-8")
    (tmp_path / "2.txt").write_text("\n\n".join(f"{i} {PROSE}" for i in range(40_000)), "utf-8")  # 18 MB
    (tmp_path / "3.txt").write_text(f"3 {PROSE}", "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "mtdetect", "score", "--timeout", "1", tmp_path], capture_output=True, check=False
    )
    rows = [orjson.loads(line) for line in ran.stdout.splitlines()]
    assert [row["reason"] for row in rows] == [None, "error: took more than 1 seconds", None]
    alone = subprocess.run(
        [sys.executable, "-m", "mtdetect", "score", tmp_path / "3.txt"], capture_output=True, check=True
    )
    assert rows[2]["sentences"] == orjson.loads(alone.stdout)["sentences"]
    assert ran.returncode == 0 and b"1 of 3 records could not be read" in ran.stderr


def test_options(folder: Path) -> None:
    def score(*options: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "mtdetect", "score", *options, folder], capture_output=True, check=False
        )

    ran = score("--max-chars", "2000", "--timeout", "3")
    rows = [orjson.loads(line) for line in ran.stdout.splitlines()]
    assert rows[1]["reason"] == "error: took more than 3 seconds"
    assert [row["quality"] is None for row in rows] == [False, True, False, True]
    assert ran.returncode == 0 and b"2 of 4 records could not be read" in ran.stderr
    for options in (["--timeout", "0"], ["--timeout", "-1"], ["--max-chars", "0"], ["--timeout", "x"]):
        refused = score(*options)
        assert refused.returncode == 2 and refused.stderr.count(b"\n") == 1 and options[0].encode() in refused.stderr


# what scrapers' pages are filled with, on purpose or by accident
HOSTILE = {
    "spaces": " ",
    "dots": ".",
    "dots and spaces": ". ",
    "abbreviations": "Mr. ",
    "quotes": "“",
    "brackets": "(",
    "zero-width joiners": "\u200d",
    "combining marks": "e\u0301",
    "digits": "7",
    "newlines": "\n",
    "no spaces": "a",
    "bidi marks": "\u202e",
}
TAGS = {
    "deep nesting": "<div>",
    "giant colspans": "<table><tr><td colspan=999999>x",
    "attributes": "<p a=1>",
    "br": "<br>a",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
def test_score_filter_pages_and_reports_take_linear_time(detector: Detector, tmp_path: Path, unit: str) -> None:
    """The rules alone, and the splitter, are in test_artifacts and test_text."""
    runs = count()

    def filtered(text: str) -> None:
        folder = tmp_path / str(next(runs))
        folder.mkdir()
        (folder / "in.jsonl").write_bytes(orjson.dumps({"text": text}) + b"\n")
        assert filter_corpus([folder / "in.jsonl"], folder / "out", Rule(min_quality=50), detector)["n_in"] == 1

    assert_linear(detector.score, unit, prefix=PROSE)
    assert_linear(filtered, unit, prefix=PROSE)
    assert_linear(lambda text: read_page(f"<html><p>{PROSE}<p>{text}</html>".encode(), html=True), unit)
    assert_linear(lambda text: article_page(detector.score(text), name="a"), unit, prefix=PROSE)


@pytest.mark.parametrize("unit", TAGS.values(), ids=TAGS)
def test_tags_take_linear_time(unit: str) -> None:
    def read(tags: str) -> None:
        page = read_page(f"<html><body><p>{PROSE}</p>{tags}</body></html>".encode(), html=True)
        assert page.text is None or "fishermen" in page.text

    assert_linear(read, unit, within=5)  # 2 on an idle core; on a busy one of 2021, 3.5 were seen
