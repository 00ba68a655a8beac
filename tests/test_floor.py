"""No figure of the shipped model falls below its floor, and no floor is lowered."""

from __future__ import annotations

import subprocess
from typing import Any

import orjson
import pytest
from floors import DEV, FILE, ROOT, SHIPPED, dev_figures, digest, shipped_figures

from mtdetect import Detector

DATA = ROOT.parent / "shared" / "data"
PINNED: dict[str, Any] = orjson.loads(FILE.read_bytes())


def compare(reached: dict[str, float], floors: dict[str, float]) -> None:
    assert set(reached) == set(floors)
    below = {name: (value, floors[name]) for name, value in reached.items() if value < floors[name] - 1e-4}
    assert not below, "below the floor (figure, floor)"
    above = {name: (value, floors[name]) for name, value in reached.items() if value > floors[name] + 1e-4}
    assert not above, "better than the floor: raise it with tests/floors.py"


def test_floors_are_those_of_this_model_and_these_texts(detector: Detector) -> None:
    assert PINNED["model"] in detector.score("").signature.split("|")
    assert PINNED["shipped"]["data"] == digest(*(ROOT / name for name in SHIPPED))


def test_shipped_figures_have_not_moved(detector: Detector) -> None:
    compare(shipped_figures(detector), PINNED["shipped"]["floors"])


def test_dev_figures_have_not_moved(detector: Detector) -> None:
    if not (DATA / DEV[0]).exists():
        pytest.skip(f"needs {DATA}")
    assert PINNED["dev"]["data"] == digest(*(DATA / name for name in DEV))
    compare(dev_figures(detector, DATA), PINNED["dev"]["floors"])


def test_a_figure_that_moves_is_seen() -> None:
    floors = {"a": 0.5, "b": 0.9}
    compare({"a": 0.5, "b": 0.90004}, floors)
    for moved in ({"a": 0.4985, "b": 0.9}, {"a": 0.5, "b": 0.91}, {"a": 0.5}):
        with pytest.raises(AssertionError):
            compare(moved, floors)


def test_floors_only_go_up() -> None:
    """Against every earlier version of the file that was measured on the same data."""
    git = ["git", "-C", str(ROOT)]
    name = FILE.relative_to(ROOT).as_posix()
    log = subprocess.run([*git, "log", "--format=%H", "--", name], capture_output=True, text=True, check=False)
    if log.returncode != 0:
        pytest.skip("no history")
    for commit in log.stdout.split():
        shown = subprocess.run([*git, "show", f"{commit}:{name}"], capture_output=True, check=False)
        if shown.returncode != 0:
            continue  # a commit that deletes it
        before = orjson.loads(shown.stdout)
        for part in ("shipped", "dev"):
            if before[part]["data"] == PINNED[part]["data"]:
                now = PINNED[part]["floors"]
                lowered = {key: value for key, value in before[part]["floors"].items() if now.get(key, -1) < value}
                assert not lowered, f"{part}, lower than in {commit[:8]}"
