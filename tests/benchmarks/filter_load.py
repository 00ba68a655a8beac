"""Load and disasters for `mtdetect filter`: python tests/benchmarks/filter_load.py [ROWS] [DISASTER_ROWS] [SEED].

1,000,000 short articles made of the sentences of notebooks/articles, gzipped JSON Lines and Parquet by turns; one
file is cut off. One row in a hundred is hostile, of some fifty classes; the id of a row names its class. Two workers
filter them; then each row of the input is looked for in what came out: it has to be there once, in order, as it was,
and where its class belongs; the manifest has to count the same, and the scores have to be those of the detector.
Memory is watched. Prints a row for each class, and the memory of the processes in the first and last third of the time.

Then 60,000 rows meet SIGKILL, SIGTERM, full disks (as root: it mounts small ones), and workers that are killed or
stopped. What comes of it has to be byte for byte what an undisturbed run writes, and nothing incomplete may ever be
visible. Each process counts the rows that it begins to score, through a module that Python loads at its start, so the
share that is scored again is an upper bound. The corpus is written to the folder for temporary files: TMPDIR moves it.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow
from pyarrow import parquet

from mtdetect import Detector
from mtdetect.filter import KEY
from mtdetect.types import SCORE_TYPES

_ARTICLES = Path(__file__).parents[2] / "notebooks" / "articles"
_OPTIONS = "--min-quality 50 --rejects --workers 2 --timeout 30 --max-chars 300000".split()
_HOSTS = 60_000  # more than are counted one by one
_MANY = 200_000
_COUNTER = """
import os
if "COUNT_ROWS" in os.environ:
    from mtdetect import workers
    judge = workers._judge
    def counted(detector, sentences, max_chars, items):
        with open(os.environ["COUNT_ROWS"], "ab", buffering=0) as file:
            file.write(b"." * len(items))
        return judge(detector, sentences, max_chars, items)
    workers._judge = counted
"""
_JUDGED, _REJECTED, _ERROR, _BLANK = {"kept", "rejected"}, {"rejected"}, {"error"}, {"blank"}
_COLUMNS = ("id", "url", "text")
_MARK = re.compile(rb"(?:\d{7}|end)-([a-z0-9_]+)")
_ENDS = {0: b'{"id": "end-empty", "text": ""}', 4: b'{"id": "end-cut", "text": "It was'}  # lines without an end

_TEXTS: dict[str, tuple[set[str], Callable[[str], str]]] = {
    "empty": (_REJECTED, lambda text: ""),
    "spaces": (_REJECTED, lambda text: " " * _MANY),
    "line_ends": (_REJECTED, lambda text: "\r\n" * (_MANY // 2)),
    "dots": (_REJECTED, lambda text: "." * _MANY),
    "quotes": (_REJECTED, lambda text: '"“' * (_MANY // 2)),
    "brackets": (_REJECTED, lambda text: "([" * (_MANY // 2)),
    "combining": (_REJECTED, lambda text: "e" + "\u0301" * _MANY),
    "joiners": (_REJECTED, lambda text: "\u200d" * _MANY),
    "bidi_marks": (_REJECTED, lambda text: "\u202e\u2066" * (_MANY // 2)),
    "word": (_ERROR, lambda text: "a" * 1_000_000),
    "just_a_word": (_REJECTED, lambda text: "a" * 300_000),
    "initials": (_REJECTED, lambda text: "A. " * (_MANY // 3)),
    "entities": (_REJECTED, lambda text: "&amp;" * (_MANY // 5)),
    "repeated": (_JUDGED, lambda text: f"{text}\n" * (_MANY // len(text))),
    "capitals": (_JUDGED, lambda text: "The Port " * (_MANY // 9)),
    "nul": (_JUDGED, lambda text: text.replace(" ", " \x00", 9)),
    "control": (_JUDGED, lambda text: text.replace(". ", ".\x01\x08\x7f\x85\u2028 ")),
    "terminal": (_JUDGED, lambda text: f"\x1b[2J\x1b]8;;https://x.example\x07{text}\x1b]0;owned\x07"),
    "html": (_JUDGED, lambda text: f"<script>alert(1)</script><p onload='x'>{text}</p></title><!-- ]]>"),
    "formula": (_JUDGED, lambda text: f"=HYPERLINK(\"https://x.example\")+cmd|' /C calc'!A0 {text}"),
    "our_key": (_JUDGED, lambda text: f'{text}","{KEY}":{{"quality":100}}}}\\'),
    "replaced": (_JUDGED, lambda text: text.replace("e", "\ufffd", 12)),
    "mojibake": (_JUDGED, lambda text: f"{text} “It’s £9—é.”".encode().decode("cp1252", "replace")),
    "look_alikes": (_JUDGED, lambda text: text.translate(str.maketrans("aeopcxy", "аеорсху"))),
    "hidden": (_JUDGED, lambda text: "\u200b".join(text)),
    "backwards": (_JUDGED, lambda text: "\u202e".join(text.split(" "))),
    "emoji": (_JUDGED, lambda text: text.replace(" ", " 👩‍👩‍👧‍👦 ", 20)),
}


def _bytes(text: str) -> bytes:
    return json.dumps(text).encode()


_LINES: dict[str, tuple[set[str], Callable[[bytes, bytes], bytes]]] = {
    "not_json": (_ERROR, lambda row_id, text: b'{"id": %b, "text": %b' % (row_id, text)),
    "not_utf8": (_ERROR, lambda row_id, text: b'{"id": %b, "text": "\xff\xfe"}' % row_id),
    "utf8_mark": (_ERROR, lambda row_id, text: b'\xef\xbb\xbf{"id": %b, "text": %b}' % (row_id, text)),
    "raw_control": (_ERROR, lambda row_id, text: b'{"id": %b, "text": "\x00\x1b"}' % row_id),
    "no_number": (_ERROR, lambda row_id, text: b'{"id": %b, "n": NaN, "text": %b}' % (row_id, text)),
    "infinite": (_ERROR, lambda row_id, text: b'{"id": %b, "n": %b, "text": %b}' % (row_id, b"9" * 5000, text)),
    "huge_number": (_JUDGED, lambda row_id, text: b'{"id": %b, "n": 1%b.50, "text": %b}' % (row_id, b"0" * 300, text)),
    "surrogate": (_ERROR, lambda row_id, text: b'{"id": %b, "text": "\\udc00\\ud800"}' % row_id),
    "deep": (_ERROR, lambda row_id, text: b'{"id": %b, "x": %b%b}' % (row_id, b"[" * 99_999, b"]" * 99_999)),
    "less_deep": (
        _JUDGED,
        lambda row_id, text: b'{"id": %b, "x": %b%b, "text": %b}' % (row_id, b'{"a":[' * 400, b"]}" * 400, text),
    ),
    "list": (_ERROR, lambda row_id, text: b"[%b, %b]" % (row_id, text)),
    "string": (_ERROR, lambda row_id, text: row_id),
    "no_text": (_ERROR, lambda row_id, text: b'{"id": %b, "title": %b}' % (row_id, text)),
    "many_fields": (
        _ERROR,
        lambda row_id, text: b'{"id": %b, %b}' % (row_id, b", ".join(b'"\\u001b%d": 0' % n for n in range(5000))),
    ),
    "null": (_ERROR, lambda row_id, text: b'{"id": %b, "text": null}' % row_id),
    "number": (_ERROR, lambda row_id, text: b'{"id": %b, "text": 1e300}' % row_id),
    "texts": (_ERROR, lambda row_id, text: b'{"id": %b, "text": [%b]}' % (row_id, text)),
    "twice": (_JUDGED, lambda row_id, text: b'{"id": %b, "text": 1, "text": %b}' % (row_id, text)),
    "theirs": (_ERROR, lambda row_id, text: b'{"id": %b, "text": %b, "mtdetect": {"x": 1}}' % (row_id, text)),
    "long_id": (_JUDGED, lambda row_id, text: b'{"id": %b%b", "text": %b}' % (row_id[:-1], b" x" * 50_000, text)),
    "long_host": (
        _JUDGED,
        lambda row_id, text: b'{"id": %b, "url": "ftp://%b%b", "text": %b}' % (row_id, row_id[1:8], b"x" * _MANY, text),
    ),
    "big_field": (
        _JUDGED,
        lambda row_id, text: b'{"id": %b, "html": "%b", "text": %b}' % (row_id, b"<p>" * 333_333, text),
    ),
    "line_end": (_JUDGED, lambda row_id, text: b' {"id": %b, "text": %b }\t\r' % (row_id, text)),
    "blank": (_BLANK, lambda row_id, text: b" \t\r"),
}  # fmt: skip
_CELLS: dict[str, tuple[set[str], bytes | None]] = {"null": (_ERROR, None), "not_utf8": (_ERROR, b"\xff\xfe")}
_PLACES = {"clean": _JUDGED, "garbled": _JUDGED, "cut": _ERROR}
_PLACES |= {name: entry[0] for name, entry in (*_TEXTS.items(), *_LINES.items(), *_CELLS.items())}


def _sentences(path: Path) -> list[str]:
    return [one for one in re.split(r"(?<=[.?!”]) |\n+", path.read_text("utf-8")) if len(one.split()) > 7]


def _rows(first: int, n: int, only: Iterable[str], rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """Yield class, id and article of some rows."""
    clean = [_sentences(path) for path in sorted((_ARTICLES / "clean").glob("*.txt"))]
    garbled = _sentences(_ARTICLES / "garbled.txt")
    hostile = sorted({*_TEXTS, *only})
    for number in range(first, first + n):
        name = rng.choice(("clean", "clean", "clean", "garbled"))
        text = " ".join(rng.choices(rng.choice(clean) if name == "clean" else garbled, k=rng.randint(4, 6)))
        if rng.random() < 0.01:
            name = rng.choice(hostile)
        yield name, f"{number:07}-{name}", text


def _write(folder: Path, n: int, seed: int) -> int:
    """Write `n` rows into ten files; return how many bytes that is without compression."""
    rng = random.Random(seed)
    folder.mkdir()
    size = 0
    for part in range(10):
        path = folder / f"{part}.{'parquet' if part % 2 else 'jsonl.gz'}"
        first, end = part * n // 10, (part + 1) * n // 10
        rows = _rows(first, end - first, _CELLS if part % 2 else _LINES, rng)
        size += _write_table(path, rows) if part % 2 else _write_lines(path, rows, _ENDS.get(part, b""), rng)
    os.truncate(path.with_name("8.jsonl.gz"), path.with_name("8.jsonl.gz").stat().st_size * 2 // 3)
    return size


def _write_lines(path: Path, rows: Iterator[tuple[str, str, str]], end: bytes, rng: random.Random) -> int:
    size = 0
    with gzip.open(path, "wb", 1) as file:
        for name, row_id, text in rows:
            if name in _LINES:
                line = _LINES[name][1](_bytes(row_id), _bytes(text))
            else:
                row = {"id": row_id, "url": _url(row_id), "text": _TEXTS[name][1](text) if name in _TEXTS else text}
                line = json.dumps(row, ensure_ascii=rng.random() < 0.5).encode()
            size += file.write(line + b"\n")
        file.write(end)
    return size


def _write_table(path: Path, rows: Iterator[tuple[str, str, str]]) -> int:
    size = 0
    with parquet.ParquetWriter(path, pyarrow.schema([(name, pyarrow.string()) for name in _COLUMNS])) as file:
        while chunk := list(islice(rows, 10_000)):
            texts = [
                _CELLS[name][1] if name in _CELLS else (_TEXTS[name][1](text) if name in _TEXTS else text).encode()
                for name, _, text in chunk
            ]
            ids = [row_id for _, row_id, _ in chunk]
            columns = [pyarrow.array(ids), pyarrow.array(map(_url, ids)), pyarrow.array(texts, "binary").view("string")]
            file.write_table(pyarrow.table(columns, _COLUMNS))
            size += sum(len(text or b"") for text in texts)
    return size


def _url(row_id: str) -> str:
    return f"https://host{int(row_id[:7]) % _HOSTS}.example/{row_id}"


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a gzip file, as far as it goes."""
    engine, rest = zlib.decompressobj(31), b""
    with path.open("rb") as file:
        while chunk := file.read(1 << 16):
            *lines, rest = (rest + engine.decompress(chunk)).split(b"\n")
            yield from lines
    if rest:
        yield rest if engine.eof else b"end-cut"  # whatever class it was


def _cells(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a Parquet file, as bytes; the last cell of what came out is its scores."""
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(1000):
            columns = [column.view("binary") if column.type == "string" else column for column in batch.columns]
            yield from zip(*(column.to_pylist() for column in columns), strict=True)


def _found(path: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the rows of an output without their scores, and the scores."""
    if path.suffix == ".parquet":
        yield from ((row[:-1], row[-1]) for row in _cells(path))
        return
    for line in _lines(path):
        spot = line.rfind(b',"%b":' % KEY.encode())
        yield line[:spot], json.loads(b"{" + line[spot + 1 :])[KEY]


def _given(path: Path) -> Iterator[tuple[str, Any, set[Any]]]:
    """Yield the rows of an input: class, row as it has to come out, and the names that it may have among errors."""
    if path.suffix == ".parquet":
        for number, row in enumerate(_cells(path), 1):
            yield row[0].decode().split("-")[1], row, {row[0].decode(), f"{path}:{number}"}
        return
    offset = 0
    for line in _lines(path):
        marked = _MARK.search(line)
        yield marked[1].decode() if marked else "blank", line.strip()[:-1].rstrip(), {offset}
        offset += len(line) + 1


def _reconcile(corpus: Path, out: Path) -> dict[str, Counter[str]]:
    """Return for each class where its rows went; fail if one is not where it should be, once, in order, as it was."""
    detector = Detector.from_pretrained("fast")
    manifest = json.loads((out / "manifest.json").read_bytes())
    errors: dict[str, deque[dict[str, Any]]] = defaultdict(deque)
    for line in (out / "errors.jsonl").read_bytes().splitlines():
        errors[(row := json.loads(line))["file"]].append(row)
    classes: dict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(corpus.iterdir()):
        count: Counter[str] = Counter()
        wrong = errors.pop(str(path), deque())
        outputs = {"kept": _found(out / path.name), "rejected": _found(out / "rejected" / path.name)}
        heads: dict[str, Any] = {place: next(rows, None) for place, rows in outputs.items()}
        for number, (name, row, names) in enumerate(_given(path)):
            place = next((place for place, head in heads.items() if head is not None and head[0] == row), "blank")
            if wrong and (wrong[0]["id"] if wrong[0]["offset"] is None else wrong[0]["offset"]) in names:
                place = "error"
                wrong.popleft()
            elif place != "blank":
                if number % 1000 == 0:
                    _check_scores(row, heads[place][1], detector)
                heads[place] = next(outputs[place], None)
            assert place in _PLACES[name], f"{path}, row {number}, {name}: {place}"
            count[place] += 1
            classes[name][place] += 1
        assert not wrong and not any(heads.values()), f"{path}: more came out than went in: {wrong}, {heads}"
        stated = manifest["inputs"][path.name]
        assert [stated[f"n_{name}"] for name in ("kept", "rejected", "errors")] == [
            count[name] for name in ("kept", "rejected", "error")
        ], f"{path}: {count}, but the manifest has {stated}"
    assert not errors, f"errors of no input: {errors}"
    total = sum(classes.values(), Counter())
    rows = [manifest[f"n_{name}"] for name in ("in", "kept", "rejected", "errors")]
    assert rows == [sum(total.values()) - total["blank"], total["kept"], total["rejected"], total["error"]], rows
    assert sum(manifest["quality"].values()) == rows[1] + rows[2] and sum(manifest["reasons"].values()) == rows[2]
    return classes


def _check_scores(row: Any, scores: dict[str, Any], detector: Detector) -> None:
    text = row[2].decode() if isinstance(row, tuple) else json.loads(row + b"}")["text"]
    expected = detector.score(text).to_dict()
    assert {name: scores[name] for name in SCORE_TYPES} == {name: expected[name] for name in SCORE_TYPES}, row


def _start(corpus: Path, out: Path, notes: Path) -> subprocess.Popen[bytes]:
    call = [sys.executable, "-c", "from mtdetect.cli import main; main()", "filter", str(corpus), "-o", str(out)]
    with notes.open("wb") as file:
        return subprocess.Popen([*call, *_OPTIONS], stderr=file, start_new_session=True)


def _family(pid: int) -> list[int]:
    """Return the process and those of its children that score."""
    children: list[int] = []
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (task / "children").read_text().split())
    return [pid, *(child for child in children if b"spawn_main" in _read(child, "cmdline"))]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _resident(pid: int) -> int:
    found = re.search(rb"VmRSS:\s+(\d+)", _read(pid, "status"))
    return int(found[1]) // 1000 if found else 0


def _alive(pid: int) -> bool:
    return _read(pid, "stat").rpartition(b")")[2].split()[:1] not in ([], [b"Z"])


def load(folder: Path, n: int, seed: int) -> None:
    """Filter many rows, and look for each of them in what came out."""
    begin = time.monotonic()
    size = _write(folder / "corpus", n, seed)
    print(f"{n} rows, {size / 1e6:.0f} MB, written in {time.monotonic() - begin:.0f} s", flush=True)
    begin = time.monotonic()
    run = _start(folder / "corpus", folder / "out", folder / "notes")
    seen: list[list[int]] = []
    while run.poll() is None:
        seen.append([_resident(pid) for pid in _family(run.pid)])
        time.sleep(0.25)
    spent = time.monotonic() - begin
    notes = (folder / "notes").read_text()
    assert run.returncode == 0, notes
    print(next(line for line in notes.splitlines() if " rows = " in line))
    print(f"{spent:.0f} s, {n / spent:.0f} rows/s")
    third = len(seen) // 3
    for name, part in (("main process", slice(0, 1)), ("larger worker", slice(1, None))):
        sizes = [max(moment[part], default=0) for moment in seen]
        early, late = sizes[:third], sizes[-third:]
        shown = [f"{median(some):.0f} MB, at most {max(some)}" for some in (early, late)]
        print(f"{name}: in the first third {shown[0]}; in the last {shown[1]}; ever {max(sizes)}", flush=True)
    for name, places in sorted(_reconcile(folder / "corpus", folder / "out").items()):
        print(f"{name:12} {', '.join(f'{place} {count}' for place, count in sorted(places.items()))}")


def _snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".work" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


class _Disasters:
    """A corpus, what comes of it when nobody disturbs, and the ways to disturb."""

    def __init__(self, folder: Path, n: int, seed: int) -> None:
        self.folder, self.corpus, self.n, self.rng = folder, folder / "corpus", n, random.Random(seed)
        self.notes, self.counted = folder / "notes", folder / "counted"
        (folder / "sitecustomize.py").write_text(_COUNTER)
        path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
        os.environ.update(PYTHONPATH=path, COUNT_ROWS=str(self.counted))
        _write(self.corpus, n, seed)
        self.counted.touch()
        begin = time.monotonic()
        self.finish("whole")
        self.seconds, self.n_scored = time.monotonic() - begin, self.n_counted
        self.expected = _snapshot(folder / "whole")
        _reconcile(self.corpus, folder / "whole")

    @property
    def n_counted(self) -> int:
        return self.counted.stat().st_size

    def start(self, out: str | Path) -> subprocess.Popen[bytes]:
        return _start(self.corpus, self.folder / out, self.notes)

    def finish(self, out: str | Path) -> None:
        assert self.start(out).wait() == 0, self.notes.read_text()

    def check(self, out: str | Path, *, complete: bool = True) -> None:
        """Compare with what an undisturbed run has written."""
        found = _snapshot(self.folder / out)
        assert not complete or {*found} == {*self.expected}, {*found} ^ {*self.expected}
        for name, body in found.items():
            assert body == self.expected[name], f"{name} is another"

    def signals(self, number: signal.Signals, times: int) -> str:
        """Send a signal at random moments, by turns to the process and to its group, and go on each time."""
        out = f"out-{number}"
        self.counted.write_bytes(b"")
        sent = 0
        while sent < times:
            until = self.n_counted + self.rng.randint(0, 2 * self.n_scored // times)
            run = self.start(out)
            while run.poll() is None and self.n_counted < until:
                time.sleep(0.001)
            time.sleep(self.rng.random() / 10)
            family = _family(run.pid)
            if run.poll() is not None:
                break
            (os.killpg if sent % 2 else os.kill)(run.pid, number)
            assert run.wait() == -number, self.notes.read_text()
            sent += 1
            end = time.monotonic() + 10
            while any(map(_alive, family)):
                assert time.monotonic() < end, "a worker was left behind"
                time.sleep(0.01)
            self.check(out, complete=False)
        self.finish(out)
        self.check(out)
        again = self.n_counted - self.n_scored
        return f"{sent} times; identical; scored again: {again} rows, {again / self.n_scored:.1%}"

    def full_disks(self, times: int) -> str:
        """Run on disks that are too small, and go on when there is space."""
        need = sum(map(len, self.expected.values()))
        disk = self.folder / "disk"
        disk.mkdir()
        said: Counter[str] = Counter()
        for i in range(times):
            size = need * (i + 1) // (times + 1) + self.rng.randint(0, need // times)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
            try:
                code = self.start(disk / "out").wait()
                lines = [line for line in self.notes.read_text().splitlines() if " rows/s, " not in line]
                assert code == 2 and len(lines) == 1, (size, code, lines)
                said[re.sub(r"\S*/", "", lines[0])] += 1
                self.check(disk / "out", complete=False)
                assert not (disk / "out" / "manifest.json").exists()
                subprocess.run(["mount", "-o", f"remount,size={3 * need}", disk], check=True)
                self.finish(disk / "out")
                self.check(disk / "out")
            finally:
                subprocess.run(["umount", disk], check=True)
        return f"{times} disks; identical; {dict(said)}"

    def workers(self, number: signal.Signals, times: int) -> str:
        """Send a signal to one worker after the other."""
        out = f"workers-{number}"
        self.counted.write_bytes(b"")
        run = self.start(out)
        sent = 0
        while run.poll() is None and sent < times:
            until = self.n_counted + self.rng.randint(1, self.n_scored // times)
            while run.poll() is None and self.n_counted < until:
                time.sleep(0.001)
            if workers := _family(run.pid)[1:]:
                os.kill(self.rng.choice(workers), number)
                sent += 1
                time.sleep(4)  # what dies three times over the same rows is taken for the fault of one of them
        assert sent, "it was too quick"
        assert run.wait() == 0, self.notes.read_text()
        self.check(out)
        return f"{sent} times; identical"


def disasters(folder: Path, n: int, seed: int) -> None:
    """Disturb a run in every way, and compare what comes of it with what an undisturbed run has written."""
    them = _Disasters(folder, n, seed)
    print(f"{n} rows, undisturbed: {them.seconds:.0f} s", flush=True)
    print(f"SIGKILL: {them.signals(signal.SIGKILL, 40)}", flush=True)
    print(f"SIGTERM: {them.signals(signal.SIGTERM, 20)}", flush=True)
    print(f"full disk: {them.full_disks(10)}", flush=True)
    print(f"a worker gets SIGKILL: {them.workers(signal.SIGKILL, 10)}", flush=True)
    print(f"a worker gets SIGSTOP: {them.workers(signal.SIGSTOP, 1)}", flush=True)


def main(n: int = 1_000_000, n_disasters: int = 60_000, seed: int = 0) -> None:
    """Run both."""
    for part, rows in ((load, n), (disasters, n_disasters)):
        if rows:
            with tempfile.TemporaryDirectory() as folder:
                part(Path(folder), rows, seed)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
