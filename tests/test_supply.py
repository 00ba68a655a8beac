"""What the package brings along: every dependency has its licence listed, and two builds of the wheel are the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def declared() -> set[str]:
    """Return the dependencies in pyproject.toml, those of the tests apart."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    text = text[text.index("dependencies = [") : text.index("[project.scripts]")]
    text = text[: text.index("\ntest = [")]
    names = re.findall(r'"([\w.-]+)(?:\[\w+\])?>=', text)
    return {name for name in names if name != "mtdetect"}


def test_every_dependency_has_its_licence_listed() -> None:
    listed = re.findall(r"^\| ([\w.-]+) \|", (ROOT / "docs" / "dependencies.md").read_text("utf-8"), re.MULTILINE)
    assert len(declared()) > 15 and declared() == set(listed) - {"package", "---"}


def test_lowest_versions_are_those_that_are_promised() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text("utf-8")
    for name, version in re.findall(
        r"^([\w.]+)==([\d.]+)", (ROOT / "tests" / "lowest.txt").read_text("utf-8"), re.MULTILINE
    ):
        promised = re.search(rf'"{re.escape(name)}(?:\[\w+\])?>=([\d.]+)', pyproject)
        assert promised is not None, name
        assert version.rstrip(".").startswith(promised[1]) or f"{promised[1]}." == f"{version.rstrip('.')}.", name


def test_wheel_is_reproducible(tmp_path: Path) -> None:
    wheels = []
    for name in ("one", "two"):
        pip = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            tmp_path / name,
            ROOT,
        ]
        built = subprocess.run(pip, capture_output=True, text=True, check=False)
        if "No module named 'hatchling'" in built.stderr or "BackendUnavailable" in built.stderr:
            pytest.skip("needs hatchling")
        assert built.returncode == 0, built.stderr
        wheels += (tmp_path / name).glob("*.whl")
    assert wheels[0].name == wheels[1].name and wheels[0].read_bytes() == wheels[1].read_bytes()
