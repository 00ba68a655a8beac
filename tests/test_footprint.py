"""What the commands leave behind: their output, and nothing else anywhere; and whom they call: nobody."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ARTICLES = ROOT / "notebooks" / "articles"
# Python runs this first, in the command and in every process that it starts
WATCH = """
import os, sys
_LOG = os.open(os.environ["FOOTPRINT"], os.O_WRONLY | os.O_APPEND)
_CHANGES = {"os.mkdir", "os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.truncate", "os.chmod"}
def _watch(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        if args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            private = "private" if args[2] & getattr(os, "O_TMPFILE", 0) == getattr(os, "O_TMPFILE", -1) else "write"
            _note(private, args[0])
    elif event in _CHANGES:
        below = args[-1] if event in ("os.remove", "os.rmdir") and args[-1] >= 0 else None
        _note("write", args[0] if below is None else os.path.join(os.readlink(f"/proc/self/fd/{below}"), args[0]))
    elif event in ("tempfile.mkstemp", "tempfile.mkdtemp"):
        _note("private", args[0])
    elif event in ("socket.connect", "socket.sendto", "socket.getaddrinfo"):
        _note("network", repr(args[1:]) if event != "socket.getaddrinfo" else repr(args))
def _note(kind, path):
    os.write(_LOG, f"{kind} {os.path.abspath(os.fsdecode(path)) if kind != 'network' else path}\\n".encode())
sys.addaudithook(_watch)
"""
HTML = (
    "<html><body><article><p>" + "The council voted to close the old bridge until the spring. " * 8 + "</p></article>"
)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    places = {name: tmp_path / name for name in ("in", "out", "home", "here", "temporary", "watch")}
    for place in places.values():
        place.mkdir()
    for path in ARTICLES.glob("*.txt"):
        shutil.copy(path, places["in"])
    (places["in"] / "page.html").write_text(HTML, "utf-8")
    (places["watch"] / "sitecustomize.py").write_text(WATCH, "utf-8")
    return places


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(p): (p.read_bytes(), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


COMMANDS = {
    "score": (["score", "{in}"], None),
    "score, a file": (["score", "{in}", "-o", "{out}/scores.jsonl"], None),
    "score, a page": (["score", "{in}/garbled.txt", "-o", "{out}/page.html"], None),
    "score, with limits": (["score", "{in}", "--timeout", "60", "--max-chars", "9000"], None),
    "score, standard input": (["score", "-"], "garbled.txt"),
    "score, Parquet": (["score", "-"], "{parquet}"),
    "filter": (["filter", "{in}", "-o", "{out}/kept", "--min-quality", "50", "--rejects"], None),
    "filter, two processes": (["filter", "{in}", "-o", "{out}/kept", "--min-quality", "50", "--workers", "2"], None),
    "report": (["report", "{out}/../scores.jsonl", "-o", "{out}/report.html"], None),
    "info": (["info"], None),
}


@pytest.mark.parametrize(("command", "standard_input"), COMMANDS.values(), ids=COMMANDS)
def test_nothing_is_written_elsewhere_and_nobody_is_called(
    places: dict[str, Path], tmp_path: Path, command: list[str], standard_input: str | None
) -> None:
    log = tmp_path / "log"
    log.touch()
    data = None
    if standard_input == "{parquet}":
        data = _parquet()
    elif standard_input:
        data = (places["in"] / standard_input).read_bytes()
    if command[0] == "report":
        scored = subprocess.run(
            [sys.executable, "-m", "mtdetect", "score", places["in"]], capture_output=True, check=True
        )
        (tmp_path / "scores.jsonl").write_bytes(scored.stdout)
    before = contents(places["in"])
    ran = subprocess.run(
        [sys.executable, "-m", "mtdetect", *(part.format(**places) for part in command)],
        input=data, capture_output=True, cwd=places["here"], check=False,
        env={
            "PATH": os.environ["PATH"], "HOME": str(places["home"]), "TMPDIR": str(places["temporary"]),
            "PYTHONPATH": str(places["watch"]), "PYTHONDONTWRITEBYTECODE": "1", "FOOTPRINT": str(log),
        },
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert contents(places["in"]) == before
    for name in ("home", "here", "temporary"):
        assert not list(places[name].iterdir()), name
    noted = [line.split(" ", 1) for line in log.read_text("utf-8").splitlines()]
    private = {path for kind, path in noted if kind == "private"}
    written = {path for kind, path in noted if kind == "write"}
    assert bool(list(places["out"].iterdir())) == any(path.startswith(str(places["out"])) for path in written)
    assert bool(list(places["out"].iterdir())) == any("{out}" in part for part in command)
    allowed = (str(places["out"]), *private, "/dev/null", "/dev/shm", "/dev/tty")
    assert not {path for path in written if not path.startswith(allowed)}
    assert all(path.startswith(str(places["temporary"])) for path in private)
    assert bool(private) == (standard_input == "{parquet}")
    assert not [what for kind, what in noted if kind == "network"]


def _parquet() -> bytes:
    pa = pytest.importorskip("pyarrow", reason="needs pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow")
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table({"text": [(ARTICLES / "clean.txt").read_text("utf-8")]}), sink)
    return bytes(sink.getvalue())


def test_the_watch_sees_what_is_forbidden(places: dict[str, Path], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    code = """
import socket, tempfile
open("a", "w").close()
tempfile.mkstemp()
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
"""
    subprocess.run(
        [sys.executable, "-c", code], cwd=places["here"], check=True,
        env={"PYTHONPATH": str(places["watch"]), "FOOTPRINT": str(log), "TMPDIR": str(places["temporary"])},
    )  # fmt: skip
    assert {"write", "private", "network"} == {line.split(" ")[0] for line in log.read_text("utf-8").splitlines()}


def test_the_tests_run_without_a_network() -> None:
    if sys.platform != "linux" or os.geteuid():
        pytest.skip("only root can take the network away from what the tests start")
    code = "import socket; socket.create_connection(('192.0.2.1', 80), 1)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Network is unreachable" in ran.stderr
    with pytest.raises(PermissionError), socket.socket() as outside:
        outside.connect(("192.0.2.1", 80))
