"""Every format, compression and encoding, and everything that goes wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtdetect.corpus import InputError, Opened, Record, extracted, read_records

pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs the extra `corpus`")
parquet = pytest.importorskip("pyarrow.parquet")
if sys.version_info >= (3, 14):
    from compression import zstd
else:
    zstd = pytest.importorskip("backports.zstd", reason=".zst needs the extra `corpus`")

PACK: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".zst": zstd.compress}
TEXT = "Bridge to close\r\n\r\nThe café’s owner said “no”. He left.\n"
PARAGRAPHS = [
    "The council voted on Tuesday to close the bridge for two years, a decision that surprised the town.",
    "“We were not told,” said María López, who runs a bakery near the river. “Nobody asked us anything.”",
    "The mayor said the work could not wait, for engineers had found cracks in three of the four pillars.",
]
PAGE = (
    "<!DOCTYPE html><html><head><title>Bridge to close</title>"
    '<link rel="canonical" href="https://example.org/bridge"></head><body>'
    '<nav><ul><li><a href="/">Home</a></li><li><a href="/sport">Sport</a></li></ul></nav><article>'
    + "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    + "</article><footer><p>© Example Media, all rights reserved</p></footer></body></html>"
)
ROWS = [{"id": f"a{i}", "text": f"Article {i}. It’s short.", "year": 2000 + i} for i in range(5)]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


def parquet_bytes(rows: list[dict]) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def read(path: Path, data: bytes, **options: object) -> list[Record]:
    path.write_bytes(data)
    return list(read_records([path], **options))


def read_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> list[Record]:
    reading, writing = os.pipe()

    def write() -> None:  # a real pipe, written in bits: no seeking, short reads
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for bit in (data[:1], data[1:7], data[7:]):
                pipe.write(bit)

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as pipe:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(pipe))
        records = list(read_records(["-"]))
    writer.join()
    return records


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", ["a.txt", "noname", "wrong.html.bin"])
def test_plain_text_is_verbatim(tmp_path: Path, pack: str, name: str) -> None:
    path = tmp_path / (name + pack)
    (record,) = read(path, PACK[pack](TEXT.encode()))
    assert record == Record(str(path), TEXT, str(path), encoding="utf-8")


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize(
    ("encoding", "name"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("cp1252", "windows-1252")],
)
def test_encodings(tmp_path: Path, pack: str, encoding: str, name: str) -> None:
    (record,) = read(tmp_path / ("a.txt" + pack), PACK[pack](TEXT.encode(encoding)))
    assert (record.text, record.encoding, record.error) == (TEXT, name, None)
    assert record.warnings == (("decoded as windows-1252",) if name == "windows-1252" else ())


def test_big_endian_utf_16(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "a.txt", b"\xfe\xff" + TEXT.encode("utf-16-be"))
    assert (record.text, record.encoding) == (TEXT, "utf-16")


def test_bytes_that_no_encoding_defines_are_replaced_and_reported(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "a.txt", b"caf\xe9 \x81 ends")
    assert record.text == "café \ufffd ends"
    assert record.warnings == ("decoded as windows-1252, 1 undefined bytes replaced",)
    (record,) = read(tmp_path / "a.txt", "“It’s a café”".encode() + b" \xff")
    assert (record.text, record.encoding) == ("“It’s a café” \ufffd", "utf-8")
    assert record.warnings == ("1 invalid bytes replaced",)
    (record,) = read(tmp_path / "a.txt", "Hello".encode("utf-16") + b"!")
    assert record.encoding == "utf-16"
    assert record.warnings == ("1 invalid bytes replaced",)


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", ["a.html", "page"])
def test_html_gives_the_article_and_nothing_around_it(tmp_path: Path, pack: str, name: str) -> None:
    (record,) = read(tmp_path / (name + pack), PACK[pack](PAGE.encode()))
    assert record.text == "\n\n".join(PARAGRAPHS)
    assert record.fields == {"title": "Bridge to close", "url": "https://example.org/bridge"}
    assert record.encoding == "utf-8"


@pytest.mark.parametrize(
    ("charset", "declared", "name"),
    [
        ("windows-1251", "windows-1251", "windows-1251"),
        ("cp1252", "utf-8", "windows-1252"),
        ("cp1252", "iso-8859-1", "windows-1252"),
        ("cp1252", "punycode", "windows-1252"),
        ("utf-16", "utf-8", "utf-16"),
    ],
)
def test_html_charsets(tmp_path: Path, charset: str, declared: str, name: str) -> None:
    page = PAGE.replace("<head>", f'<head><meta charset="{declared}">')
    page = page.replace("María", "Мария" if "1251" in charset else "María").replace("López", "Lopez")
    (record,) = read(tmp_path / "a.html", page.encode(charset))
    assert record.encoding == name
    assert record.text is not None
    assert ("Мария Lopez" if "1251" in charset else "María Lopez") in record.text
    assert record.warnings == (() if name == "utf-16" else (f"decoded as {name}",))


@pytest.mark.parametrize(
    "page",
    [
        "<html><body></body></html>",
        "<!doctype html>",
        "<html><script>var a = 1;</script></html>",
        "<html>" + "<div>" * 20_000,
        "<html>\ufffe\x01",
    ],
)
def test_html_without_an_article_is_an_error_and_quiet(
    tmp_path: Path, page: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own would hide Python's last resort
    (record,) = read(tmp_path / "a.html", page.encode())
    assert record.text is None
    assert record.error
    assert capfd.readouterr() == ("", "")


def test_html_never_makes_surrogates(tmp_path: Path) -> None:
    page = PAGE.replace("María", "Mar&#xD800;a &#xDFFF; &#0;")
    (record,) = read(tmp_path / "a.html", page.encode())
    assert record.text is not None
    assert record.text.encode().count(b"\xef\xbf\xbd") == 3
    assert record.text.endswith(PARAGRAPHS[2])


def test_an_xml_declaration_does_not_stop_html(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "a.xhtml", b'<?xml version="1.0" encoding="utf-8"?>\n' + PAGE.encode())
    assert record.text == "\n\n".join(PARAGRAPHS)


def test_text_that_mentions_tags_is_text(tmp_path: Path) -> None:
    text = "Use <p> and <div> and <a> and <li> and <br> and <h1> in your pages."
    assert read(tmp_path / "a.txt", text.encode())[0].text == text


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "rows", "a.json"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_json_lines(tmp_path: Path, pack: str, name: str, encoding: str) -> None:
    path = tmp_path / (name + pack)
    records = read(path, PACK[pack](JSONL.decode().encode(encoding)))
    assert [record.id for record in records] == ["a0", "a1", "a2", "a3", "a4"]
    assert [record.text for record in records] == [row["text"] for row in ROWS]
    assert records[2].fields == {"id": "a2", "year": 2002}
    assert {record.source for record in records} == {str(path)}
    assert {record.text_field for record in records} == {"text"}


def test_json_as_one_object_or_one_array(tmp_path: Path) -> None:
    for data in (ROWS, ROWS[:1]):
        records = read(tmp_path / "a.json", json.dumps(data if len(data) > 1 else data[0], indent=2).encode())
        assert [record.text for record in records] == [row["text"] for row in data]
    (record,) = read(tmp_path / "a", b'{"id": 3, "title": "A",\n "text": "a"}')
    assert (record.id, record.text) == ("3", "a")
    assert len(read(tmp_path / "a", json.dumps(ROWS).encode())) == len(ROWS)
    records = read(tmp_path / "a", b'{"text": "cut off\n{"text": "a"}\n')
    assert [record.text for record in records] == [None, "a"]
    (record,) = read(tmp_path / "a.json", b'{\n "text": "a"\n}\n{\n "text": "b"\n}')
    assert record.error and record.error.startswith("not JSON (one object a line, one object, or one array)")


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", ["a.json", "a"])
@pytest.mark.parametrize("size", [*range(4080, 4088), 200_000])
def test_json_whose_first_line_is_long(tmp_path: Path, pack: str, name: str, size: int) -> None:
    title = "t" * size
    one = f'{{"title": "{title}",\n    "text": "a"}}'
    for data in (one, f"[{one},\n{one}]"):
        records = read(tmp_path / (name + pack), PACK[pack](data.encode()))
        assert [record.text for record in records] == ["a"] * data.count(title)
    lines = f'{{"title": "{title}", "text": "a"}}\n\n{{"text": "b"}}'
    for data, texts in ((lines, ["a", "b"]), (lines.replace("}", "", 1), [None, "b"])):
        assert [record.text for record in read(tmp_path / (name + pack), PACK[pack](data.encode()))] == texts
    assert str(read(tmp_path / name, one.encode(), max_bytes=4000)[0].error).startswith("too large")


@pytest.mark.parametrize("first", ["null", "17", "-1.5e3\n\n true ", "null\r\nfalse"])
def test_json_lines_that_begin_with_another_value(tmp_path: Path, first: str) -> None:
    records = read(tmp_path / "a", f'{first}\n{{"text": "a"}}\n{{"text": "b"}}\n'.encode())
    assert [record.text for record in records] == [None] * len(first.split()) + ["a", "b"]
    for text in (first, f"{first}\nWhat {{a}} day.", f"{first}\n{{a}}"):
        assert read(tmp_path / "a", text.encode())[0].text == text


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("name", ["a.parquet", "rows"])
def test_parquet(tmp_path: Path, pack: str, name: str) -> None:
    records = read(tmp_path / (name + pack), PACK[pack](parquet_bytes(ROWS)))
    assert [record.text for record in records] == [row["text"] for row in ROWS]
    assert [record.id for record in records] == ["a0", "a1", "a2", "a3", "a4"]
    assert records[2].fields == {"id": "a2", "year": 2002}


def test_compressed_streams_of_several_members(tmp_path: Path) -> None:
    for pack in (".gz", ".zst"):
        lines = JSONL.splitlines(keepends=True)
        records = read(tmp_path / ("a.jsonl" + pack), b"".join(PACK[pack](line) for line in lines))
        assert [record.text for record in records] == [row["text"] for row in ROWS]


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize(
    "data",
    [TEXT.encode(), PAGE.encode(), JSONL, parquet_bytes(ROWS)],
    ids=["text", "html", "jsonl", "parquet"],
)
def test_standard_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pack: str, data: bytes) -> None:
    expected = read(tmp_path / "input", PACK[pack](data))
    found = read_stdin(monkeypatch, PACK[pack](data))
    assert [record.text for record in found] == [record.text for record in expected]
    assert all(record.error is None and record.source == "-" for record in found)


NO_FILE = "cannot open: not a file; links to folders are not followed"


def test_folders_too_deep_to_be_opened_cost_one_record(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("Rain fell.", "utf-8")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(17):  # of 250 letters: the path has more than 4,096
        os.mkdir("a" * 250, dir_fd=here)
        below = os.open("a" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("c.txt", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    good, bad = sorted(read_records([tmp_path]), key=lambda record: record.text is None)
    assert good.text == "Rain fell." and bad.error == "cannot open: File name too long"
    shutil.rmtree(tmp_path / ("a" * 250))


def test_folders_are_read_in_order_and_nothing_is_skipped_silently(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.txt").write_text("hidden")
    (folder / ".x.txt").write_text("hidden")
    (folder / "b.txt").write_text("text")
    (folder / "c.jsonl").write_bytes(JSONL)
    (folder / "d.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(200))
    (folder / "e.pdf").write_bytes(b"%PDF-1.4\n1 0 obj\n")
    (folder / "sub" / "a.html").write_text(PAGE, encoding="utf-8")
    (folder / "sub" / "gone.txt").symlink_to(tmp_path / "nowhere")
    (folder / "sub" / "link").symlink_to(folder)
    os.mkfifo(folder / "sub" / "pipe")
    records = list(read_records([folder]))
    assert [Path(record.source).name for record in records] == (
        ["b.txt", *["c.jsonl"] * 5, "d.png", "e.pdf", "a.html", "gone.txt", "link", "pipe"]
    )
    errors = {Path(record.source).name: record.error for record in records if record.text is None}
    assert errors.pop("d.png") == errors.pop("e.pdf") == "not text"
    assert errors == dict.fromkeys(("gone.txt", "link", "pipe"), NO_FILE)
    pipe = str(folder / "sub" / "pipe")
    assert records[-1] == Record(pipe, None, pipe, error=NO_FILE)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs the permissions of Unix")
def test_what_may_not_be_read_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # relative paths need no permissions above
    tmp_path.chmod(0o755)
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").write_text("text")
    (tmp_path / "b.txt").chmod(0)
    (tmp_path / "sub").mkdir(mode=0)
    user = os.geteuid()
    if user == 0:  # who may read everything
        os.seteuid(65534)
    try:
        folder, files = list(read_records(["."])), list(read_records(["b.txt", "a.txt"]))
    finally:
        os.seteuid(user)
    good = Record("a.txt", "text", "a.txt", encoding="utf-8")
    bad = [Record(name, None, name, error="cannot open: Permission denied") for name in ("b.txt", "./sub")]
    assert folder == [good, *bad]
    assert files == [bad[0], good]


def test_wrong_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder: .*nowhere"):
        read_records([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"^standard input can be read only once, but - is named twice$"):
        read_records(["-", "-"])
    for options in ({"text_field": ""}, {"id_field": ""}):
        with pytest.raises(InputError, match=r"^the name of a field is empty$"):
            read_records([tmp_path], **options)
    with pytest.raises(InputError, match=r"^'a\\n' can't be the name of a field$"):
        read_records([tmp_path], text_field="a\n")


def test_one_path_needs_no_list(tmp_path: Path) -> None:
    records = read(tmp_path / "a.jsonl", JSONL)
    assert list(read_records(tmp_path / "a.jsonl")) == list(read_records(str(tmp_path / "a.jsonl"))) == records


def test_texts_over_the_limit_are_errors(tmp_path: Path) -> None:
    (record,) = read(tmp_path / "a.txt", b"word", max_chars=4)
    assert (record.text, record.error) == ("word", None)
    (record,) = read(tmp_path / "a.txt", b"word", max_chars=3)
    assert (record.text, record.error) == (None, "too long: 4 characters, at most 3")


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match=r"^standard input is closed$"):
        read_records(["-"])


def test_an_input_without_articles_does_not_keep_the_others_from_being_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.parquet").write_bytes(parquet_bytes([{"n": "x", "m": 1}]))
    (tmp_path / "c.txt").write_text("c")
    (tmp_path / "empty").mkdir()
    named = [tmp_path / name for name in ("a.txt", "b.parquet", "empty", "c.txt")]
    for paths, reasons in (
        ([tmp_path], [None, "no text column, name one of: n, m", None]),
        (named, [None, "no text column, name one of: n, m", "no files in the folder", None]),
    ):
        assert [record.error for record in read_records(paths)] == reasons
    empty = str(tmp_path / "empty")
    assert list(read_records([empty])) == [Record(empty, None, empty, error="no files in the folder")]
    for options in ({"text_field": "body"}, {"id_field": "body"}):
        (record,) = read(tmp_path / "a.parquet", parquet_bytes(ROWS), **options)
        assert record.error == "no column 'body': the columns are id, text, year"


def test_an_empty_file_is_an_empty_text_and_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", b"")[0].text == ""
    assert read(tmp_path / "a.jsonl", b"") == []
    assert read(tmp_path / "a.jsonl", b"\n \n\r\n") == []
    for data in (b"", b"PAR1"):
        (record,) = read(tmp_path / "a.parquet", data)
        assert record.id == record.source == str(tmp_path / "a.parquet")
        assert str(record.error).startswith("not a readable Parquet file: Parquet")


BAD_LINES = {
    b'{"id": 1, "text": "caf\xe9"}': "line 2 is not JSON",
    b'{"id": 1, "text": "cut of': "line 2 is not JSON",
    b'{"id": 1, "text": "\\ud800"}': "line 2 is not JSON",
    b'{"id": 1, "text": NaN}': "line 2 is not JSON",
    b'{"id": 1, "text": "a", "n": 1e999}': "line 2 is not JSON",
    b"[" * 100_000: "line 2 is not JSON",
    b'{"":' * 30_000: "line 2 is not JSON",
    b'["text"]': "not an object but list",
    b"17": "not an object but int",
    b'{"id": 1, "text": 17}': "field 'text' is int, not a string",
    b'{"id": 1, "text": null}': "field 'text' is NoneType, not a string",
    b'{"id": 1, "headline": "a"}': "no text: the fields are id, headline",
    b"{}": "no text: the fields are none",
    b'{"text": "' + b"x" * 200_000 + b'"}': "too large: line 2 has more than 150000 bytes",
    b"\0" * 100: "line 2 is not JSON",
}


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("line", BAD_LINES, ids=lambda line: re.sub(rb"\W+", b"_", line[:20]).decode())
def test_a_bad_line_costs_one_row(tmp_path: Path, pack: str, line: bytes) -> None:
    good = b'{"text": "good"}\n'
    records = read(tmp_path / ("a.jsonl" + pack), PACK[pack](good + line + b"\n" + good), max_bytes=150_000)
    assert [record.text for record in records] == ["good", None, "good"]
    assert str(records[1].error).startswith(BAD_LINES[line])
    assert "\n" not in str(records[1].error)
    assert "line 1" not in str(records[1].error)
    path = str(tmp_path / ("a.jsonl" + pack))
    assert records[0] == Record(f"{path}:1", "good", path, text_field="text", offset=0, raw=good)
    assert [record.offset for record in records] == [0, len(good), len(good) + len(line) + 1]
    row = json.loads(line) if BAD_LINES[line].startswith(("field", "no text")) else {}
    assert records[1].id == str(row.get("id", f"{path}:2"))
    assert (records[1].source, records[1].fields, records[1].warnings) == (path, row, ())
    assert records[1].raw == (line + b"\n" if row or BAD_LINES[line].startswith(("not an", "no text")) else None)


def test_names_are_listed_up_to_a_point(tmp_path: Path) -> None:
    for count, end in ((20, "n19"), (21, "n19 and 1 more"), (30, "n19 and 10 more")):
        (record,) = read(tmp_path / "a.json", json.dumps({f"n{i}": i for i in range(count)}).encode())
        names = ", ".join(f"n{i}" for i in range(19))
        assert record.error == f"no text: the fields are {names}, {end}"


def test_the_text_field_is_found_row_by_row_and_an_explicit_one_wins(tmp_path: Path) -> None:
    names = ["text", "content", "raw_content", "maintext", "body", "article", "plain_text"]
    rows = [{later: later for later in reversed(names[i:])} for i in range(len(names))]
    rows += [{"text": None, "body": "body"}, {"title": "title", "text": "text"}]
    data = "\n".join(map(json.dumps, rows)).encode()
    records = read(tmp_path / "a.jsonl", data)
    assert [record.text for record in records] == [*names, "body", "text"]
    assert [record.text_field for record in records] == [*names, "body", "text"]
    records = read(tmp_path / "a.jsonl", data, text_field="title")
    assert [record.text for record in records] == [None] * 8 + ["title"]
    rows = [{"text": "", "content": "full"}, {"text": "", "content": " \n", "body": 5}, {"text": " ", "body": "full"}]
    records = read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)).encode())
    assert [record.text for record in records] == ["full", "", "full"]
    assert records[0].fields == {"text": ""}


def test_ids(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"id": 7, "url": "u"},
        {"doc_id": "d"},
        {"url": "u"},
        {"id": ""},
        {"id": True},
        {"id": None, "url": "u"},
        {},
    ]
    data = "\n\n".join(json.dumps({"text": "a", **row}) for row in rows).encode()
    ids = [record.id for record in read(path, data)]
    assert ids == ["7", "d", "u", f"{path}:7", f"{path}:9", "u", f"{path}:13"]
    records = read(path, data, id_field="url")
    assert [record.id for record in records[:2]] == ["u", f"{path}:3"]
    assert records[1].warnings == ("no id in field 'url'",)
    (record,) = read(path, b'{"n": 1}', id_field="url")
    assert (record.error, record.warnings) == ("no text: the fields are n", ("no id in field 'url'",))


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.parquet"])
def test_rows_without_an_id_are_numbered(tmp_path: Path, name: str) -> None:
    rows = [{"text": f"Article {i}."} for i in range(600)]
    forms = {
        "a.json": json.dumps(rows).encode(),
        "a.jsonl": "\n".join(map(json.dumps, rows)).encode("utf-16"),
        "a.parquet": parquet_bytes(rows),
    }
    path = tmp_path / name
    records = read(path, forms[name])
    assert [record.text for record in records] == [row["text"] for row in rows]
    assert [(record.id, record.source) for record in records] == [(f"{path}:{i}", str(path)) for i in range(1, 601)]


def test_json_that_is_none_says_where(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    (record,) = read(path, b'[{"text": "a"}, {]')
    assert record.id == record.source == str(path)
    assert re.fullmatch(
        r"not JSON \(one object a line, one object, or one array\): .* line 1 column 18 .*", str(record.error)
    )


@pytest.mark.parametrize("pack", [".gz", ".zst"])
def test_rows_before_a_truncation_are_kept_and_the_truncation_is_reported(tmp_path: Path, pack: str) -> None:
    rows = [json.dumps({"text": f"{i} {os.urandom(50).hex()}"}) for i in range(10_000)]
    whole = PACK[pack]("\n".join(rows).encode())
    for cut in (len(whole) - 1, len(whole) - 5, len(whole) // 2, 12):
        records = read(tmp_path / ("a.jsonl" + pack), whole[:cut])
        texts = [record.text for record in records[:-1]]
        assert texts == [json.loads(row)["text"] for row in rows[: len(texts)]]
        assert str(records[-1].error) == f"truncated after line {len(texts)}"
        assert records[-1].text is None
        path = str(tmp_path / ("a.jsonl" + pack))
        assert (records[-1].id, records[-1].source) == (f"{path}:{len(records)}", path)
        assert records[-1].offset == len(
            "".join(f"{row}\n" for row in rows[: len(texts)])[: sum(map(len, rows)) + 9999]
        )
        assert cut < len(whole) // 2 or len(texts) >= 2500
    (record,) = read(tmp_path / ("a.txt" + pack), PACK[pack](TEXT.encode() * 100)[:-3])
    assert (record.text, record.error) == (None, "truncated")


@pytest.mark.parametrize("pack", [".gz", ".zst"])
def test_damaged_and_trailing_bytes_are_reported(tmp_path: Path, pack: str) -> None:
    records = read(tmp_path / ("a.jsonl" + pack), PACK[pack](JSONL) + b"garbage after the end")
    assert [record.text for record in records[:5]] == [row["text"] for row in ROWS]
    assert len(records) == 6
    assert str(records[5].error).startswith("damaged")
    records = read(tmp_path / ("a.jsonl" + pack), PACK[pack](JSONL.rstrip()) + b"garbage after the end")
    assert [record.text for record in records] == [row["text"] for row in ROWS] + [None]
    assert str(records[5].error).startswith("damaged") and str(records[5].error).endswith("after line 5")
    records = read(tmp_path / ("a.jsonl" + pack), PACK[pack](JSONL.rstrip()[:-1]) + b"garbage after the end")
    assert [record.text for record in records] == [row["text"] for row in ROWS[:-1]] + [None]
    lines = b'{"text": "a"}\n{\n{"text": "b"}\n'
    records = read(tmp_path / ("a.jsonl" + pack), PACK[pack](lines) + b"garbage after the end")
    assert [record.text for record in records] == ["a", None, "b", None]
    assert str(records[1].error).startswith("line 2 is not JSON")
    for data in (TEXT.encode(), PAGE.encode(), parquet_bytes(ROWS), json.dumps(ROWS).encode()):
        (record,) = read(tmp_path / ("a" + pack), PACK[pack](data) + b"garbage after the end")
        assert str(record.error).startswith("damaged")
    packed = bytearray(PACK[pack](JSONL * 100))
    packed[len(packed) // 2 :] = bytes(len(packed) - len(packed) // 2)
    records = read(tmp_path / ("a.jsonl" + pack), bytes(packed))
    assert records[-1].error


def test_a_damaged_parquet_file_is_one_error(tmp_path: Path) -> None:
    whole = parquet_bytes([{"text": os.urandom(100).hex()} for _ in range(2000)])
    for data in (whole[:-1], whole[: len(whole) // 2], whole[:4]):
        (record,) = read(tmp_path / "a.parquet", data)
        assert str(record.error).startswith("not a readable Parquet file")
        assert "\n" not in str(record.error)
    buffer = io.BytesIO()
    rows = [{"text": os.urandom(100).hex()} for _ in range(2000)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), buffer, row_group_size=512, compression="gzip")
    broken = bytearray(buffer.getvalue())
    second = parquet.ParquetFile(buffer).metadata.row_group(1).column(0)
    begin = second.dictionary_page_offset or second.data_page_offset
    broken[begin : begin + 10_000] = bytes(10_000)
    path = tmp_path / "a.parquet"
    *records, error = read(path, bytes(broken))
    assert [record.text for record in records] == [row["text"] for row in rows[:512]]
    assert (error.id, error.source, error.text) == (f"{path}:513", str(path), None)
    assert re.match("damaged after row 512 of 2000: (?!None)[a-zA-Z]{3}", str(error.error))


def test_a_parquet_row_that_python_cannot_hold_costs_one_row(tmp_path: Path) -> None:
    text = pyarrow.array([b"good", b"caf\xe9", b"good"]).view(pyarrow.string())
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": text}), buffer)
    records = read(tmp_path / "a.parquet", buffer.getvalue())
    assert [record.text for record in records] == ["good", None, "good"]
    path = str(tmp_path / "a.parquet")
    assert re.match("damaged: (?!None)['a-zA-Z]{3}", str(records[1].error))
    assert (records[1].id, records[1].source) == (f"{path}:2", path)
    assert records[1].row is not None and records[1].row[1] == 1
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": text[:2]}), buffer)
    assert [record.text for record in read(tmp_path / "a.parquet", buffer.getvalue())] == ["good", None]
    records = read(tmp_path / "a.parquet", parquet_bytes([{"text": "a"}, {"text": None}]))
    assert [record.error for record in records] == [None, "field 'text' is NoneType, not a string"]
    assert (records[1].id, records[1].fields) == (f"{path}:2", {"text": None})


def test_a_parquet_text_over_the_limit_costs_one_row(tmp_path: Path) -> None:
    path = str(tmp_path / "a.parquet")
    data = parquet_bytes([{"n": 1, "text": "x" * 10}, {"n": 2, "text": "x" * 11}, {"n": None, "text": "x" * 11}])
    records = read(tmp_path / "a.parquet", data, max_bytes=10, id_field="n")
    assert [record.text for record in records] == ["x" * 10, None, None]
    assert {record.error for record in records[1:]} == {"too large: more than 10 characters"}
    assert [(record.id, record.source) for record in records] == [("1", path), ("2", path), (f"{path}:3", path)]
    assert [record.row[1] for record in records if record.row] == [0, 1, 2]
    assert [record.warnings for record in records] == [(), (), ("no id in field 'n'",)]


@pytest.mark.parametrize("pack", PACK)
@pytest.mark.parametrize("start", [b"word ", b"<html><p>word "])
def test_files_over_the_limit_are_errors(tmp_path: Path, pack: str, start: bytes) -> None:
    (record,) = read(tmp_path / ("a" + pack), PACK[pack](start + b"word " * 1000), max_bytes=4000)
    assert (record.text, record.error) == (None, "too large: more than 4000 bytes")
    assert record.id == record.source == str(tmp_path / ("a" + pack))


@pytest.mark.parametrize("pack", PACK)
def test_files_at_the_limit_are_read(tmp_path: Path, pack: str) -> None:
    for name, data in (("a.txt", b"word" * 1000), ("a.jsonl", b'{"text": "%b"}' % (b"x" * 3988))):
        (record,) = read(tmp_path / (name + pack), PACK[pack](data), max_bytes=4000)
        assert record.error is None
        (record,) = read(tmp_path / (name + pack), PACK[pack](data), max_bytes=3999)
        assert str(record.error).startswith("too large")
    rows = b'{"text": "%b"}\n' % (b"x" * 3988)
    for limit, texts in ((4000, ["x" * 3988] * 2), (3999, [None, None])):
        records = read(tmp_path / ("a.jsonl" + pack), PACK[pack](rows * 2), max_bytes=limit)
        assert [record.text for record in records] == texts


@pytest.mark.parametrize("pack", [".gz", ".zst"])
def test_compressed_parquet_may_be_a_hundred_times_as_large(tmp_path: Path, pack: str) -> None:
    data = parquet_bytes([{"text": os.urandom(500).hex()} for _ in range(300)])
    path = tmp_path / ("a.parquet" + pack)
    assert len(data) > 1 << 17  # several chunks
    limit = (len(data) - 1) // 100
    assert read(path, PACK[pack](data), max_bytes=limit + 1)[0].error is None
    (record,) = read(path, PACK[pack](data), max_bytes=limit)
    assert record == Record(str(path), None, str(path), error=f"too large: more than {100 * limit} bytes of Parquet")


def test_a_file_that_is_open_gives_records_as_they_stand() -> None:
    rows = [{"id": f"a{i}", "text": "Article.", "url": f"https://example.org/{i}", "n": i, "m": i} for i in range(300)]
    opened = Opened(io.BytesIO(parquet_bytes(rows)), "a.parquet")
    assert (opened.kind, opened.compression) == ("parquet", "")
    records = list(opened.records())
    assert [(record.id, record.url) for record in records] == [(row["id"], row["url"]) for row in rows]
    assert {record.text for record in records} == {"Article."}
    assert set(records[0].fields) == {"id", "url"}
    stood = [record.row[0].slice(record.row[1], 1).to_pylist()[0] for record in records if record.row]
    assert stood == rows
    (first, *_) = Opened(io.BytesIO(parquet_bytes(rows)), "a.parquet").records(text_field="url", id_field="n")
    assert (first.id, first.text, first.text_field, first.fields) == ("0", rows[0]["url"], "url", {"n": 0})
    opened = Opened(io.BytesIO(gzip.compress(b"\n" + JSONL)), "b.jsonl.gz")
    assert (opened.kind, opened.compression) == ("jsonl", "gz")
    records = list(opened.records())
    ends = [1, *(1 + len(JSONL) - len(JSONL.split(b"\n", i)[-1]) for i in range(1, 6))]
    assert [record.offset for record in records] == ends[:-1]
    assert b"".join(record.raw or b"" for record in records) == JSONL
    (page,) = Opened(io.BytesIO(PAGE.encode()), "c.html").records()
    assert (page.text, page.raw, page.error) == (None, PAGE.encode(), None)
    assert extracted(page).text == "\n\n".join(PARAGRAPHS)
    assert extracted(extracted(page)) == extracted(page)


def archived(kind: str, url: str, content: bytes, media: str = "application/http; msgtype=response") -> bytes:
    head = f"WARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\nContent-Type: {media}\r\n".encode()
    return b"WARC/1.0\r\n%bContent-Length: %d\r\n\r\n%b\r\n\r\n" % (head, len(content), content)


HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + PAGE.encode()


@pytest.mark.parametrize("address", [b"WARC-Target-URI: \r\n", b"", b"WARC-Target-URI: <https://example.org/>\r\n"])
def test_a_response_without_an_address_is_a_page_all_the_same(address: bytes) -> None:
    pytest.importorskip("warcio", reason="needs the extra `warc`")
    head = b"WARC-Type: response\r\n" + address + b"Content-Type: application/http; msgtype=response\r\n"
    archive = b"WARC/1.0\r\n%bContent-Length: %d\r\n\r\n%b\r\n\r\n" % (head, len(HTTP), HTTP)
    (record,) = map(extracted, Opened(io.BytesIO(archive), "a.warc").records())
    assert (record.text, record.error) == ("\n\n".join(PARAGRAPHS), None)


def test_web_archives_give_their_pages(tmp_path: Path) -> None:
    pytest.importorskip("warcio", reason="needs the extra `warc`")
    members = [
        archived("request", "https://example.org/1", b"GET / HTTP/1.1\r\n\r\n", "application/http; msgtype=request"),
        archived("response", "https://example.org/1", HTTP),
        archived("conversion", "", b"Plain text.", "text/plain"),
        archived("resource", "https://example.org/2", PAGE.encode(), "text/html"),
    ]
    path = tmp_path / "a.warc"
    first, second, third = read(path, b"".join(members))
    assert [record.id for record in (first, second, third)] == [
        "https://example.org/1",
        f"{path}:3",
        "https://example.org/2",
    ]
    assert first.text == third.text == "\n\n".join(PARAGRAPHS)
    assert (second.text, second.url, second.fields) == ("Plain text.", None, {})
    assert (first.title, first.url, first.source, first.error) == (
        "Bridge to close",
        "https://example.org/1",
        str(path),
        None,
    )
    assert [record.offset for record in (first, second, third)] == [sum(map(len, members[:i])) for i in range(1, 4)]
    everything = list(Opened(io.BytesIO(b"".join(members)), "a.warc").records())
    assert [record.is_article for record in everything] == [False, True, True, True]
    *whole, last = read(path, b"".join(members)[:-20])
    assert whole == [first, second]
    assert (last.id, last.source, last.text) == (f"{path}:4", str(path), None)
    assert last.error == "truncated after record 3"
    (cut,) = read(path, members[1][:-20])
    assert (cut.id, cut.error) == (f"{path}:1", "truncated after record 0")
    (large,) = read(path, members[1], max_bytes=200)
    assert (large.text, large.error) == (None, "too large: more than 200 bytes")
    packed = HTTP.replace(b"charset=utf-8", b"charset=utf-8\r\nContent-Encoding: gzip", 1).partition(b"\r\n\r\n")[0]
    packed += b"\r\n\r\n" + gzip.compress(PAGE.replace("</body>", " " * 100_000 + "</body>").encode())
    for timeout in (None, 60):
        member = archived("response", "https://example.org/1", packed)
        (record,) = read(path, member, max_bytes=200_000, timeout=timeout)
        assert record.text == first.text
        (record,) = read(path, member, max_bytes=50_000, timeout=timeout)
        assert (record.text, record.error) == (None, "too large: more than 50000 bytes")


@pytest.mark.parametrize("pack", [".gz", ".zst"])
@pytest.mark.parametrize("start", [b"", b'{"text": "'])
def test_a_bomb_takes_little_memory(tmp_path: Path, pack: str, start: bytes) -> None:
    path = tmp_path / ("a.jsonl" + pack)
    path.write_bytes(PACK[pack](start + b"x" * 200_000_000))
    tracemalloc.start()
    (record,) = read_records([path], max_bytes=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(record.error).startswith("too large")
    assert peak < 10_000_000


LINES = st.one_of(
    st.binary(max_size=30).map(lambda data: data.replace(b"\n", b"") or b"?"),
    st.sampled_from(list(BAD_LINES)),
    st.text(max_size=20).map(lambda text: json.dumps({"text": text}).encode()),
)


@settings(deadline=None)
@given(lines=st.lists(LINES, max_size=8))
@pytest.mark.parametrize("pack", PACK)
def test_every_line_gives_one_record(tmp_path_factory: pytest.TempPathFactory, pack: str, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("lines") / ("a.jsonl" + pack)
    data = b"".join(line + b"\n" for line in [b'{"text": ""}', *lines])
    records = read(path, PACK[pack](data), max_bytes=150_000)
    assert len(records) == 1 + sum(1 for line in lines if line.strip())
    assert all((record.text is None) == (record.error is not None) for record in records)


@settings(deadline=None, max_examples=50)
@given(
    data=st.binary(max_size=300),
    name=st.sampled_from(["a", "a.txt", "a.json", "a.jsonl", "a.parquet", "a.gz"]),
)
@pytest.mark.parametrize("start", [b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"\xff\xfe", b"{", b"[{", b"<html>"])
def test_no_bytes_raise(tmp_path_factory: pytest.TempPathFactory, start: bytes, data: bytes, name: str) -> None:
    for record in read(tmp_path_factory.mktemp("bytes") / name, start + data):
        assert (record.text is None) == (record.error is not None)


def test_the_import_is_cheap() -> None:
    heavy = "{'trafilatura', 'lxml', 'pyarrow', 'backports.zstd'}"
    code = f"import sys, mtdetect.corpus; print({heavy} & {{*sys.modules}})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("module", "name", "data", "extra"),
    [
        ("pyarrow", "a.parquet", b"PAR1\0", "corpus"),
        ("backports.zstd", "a.zst", b"\x28\xb5\x2f\xfd", "corpus"),
        ("warcio.recordloader", "a.warc", archived("response", "https://example.org/", HTTP), "warc"),
    ],
    ids=["pyarrow", "zstd", "warcio"],
)
def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, data: bytes, extra: str
) -> None:
    if module.startswith("backports") and sys.version_info >= (3, 14):
        pytest.skip("Zstandard is in the standard library")
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delattr("backports.zstd", raising=False)
    (record,) = read(tmp_path / name, data)
    assert str(record.error).endswith(f": pip install 'mtdetect[{extra}]'")
    assert record.text is record.raw is None
    assert record.source == str(tmp_path / name) and record.id in (record.source, "https://example.org/")
