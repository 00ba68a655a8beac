"""Filter: each form of input comes back in its form, and whatever is wrong with it, the counts reconcile."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from test_filter import CLEAN, GARBLED, command, line, packed, snapshot, unpacked

from mtdetect import Detector
from mtdetect.corpus import InputError
from mtdetect.filter import KEY, Rule, filter_corpus
from mtdetect.writers import score_struct

COUNTS = ("n_in", "n_kept", "n_rejected", "n_errors", "n_other")


def counts(manifest: dict[str, Any]) -> list[int]:
    return [manifest[name] for name in COUNTS]


def errors(out: Path) -> list[dict[str, Any]]:
    return [json.loads(row) for row in (out / "errors.jsonl").read_bytes().splitlines()]


def summary(detector: Detector, text: str) -> dict[str, Any]:
    return detector.score(text).to_dict(sentences=False)


# Parquet


def table(texts: list[Any], **columns: Any) -> pyarrow.Table:
    n = len(texts)
    return pyarrow.table({"id": list(range(n)), "text": texts, **{k: v * n for k, v in columns.items()}})


def test_parquet_keeps_its_columns_and_types(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.parquet"
    rows = table([CLEAN, GARBLED, CLEAN, None, "Too short."]).append_column(
        "odd", pyarrow.array([[1.5, None], [], None, [2], [float("nan")]], pyarrow.list_(pyarrow.float32()))
    )
    rows = rows.append_column("when", pyarrow.array([1, 2, None, 4, 5], pyarrow.timestamp("ns", "Asia/Tokyo")))
    rows = rows.replace_schema_metadata({"made": "by us"})
    parquet.write_table(rows, source, compression="gzip", row_group_size=2)
    rows = parquet.read_table(source)
    out = tmp_path / "out"
    manifest = filter_corpus([source], out, Rule(50), detector, rejects=True)
    assert counts(manifest) == [5, 2, 2, 1, 0]
    kept = parquet.read_table(out / "a.parquet")
    assert kept.drop_columns([KEY]).equals(rows.take([0, 2]), check_metadata=True)
    assert kept.column(KEY).to_pylist() == [summary(detector, CLEAN)] * 2
    assert kept.schema.field(KEY).type == score_struct()
    assert parquet.ParquetFile(out / "a.parquet").metadata.row_group(0).column(0).compression == "GZIP"
    rejected = parquet.read_table(out / "rejected" / "a.parquet")
    assert rejected.column("id").to_pylist() == [1, 4]
    assert [row["rejected"] for row in rejected.column(KEY).to_pylist()] == [
        "quality",
        "not judged: too short: 2 words, 25 needed",
    ]
    (error,) = errors(out)
    assert (error["id"], error["offset"]) == ("3", None) and "NoneType" in error["reason"]
    again = filter_corpus([out / "a.parquet"], tmp_path / "again", Rule(50), detector)
    assert again["n_kept"] == 2
    assert parquet.read_table(tmp_path / "again" / "a.parquet").equals(kept)
    theirs = tmp_path / "theirs.parquet"
    parquet.write_table(table([CLEAN], mtdetect=[1]), theirs)
    assert filter_corpus([theirs], tmp_path / "theirs", Rule(50), detector)["n_errors"] == 1


def test_parquet_in_many_row_groups_is_the_same_for_all(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.parquet"
    parquet.write_table(table([f"Too short {i}." for i in range(25_000)]), source, row_group_size=700)
    manifest = filter_corpus([source], tmp_path / "out", Rule(0), detector, rejects=True)
    assert counts(manifest) == [25_000, 0, 25_000, 0, 0]
    found = parquet.ParquetFile(tmp_path / "out" / "rejected" / "a.parquet")
    assert found.read(["id"]).column("id").to_pylist() == list(range(25_000))
    assert 2 <= found.num_row_groups <= 3
    assert parquet.read_table(tmp_path / "out" / "a.parquet").num_rows == 0


# Web archives


def warc(kind: str, url: str, content: bytes, media: str = "application/http; msgtype=response", **more: str) -> bytes:
    fields = {"WARC-Type": kind, "WARC-Target-URI": url, "Content-Type": media, **more}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)
    return f"WARC/1.0\r\n{head}Content-Length: {len(content)}\r\n\r\n".encode() + content + b"\r\n\r\n"


def page(text: str) -> bytes:
    paragraphs = "".join(f"<p>{part}</p>" for part in text.split("\n\n"))
    return f"<html><head><title>News</title></head><body><article>{paragraphs}</article></body></html>".encode()


def response(url: str, text: str, media: str = "text/html; charset=utf-8", **more: str) -> bytes:
    body = page(text)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\n"
    if more.get("chunked"):
        head += "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"
        body = gzip.compress(body)
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return warc("response", url, head.encode() + b"\r\n" + body)


INFO = warc("warcinfo", "", b"software: test\r\n", "application/warc-fields")
REQUEST = warc("request", "https://a.example/1", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request")
IMAGE = warc("response", "https://a.example/i", b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n\x89PNG")
CLEAN_PAGE, GARBLED_PAGE = response("https://a.example/1", CLEAN), response("https://b.example/2", GARBLED)
CHUNKED = response("https://c.example/3", CLEAN, chunked="yes")


def members(data: bytes, suffix: str) -> bytes:
    """Compress each record on its own, as web archives do."""
    if suffix != ".gz":
        return packed(data, suffix)
    return b"".join(gzip.compress(b"WARC/1.0\r\n" + part) for part in data.split(b"WARC/1.0\r\n")[1:])


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_web_archives(tmp_path: Path, detector: Detector, suffix: str) -> None:
    source = tmp_path / f"a.warc{suffix}"
    source.write_bytes(members(INFO + REQUEST + CLEAN_PAGE + IMAGE + GARBLED_PAGE + CHUNKED, suffix))
    out = tmp_path / "out"
    manifest = filter_corpus([source], out, Rule(50), detector, rejects=True)
    assert counts(manifest) == [3, 2, 1, 0, 3]
    kept = b"".join(unpacked(out / source.name))
    ours = b"\r\n%b: " % KEY.encode()
    assert kept.count(ours) == 2
    plain = b"".join(part.split(ours)[0] + b"\r\n" + part.split(ours)[1].split(b"\r\n", 1)[1] if ours in part else part
                     for part in (b"WARC/1.0" + rest for rest in kept.split(b"WARC/1.0")[1:]))  # fmt: skip
    assert plain == INFO + REQUEST + CLEAN_PAGE + IMAGE + CHUNKED  # byte for byte
    scores = json.loads(kept.split(ours)[1].split(b"\r\n")[0])
    assert scores["quality"] == summary(detector, CLEAN)["quality"]
    assert manifest["worst_hosts"][0]["host"] == "b.example"
    if suffix == ".gz":  # the library reads it, record by record
        from warcio.archiveiterator import ArchiveIterator

        with (out / source.name).open("rb") as file:
            records = list(ArchiveIterator(file))
        assert len(records) == 5
        assert json.loads(records[2].rec_headers.get_header(KEY)) == scores
    again = filter_corpus([out / source.name], tmp_path / "again", Rule(50), detector)
    assert counts(again) == [2, 2, 0, 0, 3]
    assert (tmp_path / "again" / source.name).read_bytes() == (out / source.name).read_bytes()


def test_texts_of_web_archives(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.warc.wet.gz"
    rows = [
        warc("conversion", f"https://a.example/{i}", t.encode(), "text/plain") for i, t in enumerate((CLEAN, GARBLED))
    ]
    source.write_bytes(members(INFO + rows[0] + rows[1], ".gz"))
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), detector)
    assert counts(manifest) == [2, 1, 1, 0, 1]
    kept = b"".join(unpacked(tmp_path / "out" / source.name))
    assert json.loads(kept.split(b"\r\nmtdetect: ")[1].split(b"\r\n")[0]) == summary(detector, CLEAN)


# Texts and pages, one to a file


def test_texts_and_pages_are_copied(tmp_path: Path, detector: Detector) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "clean.txt").write_text(CLEAN, "utf-8", newline="")
    (source / "garbled.txt.gz").write_bytes(gzip.compress(GARBLED.encode()))
    (source / "page.html").write_bytes(page(CLEAN))
    (source / "picture.bin").write_bytes(bytes(range(256)) * 40)
    (source / "rows.jsonl").write_bytes(line(CLEAN) + line(GARBLED))
    (source / "array.json").write_text(json.dumps([{"text": CLEAN}]))
    (source / "empty.txt").write_text("")
    manifest = filter_corpus([source], out, Rule(50), detector, rejects=True)
    assert counts(manifest) == [8, 3, 3, 2, 0]
    before, after = snapshot(source), snapshot(out)
    for name in ("deep/clean.txt", "page.html"):
        assert after[name] == before[name]
    for name in ("garbled.txt.gz", "empty.txt"):
        assert after[f"rejected/{name}"] == before[name] and name not in after
    scores = [json.loads(row) for row in after["scores.jsonl"].splitlines()]
    assert [row["file"] for row in scores] == ["deep/clean.txt", "page.html"]
    assert scores[0][KEY] == summary(detector, CLEAN)
    assert {Path(row["file"]).name for row in errors(out)} == {"picture.bin", "array.json"}
    assert set(manifest["inputs"]) == {"rows.jsonl", "scores.jsonl"}
    (source / "garbled.txt.gz").unlink()
    with pytest.raises(InputError, match="other files"):
        filter_corpus([source], out, Rule(50), detector, rejects=True)


# Standard input


def piped(data: bytes, out: Path, *options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command("-", "-o", out, "--min-quality", 50, *options), input=data, capture_output=True)


def as_parquet(rows: pyarrow.Table) -> bytes:
    file = io.BytesIO()
    parquet.write_table(rows, file)
    return file.getvalue()


def test_standard_input(tmp_path: Path, detector: Detector) -> None:
    rows = line(CLEAN, id=1) + line(GARBLED, id=2)
    for name, data in {
        "stdin.jsonl": rows,
        "stdin.jsonl.gz": packed(rows, ".gz"),
        "stdin.jsonl.zst": packed(rows, ".zst"),
        "stdin.parquet": as_parquet(table([CLEAN, GARBLED])),
        "stdin.warc.gz": members(CLEAN_PAGE + GARBLED_PAGE, ".gz"),
        "stdin.txt": CLEAN.encode(),
        "stdin.html": page(CLEAN),
    }.items():
        out = tmp_path / name
        ran = piped(data, out)
        assert ran.returncode == 0 and not ran.stdout, ran
        manifest = json.loads((out / "manifest.json").read_bytes())
        whole = name in ("stdin.txt", "stdin.html")
        assert counts(manifest) == ([1, 1, 0, 0, 0] if whole else [2, 1, 1, 0, 0])
        assert (out / name).exists()
        if whole:
            assert (out / name).read_bytes() == data and (out / "scores.jsonl").exists()
        before = snapshot(out)
        assert piped(data, out).returncode == 0 and snapshot(out) == before  # nothing left to do
        other = piped(data + b"\n ", out)
        assert other.returncode == 2 and b"has changed" in other.stderr and snapshot(out) == before
    assert piped(b"", tmp_path / "nothing").returncode == 0


def test_standard_input_goes_on_where_it_was(tmp_path: Path, detector: Detector) -> None:
    rows = [line(CLEAN if i % 3 else GARBLED, id=i) for i in range(400)]
    out = tmp_path / "out"
    begun = subprocess.Popen(
        command("-", "-o", out, "--min-quality", 50), stdin=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert begun.stdin is not None
    begun.stdin.write(b"".join(rows[:200]))
    begun.stdin.flush()
    journal = None
    while not (journal and journal.stat().st_size > 2000):
        journal = next(iter((out / ".work").glob("*.journal")), None)
        assert begun.poll() is None
    begun.kill()
    begun.communicate()
    assert journal is not None
    kept = journal.read_bytes()
    other = piped(b"".join(rows[1:]), out)
    assert other.returncode == 2 and b"has changed" in other.stderr and journal.read_bytes() == kept
    assert piped(b"".join(rows), out).returncode == 0
    assert piped(b"".join(rows), tmp_path / "whole").returncode == 0
    assert snapshot(out) == snapshot(tmp_path / "whole")


# Dolma


def test_dolma_attributes(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl.gz"
    rows = [line(CLEAN, id="a", source="news"), b"broken\n", line(GARBLED, id="b"), line("Short.", id="c")]
    source.write_bytes(gzip.compress(b"".join(rows)))
    out = tmp_path / "out"
    ran = subprocess.run(command(source, "-o", out, "--min-quality", 50, "--format", "dolma"), capture_output=True)
    assert ran.returncode == 0, ran
    found = [json.loads(row) for row in unpacked(out / "a.jsonl.gz")]
    assert [row["id"] for row in found] == ["a", f"{source}:2", "b", "c"] and found[0]["source"] == "news"
    assert found[1]["attributes"] == {}
    for row, text in ((found[0], CLEAN), (found[2], GARBLED)):
        article = detector.score(text)
        spans = {name.removeprefix("mtdetect__fast_v4__"): value for name, value in row["attributes"].items()}
        assert spans["quality"] == [[0, len(text), article.to_dict()["quality"]]]
        assert spans["sentence_mt_score"] == [[s.start, s.end, round(s.mt_score, 5)] for s in article.sentences]
        assert spans["flagged"] == [[s.start, s.end, 1.0] for s in article.sentences if s.flagged]
        assert bool(spans["rejected"]) == (text is GARBLED)
    assert found[3]["attributes"]["mtdetect__fast_v4__quality"] == []
    for wrong in (["--rejects"], []):
        inputs = [source] if wrong else [Path(__file__)]
        ran = subprocess.run(
            command(*inputs, "-o", tmp_path / "no", "--min-quality", 50, "--format", "dolma", *wrong),
            capture_output=True,
        )
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1, ran


# Damage: nine kinds, each form

GOOD = line(CLEAN, id="good")
ROWS: dict[str, bytes] = {
    "cut off": b'{"text": "cut',
    "invalid UTF-8": b'{"text": "\xff\xfe"}\n',
    "not a row": b'{"text": \n',
    "another type": line(3) + b"[1, 2]\n" + line(None),
    "not a number": b'{"text": NaN}\n' + b'{"text": 1e999}\n',
    "a surrogate": b'{"text": "\\ud800"}\n',
    "a bomb": b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "too long": b'{"text": "' + b"x" * 21_000_000 + b'"}\n',
    "a mark": b"\xef\xbb\xbf",
}
HEAD = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\n"
RECORDS: dict[str, bytes] = {
    "cut off": GARBLED_PAGE[:-2000],
    "invalid UTF-8": warc("resource", "https://a.example/\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
                          b"<html><body><article><p>\xff\xfe\x00\x01" + b"\x02" * 400, "text/html"),
    "not a row": b"this is not a record\r\n\r\nnor is this\r\n\r\n",
    "another type": HEAD + b"Content-Length: many\r\n\r\nabc\r\n\r\n",
    "not a number": HEAD + b"Content-Length: -7\r\n\r\nabc\r\n\r\n",
    "a surrogate": warc("resource", "https://a.example/", b"\xed\xa0\x80" * 300, "text/html"),
    "a bomb": warc("response", "https://a.example/", b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                   b"Content-Type: text/html\r\n\r\n" + gzip.compress(bytes(100_000_000))),
    "too long": warc("resource", "https://a.example/", b"x" * 21_000_000, "text/html"),
    "a mark": b"\xef\xbb\xbf" + HEAD + b"Content-Length: 3\r\n\r\nabc\r\n\r\n",
}  # fmt: skip
TABLES: dict[str, Any] = {
    "cut off": table([CLEAN, GARBLED]),
    "invalid UTF-8": pyarrow.table({"text": pyarrow.array([CLEAN.encode(), b"\xff\xfe", CLEAN.encode()])}).cast(
        pyarrow.schema([("text", pyarrow.binary())])
    ),
    "not a row": table([CLEAN, GARBLED]),
    "another type": table([1, 2, 3]),
    "not a number": table([float("nan"), 1.0]),
    "a surrogate": pyarrow.table({"text": [CLEAN.encode(), b"\xed\xa0\x80"]}),
    "a bomb": pyarrow.table({"text": [CLEAN], "deep": [[[[[[[1]]]]]]]}),
    "too long": table([CLEAN, "x" * 21_000_000, CLEAN]),
    "a mark": table(["\ufeff" + CLEAN, None]),
}


def damaged(kind: str, form: str) -> bytes:
    if form == ".parquet":
        data = as_parquet(TABLES[kind])
        if kind in ("invalid UTF-8", "a surrogate"):  # text by its schema, and not by its bytes
            binary = TABLES[kind].column("text").chunk(0)
            text = pyarrow.Array.from_buffers(pyarrow.string(), len(binary), binary.buffers())
            data = as_parquet(pyarrow.table({"text": text}))
        if kind == "not a row":
            data = data[:200] + bytes(100) + data[300:]
        return data[:-100] if kind == "cut off" else data
    if form.startswith(".warc"):
        rows = CLEAN_PAGE + RECORDS[kind] + (b"" if kind == "cut off" else CLEAN_PAGE)
        return members(rows, form.removeprefix(".warc"))
    rows = GOOD + ROWS[kind] + (b"" if kind == "cut off" else GOOD)
    data = packed(rows, form.removeprefix(".jsonl"))
    return data[: -len(data) // 3] if kind == "cut off" and form != ".jsonl" else data


FORMS = [".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet", ".warc", ".warc.gz"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ROWS)
def test_damage_costs_what_is_damaged(tmp_path: Path, detector: Detector, kind: str, form: str) -> None:
    source = tmp_path / f"a{form}"
    source.write_bytes(damaged(kind, form))
    out = tmp_path / "out"
    manifest = filter_corpus([source], out, Rule(50), detector)
    assert manifest["n_in"] == manifest["n_kept"] + manifest["n_rejected"] + manifest["n_errors"]
    assert len(errors(out)) == manifest["n_errors"]
    assert all(error["file"] == str(source) and error["reason"] for error in errors(out))
    # a page of surrogates may pass for one of text, and a column that nests is nobody's concern
    assert manifest["n_errors"] >= ((form[:5], kind) not in ((".parq", "a bomb"), (".warc", "a surrogate")))
    if form != ".parquet" and kind != "cut off":
        assert manifest["n_kept"] == (1 if kind == "a mark" and form.startswith(".jsonl") else 2)
    with pytest.raises(InputError) if manifest["n_errors"] else nullcontext():
        filter_corpus([source], tmp_path / "strict", Rule(50), detector, fail=True)


@pytest.mark.parametrize("form", FORMS)
def test_damage_on_standard_input(tmp_path: Path, form: str, detector: Detector) -> None:
    for kind in ROWS:
        source = tmp_path / f"{kind}{form}"
        source.write_bytes(damaged(kind, form))
        expected = filter_corpus([source], tmp_path / f"file {kind}", Rule(50), detector)
        ran = piped(source.read_bytes(), tmp_path / kind)
        assert ran.returncode == (2 if expected["n_errors"] == expected["n_in"] else 0), ran
        manifest = json.loads((tmp_path / kind / "manifest.json").read_bytes())
        assert counts(manifest) == counts(expected), kind


PEAK = """
import sys
from mtdetect.cli import main
try:
    main(sys.argv[1:])
finally:
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("content", ["one line", "a page"])
def test_a_bomb_takes_no_memory(tmp_path: Path, suffix: str, content: str) -> None:
    chunk = bytes(1 << 20) if content == "one line" else b"<p>" * (1 << 19)
    source = tmp_path / f"a.{'jsonl' if content == 'one line' else 'html'}{suffix}"
    with source.open("wb") as raw:
        if suffix == ".gz":
            with gzip.GzipFile("", "wb", 1, raw) as file:
                for _ in range((1 << 30) // len(chunk)):
                    file.write(chunk)
        else:
            zstd = pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
            with zstd.ZstdFile(raw, "wb") as packer:
                for _ in range((1 << 30) // len(chunk)):
                    packer.write(chunk)
    arguments = ["filter", str(source), "-o", str(tmp_path / "out"), "--min-quality", "50"]
    ran = subprocess.run([sys.executable, "-c", PEAK, *arguments], capture_output=True)
    assert ran.returncode == 2 and b"no row could be read" in ran.stderr
    assert "too large" in errors(tmp_path / "out")[0]["reason"]
    assert int(ran.stdout) < 300_000  # kB


# What a sceptic found


def test_pipes_by_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.jsonl")
    for given in (tmp_path / "in" / "pipe.jsonl", "/dev/stdin", "/dev/null"):
        ran = subprocess.run(
            command(given, "-o", tmp_path / "out", "--min-quality", 50), input=line(CLEAN), capture_output=True
        )
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1 and b"name -" in ran.stderr, ran


def test_what_can_not_be_read_in_a_folder_is_an_error(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.jsonl").write_bytes(line(CLEAN))
    os.mkfifo(source / "pipe")
    (source / "broken").symlink_to("nowhere")
    (source / "folder").symlink_to(tmp_path)
    (source / "link.jsonl").symlink_to("a.jsonl")
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), detector)
    assert counts(manifest) == [5, 2, 0, 3, 0]
    assert {Path(error["file"]).name for error in errors(tmp_path / "out")} == {"pipe", "broken", "folder"}


def test_a_dry_run_of_standard_input(tmp_path: Path) -> None:
    rows = line(CLEAN) + line(GARBLED) + b"{\n"
    forms = {"jsonl": rows, "gz": packed(rows, ".gz"), "warc": INFO + CLEAN_PAGE + GARBLED_PAGE + HEAD + b"\r\n"}
    forms["parquet"] = as_parquet(table([CLEAN, GARBLED, None]))
    for name, data in forms.items():
        ran = subprocess.run(command("-", "--dry-run", 9), input=data, capture_output=True, check=True)
        assert b"3 rows" in ran.stderr and b"1 can't be read" in ran.stderr, name
        assert b"--min-quality 50   keeps 1 of 2" in ran.stdout, name


def test_a_file_and_a_folder_of_one_name(tmp_path: Path, detector: Detector) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two" / "x").mkdir(parents=True)
    (tmp_path / "one" / "x").write_text(CLEAN)
    (tmp_path / "two" / "x" / "y.jsonl").write_bytes(line(CLEAN))
    with pytest.raises(InputError, match="a file and a folder"):
        filter_corpus([tmp_path / "one" / "x", tmp_path / "two"], tmp_path / "out", Rule(50), detector)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("blank", ["\r\n", "\n", " \r\n"])
@pytest.mark.parametrize("tail", ["\r\n\r\n", "\n\n", "\r\n", "\n", ""])
def test_web_archives_of_other_writers(tmp_path: Path, detector: Detector, blank: str, tail: str) -> None:
    content = page(CLEAN)
    head = f"WARC/1.0\r\nwarc-type: resource\r\ncontent-TYPE: text/html\r\ncontent-length: {len(content)}\r\n{blank}"
    if blank == "\n" and tail == "\n\n":
        head = head.replace("\r", "")
    record = head.encode() + content + tail.encode()
    source = tmp_path / "a.warc"
    source.write_bytes(record * 3)
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), detector)
    assert counts(manifest) == [3, 3, 0, 0, 0]
    again = filter_corpus([tmp_path / "out" / "a.warc"], tmp_path / "again", Rule(50), detector)
    assert counts(again) == [3, 3, 0, 0, 0]
    found = (tmp_path / "again" / "a.warc").read_bytes()
    assert found == (tmp_path / "out" / "a.warc").read_bytes()
    assert found.count(content) == 3 and found.count(b"\nmtdetect: {") == 3


def test_nobody_elses_scores_are_overwritten(tmp_path: Path, detector: Detector) -> None:
    text = json.dumps(CLEAN)
    ours = json.dumps(summary(detector, CLEAN), separators=(",", ":"))
    rows = [
        f'{{"text":{text},"mtdetect":"mine"}}',
        f'{{"text":{text},"mtdetect":{{"quality":1}}}}',
        f'{{"text":{text}, "mtdetect": {ours}}}',  # ours, but not as we write it
        f'{{"text":{text},"mtdetect":1,"mtdetect":{ours}}}',
        f'{{"mtdetect":{ours},"text":{text}}}',
        f'{{"text":{text},"mtdetect":{ours}}}',
    ]
    source = tmp_path / "a.jsonl"
    source.write_text("\n".join(rows))
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), detector)
    assert counts(manifest) == [6, 1, 0, 5, 0]
    assert (tmp_path / "out" / "a.jsonl").read_text() == rows[-1] + "\n"
    archive = tmp_path / "a.warc"
    for value in ("mine", '{"a":\r\n  1}', "{}"):
        record = CLEAN_PAGE.replace(b"WARC/1.0\r\n", f"WARC/1.0\r\nMtdetect: {value}\r\n".encode(), 1)
        archive.write_bytes(record)
        manifest = filter_corpus([archive], tmp_path / f"out {value[:3]}", Rule(50), detector)
        assert counts(manifest) == [1, 0, 0, 1, 0]


@pytest.mark.parametrize("name", ["twice", "views"])
def test_odd_tables(tmp_path: Path, detector: Detector, name: str) -> None:
    texts = [CLEAN, GARBLED, CLEAN]
    if name == "twice":
        rows = pyarrow.Table.from_arrays([pyarrow.array(texts)] * 3, names=["text", "a", "a"])
    else:
        rows = pyarrow.table({"text": pyarrow.array(texts, pyarrow.string_view()), "n": [1, 2, 3]})
    source = tmp_path / f"{name}.parquet"
    try:
        parquet.write_table(rows, source, store_schema=True)
    except pyarrow.ArrowNotImplementedError:
        pytest.skip("this pyarrow can't write them")
    before = parquet.ParquetFile(source).read()
    manifest = filter_corpus([source], tmp_path / name, Rule(50), detector)
    assert counts(manifest) == [3, 2, 1, 0, 0]
    after = parquet.ParquetFile(tmp_path / name / source.name).read()
    assert after.schema.names == [*before.schema.names, KEY]
    for i in range(before.num_columns):
        kept = before.column(i).to_pylist()
        assert after.column(i).type == before.column(i).type and after.column(i).to_pylist() == [kept[0], kept[2]]


def test_a_frame_that_is_to_be_skipped(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl.zst"
    skipped = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    source.write_bytes(skipped + packed(line(CLEAN) + line(GARBLED), ".zst"))
    assert counts(filter_corpus([source], tmp_path / "out", Rule(50), detector)) == [2, 1, 1, 0, 0]


def test_damaged_state_is_one_line(tmp_path: Path) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out"
    source.write_bytes(line(CLEAN))
    call = command(source, "-o", out, "--min-quality", 50)
    subprocess.run(call, check=True, capture_output=True)
    good = json.loads((out / "manifest.json").read_bytes())
    for content in ({**good, "inputs": {}}, {"settings": good["settings"]}, [], None, {"settings": 3}):
        (out / "manifest.json").write_text(json.dumps(content))
        ran = subprocess.run(call, capture_output=True)
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1 and b"damaged" in ran.stderr, ran
    (out / "manifest.json").unlink()
    (out / ".work").mkdir()
    for text in ("", "{", "3\n", '{"a": 1}\n{\n'):
        (out / ".work" / "run.jsonl").write_text(text)
        ran = subprocess.run(call, capture_output=True)
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1, ran
    for option in (["--text-field", ""], ["--id-field", ""], ["--text-field", b"\xff"]):
        ran = subprocess.run(
            [*command(source, "-o", tmp_path / "new", "--min-quality", 50), *option], capture_output=True
        )
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1 and not (tmp_path / "new").exists(), ran
