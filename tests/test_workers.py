"""Several processes, and what is left of a run: the same output, nothing scored twice, nobody left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_filter import CLEAN, GARBLED, command, line, packed, snapshot

from mtdetect import Detector
from mtdetect.child import Child
from mtdetect.corpus import InputError, Record
from mtdetect.filter import Rule, filter_corpus
from mtdetect.workers import Journal, Scored, Scorer, chunked


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rows = [line((CLEAN, GARBLED, "Short.")[i % 3], id=i) for i in range(900)]
    rows[400] = b"broken\n"
    (folder / "a.jsonl.zst").write_bytes(packed(b"".join(rows), ".zst"))
    (folder / "b.txt").write_text(CLEAN)
    return folder


@pytest.fixture(scope="module")
def expected(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("alone") / "out"
    filter_corpus([corpus], out, Rule(50), Detector.from_pretrained("fast"), rejects=True)
    return snapshot(out)


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def scoring(pid: int) -> list[int]:
    """Return the processes that score: those children that are not the resource tracker."""
    return [child for child in children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: object, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.002)


@pytest.mark.parametrize("workers", [2, 3])
def test_the_output_does_not_depend_on_the_workers(
    tmp_path: Path, corpus: Path, expected: dict[str, bytes], detector: Detector, workers: int
) -> None:
    filter_corpus([corpus], tmp_path / "out", Rule(50), detector, rejects=True, workers=workers)
    assert snapshot(tmp_path / "out") == expected


def heed_interrupts() -> None:
    """Undo what shells do to what they start with "&", these tests perhaps: ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def running(tmp_path: Path, corpus: Path) -> Iterator[subprocess.Popen[bytes]]:
    call = command(corpus, "-o", tmp_path / "out", "--min-quality", 50, "--rejects", "--workers", 2)
    process = subprocess.Popen(call, stderr=subprocess.DEVNULL, preexec_fn=heed_interrupts)
    until(lambda: len(scoring(process.pid)) == 2 or process.poll() is not None)
    until(lambda: any((tmp_path / "out" / ".work").glob("*.journal")) or process.poll() is not None)
    assert process.poll() is None
    yield process
    process.kill()
    process.wait()


def test_a_worker_that_is_killed_is_replaced(
    tmp_path: Path, running: subprocess.Popen[bytes], expected: dict[str, bytes]
) -> None:
    os.kill(scoring(running.pid)[0], signal.SIGKILL)
    assert running.wait() == 0
    assert snapshot(tmp_path / "out") == expected


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nobody_is_left_behind(
    tmp_path: Path, corpus: Path, running: subprocess.Popen[bytes], expected: dict[str, bytes], number: signal.Signals
) -> None:
    family = [running.pid, *children(running.pid)]
    running.send_signal(number)
    assert running.wait() != 0
    until(lambda: not any(map(alive, family)))
    visible = {name: body for name, body in snapshot(tmp_path / "out").items() if not name.startswith(".work")}
    assert all(expected[name] == body for name, body in visible.items())
    call = command(corpus, "-o", tmp_path / "out", "--min-quality", 50, "--rejects")  # with one worker now
    assert subprocess.run(call, capture_output=True).returncode == 0
    assert snapshot(tmp_path / "out") == expected


class Deadly(Detector):
    """Ends its process at a certain text."""

    def score(self, text: str):  # type: ignore[no-untyped-def]
        return super().score(text)

    def score_many(self, texts):  # type: ignore[no-untyped-def]
        texts = list(texts)
        if any("deadly" in text for text in texts):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().score_many(texts)


def test_a_row_that_kills_costs_one_error(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl"
    rows = [line(CLEAN, id=i) for i in range(30)]
    rows[11] = line(f"{CLEAN} deadly", id=11)
    source.write_bytes(b"".join(rows))
    deadly = Deadly(detector.classifier)
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), deadly, workers=2)
    assert (manifest["n_in"], manifest["n_kept"], manifest["n_errors"]) == (30, 29, 1)
    assert "died" in (tmp_path / "out" / "errors.jsonl").read_text()


class DiesAsItBegins:
    """Ends the process that reads it, before that has read all of its work."""

    def __reduce__(self) -> Any:
        return die, ()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_dies_as_it_begins_is_noticed() -> None:
    noticed = threading.Event()

    def ask() -> None:
        with pytest.raises((EOFError, OSError)):
            Child(partial(print, DiesAsItBegins(), bytes(10_000_000))).ask(None)
        noticed.set()

    threading.Thread(target=ask, daemon=True).start()  # not in this one, which might wait for ever
    assert noticed.wait(20)


class Stillborn(Detector):
    def __reduce__(self) -> Any:
        return die, ()


def test_processes_that_never_begin_are_not_the_fault_of_rows(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(line(CLEAN))
    with pytest.raises(InputError, match="no process can be started"):
        filter_corpus([source], tmp_path / "out", Rule(50), Stillborn(detector.classifier), workers=2)
    assert filter_corpus([source], tmp_path / "out", Rule(50), detector, workers=2)["n_kept"] == 1


def test_a_process_that_dies_while_it_waits_is_noticed() -> None:
    code = """
import signal
from mtdetect.child import Child
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as on the command line
child = Child(abs)
assert child.ask(-1) == 1
child.kill()
child._process.join()
try:
    child.ask(-2)
except OSError:
    print("noticed")
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert ran.stdout == b"noticed\n" and ran.returncode == 0, ran


def test_nothing_is_scored_twice(tmp_path: Path, detector: Detector) -> None:
    chunks = [[Record(str(i), f"{CLEAN} {i}", "a", raw=b"%d" % i)] for i in range(5)]
    scored: list[str] = []

    class Counting(Detector):
        def score_many(self, texts):  # type: ignore[no-untyped-def]
            texts = list(texts)
            scored.extend(texts)
            return super().score_many(texts)

    def run(content: bytes, n: int) -> tuple[list[Any], bytes]:
        path = tmp_path / "journal"
        path.write_bytes(content)
        scored.clear()
        journal = Journal(path)
        try:
            return list(Scorer(Counting(detector.classifier)).run(chunks[:n], journal)), path.read_bytes()
        finally:
            journal.close()

    _, content = run(b"", 3)
    everything, whole = run(b"", 5)
    lines = content.splitlines(keepends=True)
    assert len(lines) == 3 and whole.startswith(content)
    for begun, missing in {
        content: [3, 4],
        content[:-1]: [2, 3, 4],
        content[: len(lines[0]) + 5]: [1, 2, 3, 4],
        content[:50] + bytes(len(content) - 50): [0, 1, 2, 3, 4],  # as after a loss of power
        lines[2] + lines[0]: [1, 3, 4],  # in the order in which they were ready
        b"5\n": [0, 1, 2, 3, 4],
    }.items():
        again, after = run(begun, 5)
        assert again == everything
        assert scored == [chunks[i][0].text for i in missing]
        assert sorted(after.splitlines()) == sorted(whole.splitlines())
    chunks[0] = [Record("0", CLEAN, "a", raw=b"other")]
    with pytest.raises(InputError, match="has changed"):
        run(content, 5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 60_000), max_size=200))
def test_chunks_are_all_there_is_in_order(sizes: list[int]) -> None:
    records = [Record(str(i), "x" * size, "a") for i, size in enumerate(sizes)]
    chunks = list(chunked(iter(records)))
    assert [record for chunk in chunks for record in chunk] == records
    assert all(chunks)
    for chunk in chunks:
        assert sum(len(record.text or "") for record in chunk[:-1]) < 100_000


def test_chunks_of_short_texts_in_long_rows_are_small() -> None:
    records = [Record(str(i), "Short.", "a", raw=bytes(1_000_000)) for i in range(10)]
    assert max(map(len, chunked(records))) == 4


def test_a_row_reads_the_same_from_the_journal() -> None:
    row = Scored({"quality": 1.23, "reason": None}, None, "https://a.example", [[0, 5, 0.5, 1]])
    assert Scored(*json.loads(json.dumps(list(row)))) == row
