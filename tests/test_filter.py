"""Filter: rows as they were, each exactly once, whatever happens on the way."""

from __future__ import annotations

import gc
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from mtdetect import Detector
from mtdetect.corpus import InputError
from mtdetect.filter import KEY, Rule, filter_corpus

ARTICLES = Path(__file__).parents[1] / "notebooks" / "articles"
CLEAN = (ARTICLES / "clean.txt").read_text("utf-8")
GARBLED = (ARTICLES / "garbled.txt").read_text("utf-8")


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.from_pretrained("fast")


def line(text: object, **fields: Any) -> bytes:
    return json.dumps({**fields, "text": text}, ensure_ascii=False).encode() + b"\n"


def packed(data: bytes, suffix: str) -> bytes:
    if suffix == ".gz":
        return gzip.compress(data)
    if suffix == ".zst":
        zstd = pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
        return bytes(zstd.compress(data[: len(data) // 2]) + zstd.compress(data[len(data) // 2 :]))  # two frames
    return data


def unpacked(path: Path) -> list[bytes]:
    data = path.read_bytes()
    if path.suffix == ".gz":
        data = gzip.decompress(data)
    if path.suffix == ".zst":
        zstd = pytest.importorskip("backports.zstd" if sys.version_info < (3, 14) else "compression.zstd")
        data = zstd.decompress(data)
    return data.splitlines(keepends=True)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from mtdetect.cli import main; main()", "filter", *map(str, arguments)]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_rows_keep_all_they_had(tmp_path: Path, detector: Detector, suffix: str) -> None:
    rows = [
        b'{"n": 12345678901234567890123, "f": 1.10, "text": ' + json.dumps(CLEAN).encode() + b' , "s": "\\u00e9"}\n',
        line(GARBLED, id="bad"),
        line(CLEAN, id="good"),
        line("Too short.", id="short"),
    ]
    source = tmp_path / f"a.jsonl{suffix}"
    source.write_bytes(packed(b"".join(rows), suffix))
    out = tmp_path / "out"
    manifest = filter_corpus([source], out, Rule(50), detector, rejects=True)
    assert [manifest[name] for name in ("n_in", "n_kept", "n_rejected", "n_errors")] == [4, 2, 2, 0]
    assert manifest["reasons"] == {"quality": 1, "not judged: too short": 1}
    kept = unpacked(out / source.name)
    for before, after in zip([rows[0], rows[2]], kept, strict=True):
        assert after.startswith(before.rstrip()[:-1].rstrip())
        assert json.loads(after)[KEY]["quality"] >= 50
    rejected = [json.loads(row) for row in unpacked(out / "rejected" / source.name)]
    assert [row["id"] for row in rejected] == ["bad", "short"]
    assert rejected[0][KEY]["rejected"] == "quality" and rejected[0][KEY]["quality"] < 50
    assert rejected[1][KEY]["quality"] is None and rejected[1][KEY]["rejected"].startswith("not judged: too short")
    assert not list(out.rglob(".*"))


def test_scores_are_those_of_the_detector(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(line(CLEAN) + line(GARBLED))
    filter_corpus([source], tmp_path / "out", Rule(0), detector)
    for text, row in zip((CLEAN, GARBLED), unpacked(tmp_path / "out" / "a.jsonl"), strict=True):
        expected = detector.score(text).to_dict()
        assert json.loads(row)[KEY] == {
            k: v for k, v in expected.items() if k not in ("sentences", "residue", "encoding_damage")
        }


def test_output_can_be_filtered_again(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(line(CLEAN, x=1) + line(CLEAN, mtdetect={"theirs": 1}))
    first = filter_corpus([source], tmp_path / "one", Rule(50), detector)
    assert (first["n_kept"], first["n_errors"]) == (1, 1)  # a field of theirs is never overwritten
    filter_corpus([tmp_path / "one" / "a.jsonl"], tmp_path / "two", Rule(50), detector)
    assert (tmp_path / "one" / "a.jsonl").read_bytes() == (tmp_path / "two" / "a.jsonl").read_bytes()


@pytest.mark.parametrize("option", ["max_mt_score", "max_flagged_share"])
def test_other_limits_reject_too(tmp_path: Path, detector: Detector, option: str) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(line(CLEAN) + line(GARBLED))
    article = detector.score(CLEAN)
    limit = {
        "max_mt_score": article.to_dict()["mt_score"],
        "max_flagged_share": article.n_flagged / article.n_sentences,
    }[option]
    manifest = filter_corpus([source], tmp_path / "out", Rule(0, **{option: limit}), detector)
    assert manifest["reasons"] == {option.removeprefix("max_").replace("flagged_", "flagged "): 1}


DAMAGE = {
    "not JSON": b'{"text": \n',
    "invalid UTF-8": b'{"text": "\xff"}\n',
    "a number": line(3),
    "not a number": b'{"text": NaN}\n',
    "a surrogate": b'{"text": "\\ud800"}\n',
    "deep": b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "a list": b"[1, 2]\n",
    "no text": b'{"title": "x"}\n',
    "too long": b'{"text": "' + b"x" * 21_000_000 + b'"}\n',
}


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_broken_row_costs_one_error(tmp_path: Path, detector: Detector, damage: str, suffix: str) -> None:
    source = tmp_path / f"a.jsonl{suffix}"
    good = line(CLEAN)
    source.write_bytes(packed(b"\xef\xbb\xbf" + good + DAMAGE[damage] + good, suffix))
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), detector)
    assert (manifest["n_in"], manifest["n_kept"], manifest["n_errors"]) == (3, 2, 1)
    (error,) = map(json.loads, (tmp_path / "out" / "errors.jsonl").read_bytes().splitlines())
    assert error["file"] == str(source) and error["offset"] == 3 + len(good) and error["reason"]
    with pytest.raises(InputError):
        filter_corpus([source], tmp_path / "strict", Rule(50), detector, fail=True)
    assert not (tmp_path / "strict" / source.name).exists()


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_truncated_file_is_reported(tmp_path: Path, detector: Detector, suffix: str) -> None:
    source = tmp_path / f"a.jsonl{suffix}"
    # random words hardly compress, so that a good part of the rows comes before the cut
    rows = b"".join(line(CLEAN, noise=os.urandom(3000).hex()) for _ in range(20))
    data = packed(rows, suffix)
    source.write_bytes(data[: len(data) * 2 // 3])
    manifest = filter_corpus([source], tmp_path / "out", Rule(50), detector)
    assert manifest["n_errors"] == 1
    assert manifest["n_in"] == manifest["n_kept"] + manifest["n_rejected"] + manifest["n_errors"] > 5
    assert "truncated" in (tmp_path / "out" / "errors.jsonl").read_text()


def test_another_run_is_never_mixed_in(tmp_path: Path, detector: Detector) -> None:
    source, out = tmp_path / "a.jsonl", tmp_path / "out"
    source.write_bytes(line(CLEAN))
    filter_corpus([source], out, Rule(50), detector)
    before = snapshot(out)
    filter_corpus([source], out, Rule(50), detector)  # nothing left to do
    assert snapshot(out) == before
    with pytest.raises(InputError, match="min_quality was 50"):
        filter_corpus([source], out, Rule(60), detector)
    with pytest.raises(InputError, match="signature was"):
        filter_corpus([source], out, Rule(50), Detector.from_pretrained("fast", point="fpr_5"))
    source.write_bytes(line(CLEAN) * 2)
    with pytest.raises(InputError, match="has changed"):
        filter_corpus([source], out, Rule(50), detector)
    assert snapshot(out) == before
    source.write_bytes(line(CLEAN))
    (out / "a.jsonl").unlink()
    with pytest.raises(InputError, match="is gone"):
        filter_corpus([source], out, Rule(50), detector)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("dear")
    with pytest.raises(InputError, match="not empty"):
        filter_corpus([source], mine, Rule(50), detector)
    assert snapshot(mine) == {"thesis.txt": b"dear"}


def test_names_that_would_collide_are_refused(tmp_path: Path, detector: Detector) -> None:
    for name in ("one/a.jsonl", "two/a.jsonl", "three/errors.jsonl", "four/rejected/a.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(line(CLEAN))
    out = tmp_path / "out"
    for inputs in (["one/a.jsonl", "two/a.jsonl"], ["three/errors.jsonl"], ["four"], ["none.jsonl"], [""]):
        with pytest.raises(InputError):
            filter_corpus([tmp_path / name for name in inputs], out, Rule(50), detector)
    with pytest.raises(InputError, match="overwritten"):
        filter_corpus([tmp_path / "one" / "a.jsonl"], tmp_path / "one", Rule(50), detector)
    assert not out.exists()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for shard in range(8):
        rows = [line((CLEAN, GARBLED)[i % 3 == 0], id=f"{shard}-{i}") for i in range(150)] + [b"broken\n"]
        data = b"".join(rows)
        suffix = ".gz" if shard % 2 else ""
        (folder / f"{shard}.jsonl{suffix}").write_bytes(packed(data, suffix))
    return folder


def test_kills_leave_no_trace(tmp_path: Path, corpus: Path, detector: Detector) -> None:
    filter_corpus([corpus], tmp_path / "whole", Rule(50), detector, rejects=True)
    expected = snapshot(tmp_path / "whole")
    out = tmp_path / "out"
    arguments = command(corpus, "-o", out, "--min-quality", 50, "--rejects")
    begin = time.monotonic()
    subprocess.run(command(corpus, "-o", tmp_path / "timed", "--min-quality", 50, "--rejects"), check=True)
    whole = time.monotonic() - begin
    killed = 0
    for attempt in range(12):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            process.communicate(timeout=whole * (0.3 + 0.05 * attempt))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            killed += 1
        for name, content in snapshot(out).items() if out.exists() else ():
            if not name.startswith(".work") and name not in ("manifest.json",):
                assert content == expected[name]  # what is visible is complete
        if process.returncode == 0:
            break
    subprocess.run(arguments, check=True, capture_output=True)
    assert killed and snapshot(out) == expected


def test_a_full_disk_leaves_no_incomplete_file(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "out"
    limit = ["bash", "-c", 'ulimit -f 90 && exec "$@"', "bash"]  # blocks of 1,024 bytes
    limited = subprocess.run([*limit, *command(corpus, "-o", out, "--min-quality", 50)], capture_output=True)
    assert limited.returncode == 2 and limited.stderr.count(b"\n") == 1 and b"too large" in limited.stderr
    assert not (out / "0.jsonl").exists()
    done = subprocess.run(command(corpus, "-o", out, "--min-quality", 50), capture_output=True, check=True)
    assert b"1208 rows = 800 kept + 400 rejected + 8 errors" in done.stderr and not done.stdout


def test_wrong_calls_are_one_line(tmp_path: Path, corpus: Path) -> None:
    out = tmp_path / "out"
    for wrong in (
        [corpus, "-o", out],
        [corpus, "-o", out, "--min-quality", "101"],
        [corpus, "-o", out, "--min-quality", "nan"],
        [corpus, "-o", out, "--min-quality", "50", "--fpr", "0.5"],
        [tmp_path / "none.jsonl", "-o", out, "--min-quality", "50"],
        [corpus, "-o", corpus / "out", "--min-quality", "50"],
        [corpus, "-o", out, "--min-quality", "50", "--on-error", "fail"],
    ):
        ran = subprocess.run(command(*wrong), capture_output=True)
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1 and not ran.stdout, ran


def test_dry_run_tells_what_each_limit_keeps(tmp_path: Path, corpus: Path, detector: Detector) -> None:
    before = snapshot(corpus)
    ran = subprocess.run(command(corpus, "--dry-run", 40), capture_output=True, check=True, text=True)
    lines = ran.stdout.splitlines()
    # five rows of each of eight shards, of which the first and the fourth are garbled
    garbled, clean = detector.score(GARBLED).quality, detector.score(CLEAN).quality
    assert garbled is not None and clean is not None
    for limit, shown in zip(range(0, 100, 10), lines[:10], strict=True):
        kept = 16 * (garbled >= limit) + 24 * (clean >= limit)
        assert shown == f"--min-quality {limit:<4} keeps {kept} of 40 articles, {kept / 40:.1%}"
    share = detector.score(CLEAN).n_flagged / detector.score(CLEAN).n_sentences
    assert (
        lines[-1] == f"--max-flagged-share 0    keeps {24 * (share == 0)} of 40 articles, {24 * (share == 0) / 40:.1%}"
    )
    assert snapshot(corpus) == before and not list(tmp_path.iterdir())


def test_a_run_that_was_killed_at_once_can_start(tmp_path: Path, detector: Detector) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(line(CLEAN))
    (tmp_path / "out" / ".work").mkdir(parents=True)
    assert filter_corpus([source], tmp_path / "out", Rule(50), detector)["n_kept"] == 1


def test_hosts_take_little_memory(tmp_path: Path, detector: Detector) -> None:
    def peak(files: int, *hosts: str) -> int:
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        for number in range(files):
            content = b"".join(line("Short.", url=f"https://{host}/") for host in hosts)
            (folder / f"{number}.jsonl").write_bytes(content)
        gc.collect()
        tracemalloc.start()
        try:
            filter_corpus([folder], folder.with_suffix(".out"), Rule(50), detector)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1, "what is loaded once")
    names = [f"host{i}.example" for i in range(1000)]
    # what grows with hosts and files would be two megabytes; how much garbage waits for the collector varies
    assert peak(12, *names) < peak(2, *names) + 700_000
    assert peak(1, *(f"{i}{'x' * 20_000}" for i in range(100))) < 8_000_000  # twice the text of the rows


def test_two_runs_at_once_do_not_meet(tmp_path: Path, corpus: Path, detector: Detector) -> None:
    filter_corpus([corpus], tmp_path / "alone", Rule(50), detector)
    out = tmp_path / "out"
    arguments = command(corpus, "-o", out, "--min-quality", 50)
    first = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
    while not (out / ".work" / "kept.tmp").exists():
        assert first.poll() is None
        time.sleep(0.001)
    first.send_signal(signal.SIGSTOP)
    second = subprocess.run(arguments, capture_output=True)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 2 and second.stderr.count(b"\n") == 1 and b"another run" in second.stderr
    assert first.wait() == 0 and snapshot(out) == snapshot(tmp_path / "alone")


def test_a_disk_that_is_full(tmp_path: Path, corpus: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        out = disk / "out"
        ran = subprocess.run(command(corpus, "-o", out, "--min-quality", 50, "--rejects"), capture_output=True)
        assert ran.returncode == 2 and ran.stderr.count(b"\n") == 1
        assert re.fullmatch(rb"mtdetect: %b[^:]*: .*No space left on device\n" % bytes(out), ran.stderr)
        visible = [name for name in snapshot(out) if not name.startswith(".work")]
        assert "manifest.json" not in visible
        subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
        subprocess.run(command(corpus, "-o", out, "--min-quality", 50, "--rejects"), capture_output=True, check=True)
        filter_corpus([corpus], tmp_path / "whole", Rule(50), Detector.from_pretrained("fast"), rejects=True)
        assert snapshot(out) == snapshot(tmp_path / "whole")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_the_summary_says_what_happened(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    rows = [line(GARBLED, url=f"https://user@Bad.example:80/{i}") for i in range(8)]
    rows += [line(CLEAN if i else GARBLED, link=f"http://good.example/{i}") for i in range(9)]
    source.write_bytes(b"".join([*rows, line("Short.", url="no address"), b"{\n"]))
    ran = subprocess.run(command(source, "-o", tmp_path / "out", "--min-quality", 50), capture_output=True, text=True)
    shown = [text.removeprefix("mtdetect: ") for text in ran.stderr.splitlines()]
    assert shown[:3] == [
        "19 rows = 8 kept + 10 rejected + 1 errors",
        "rejected for quality: 9",
        "rejected for not judged: too short: 1",
    ]
    assert "quality  0+ 9 " + "#" * 40 in shown and "quality 90+ 8 " + "#" * 36 in shown
    assert "quality 10+ 0" in shown and "no quality 1 ####" in shown
    assert shown[14].startswith("bad.example: 8 of 8 rejected, 68% to 100%")
    assert shown[15].startswith("good.example: 1 of 9 rejected, 2% to 44%")
    assert "more than half" in shown[16]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_bytes())
    assert manifest["quality"] == {"0": 9, "90": 8, "null": 1}
    assert [row["host"] for row in manifest["worst_hosts"]] == ["bad.example", "good.example"]


def test_all_errors_is_a_failure(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(line(CLEAN))
    call = command(source, "-o", tmp_path / "out", "--min-quality", 50, "--text-field", "body")
    ran = subprocess.run(call, capture_output=True)
    assert ran.returncode == 2 and b"no row could be read" in ran.stderr


def test_a_line_now_and_then_says_how_it_goes(
    tmp_path: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mtdetect import cli, progress

    monkeypatch.setattr(progress, "_NOTE_EVERY_S", 0.0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # or a pipe that closes would end the tests
    with pytest.raises(SystemExit) as ended:
        cli.main(["filter", str(corpus), "-o", str(tmp_path / "out"), "--min-quality", "50"])
    assert not ended.value.code
    out, err = capsys.readouterr()
    assert not out
    pattern = r"mtdetect: [\d,]+ rows, [\d,]+ rows/s, \d+\.\d% kept, \d+%, \d+ s left"
    assert re.search(pattern, err) and "1,208 rows" in err


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    names = [b"a \xff\n.jsonl", b"\xfe.txt", "é ü.jsonl".encode()]
    for name in names:
        Path(os.fsdecode(bytes(source) + b"/" + name)).write_bytes(
            CLEAN.encode() if b"txt" in name else line(CLEAN) + b"{\n"
        )
    for _ in range(2):
        ran = subprocess.run(command(source, "-o", out, "--min-quality", 50), capture_output=True)
        assert ran.returncode == 0 and b"5 rows = 3 kept + 0 rejected + 2 errors" in ran.stderr, ran
    found = sorted(os.fsencode(path.name) for path in out.iterdir())
    assert found == sorted([*names, b"errors.jsonl", b"manifest.json", b"scores.jsonl"])
    assert "a \\xff\n.jsonl" in json.loads((out / "manifest.json").read_bytes())["inputs"]
