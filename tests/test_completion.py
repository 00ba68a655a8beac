"""Completion in real shells, installed as the help says."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FISH = "complete -C {!r}"
BASH = """source ~/.bashrc; COMP_WORDS=({}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_mtdetect_completion mtdetect; printf '%s\\n' "${{COMPREPLY[@]}}" """


def environment(home: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"HOME": str(home), "PATH": path, "TERM": "dumb", "LANG": "C.UTF-8", "ZDOTDIR": str(home)}


def run(shell: str, command: str, home: Path) -> str:
    ran = subprocess.run(
        [shell, "-c", f"{command}; true"], env=environment(home), cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert not ran.stderr, ran.stderr
    return ran.stdout


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"needs {name}")
    assert f"{name} completion installed in {tmp_path}" in run(name, "mtdetect --install-completion", tmp_path)
    return name


def typed(home: Path, line: str) -> str:
    """Return what an interactive zsh shows after a line and a tab."""
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        os.execve(shutil.which("zsh") or "", ["zsh", "-i"], environment(home) | {"PS1": "READY> "})

    def read(enough: Callable[[str], bool], seconds: float) -> str:
        said, end = "", time.monotonic() + seconds
        while time.monotonic() < end and not enough(said):
            if select.select([terminal], [], [], 0.1)[0]:
                said += os.read(terminal, 4096).decode("utf-8", "replace")
        return said

    try:
        assert "READY> " in read(lambda said: "READY> " in said, 30)
        os.write(terminal, f"{line}\t".encode())
        read(lambda said: said.endswith("\a"), 15)
        os.write(terminal, b"\t")  # typer's file for zsh only loads with the first tab of a session
        return line + read(lambda said: said.endswith(" "), 15)
    finally:
        os.close(terminal)
        os.waitpid(child, 0)


def completed(shell: str, line: str, home: Path) -> list[str]:
    if shell == "fish":
        return [answer.split("\t")[0] for answer in run(shell, FISH.format(line), home).splitlines()]
    if shell == "bash":
        words = " ".join(f"'{word}'" for word in line.split(" "))
        return run(shell, BASH.format(words), home).splitlines()
    return typed(home, line).split()


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("mtdetect filt", "filter"),
        ("mtdetect score --form", "--format"),
        ("mtdetect score --ignore fragm", "fragment_break"),
        ("mtdetect filter --format dol", "dolma"),
    ],
)
def test_names(shell: str, line: str, answer: str, tmp_path: Path) -> None:
    assert answer in completed(shell, line, tmp_path)


def test_files(shell: str, tmp_path: Path) -> None:
    if shell == "bash":  # leaves files to bash, with -o default
        assert "-o default" in run(shell, "source ~/.bashrc; complete -p mtdetect", tmp_path)
        assert completed(shell, "mtdetect score READM", tmp_path) == [""]
    else:
        assert "README.md" in completed(shell, "mtdetect score READM", tmp_path)
