"""No figure of the shipped model falls below its floor, and no floor is lowered."""

from __future__ import annotations

import subprocess
from typing import Any

import orjson
import pytest
from floors import DEV, FILE, ROOT, SHIPPED, Figure, dev_figures, digest, raised, shipped_figures

from mtdetect import Detector
from mtdetect.evaluate import evaluate

DATA = ROOT.parent / "shared" / "data"
PINNED: dict[str, Any] = orjson.loads(FILE.read_bytes())


def compare(reached: dict[str, Figure], pinned: dict[str, list[float]]) -> None:
    assert set(reached) == set(pinned)
    below = {name: (value, pinned[name][1]) for name, (value, _) in reached.items() if value < pinned[name][1] - 1e-4}
    assert not below, "below the floor (figure, floor)"
    moved = {
        name: (value, pinned[name][0]) for name, (value, _) in reached.items() if abs(value - pinned[name][0]) > 1e-4
    }
    assert not moved, "moved (figure, pinned): if that is meant, tests/floors.py"


def test_floors_are_those_of_this_model_and_these_texts(detector: Detector) -> None:
    assert PINNED["model"] in detector.score("").signature.split("|")
    assert PINNED["shipped"]["data"] == digest(*(ROOT / name for name in SHIPPED))


def test_shipped_figures_have_not_moved(detector: Detector) -> None:
    compare(shipped_figures(detector), PINNED["shipped"]["figures"])


def test_the_accurate_model_reaches_its_floors() -> None:
    pytest.importorskip("onnxruntime")
    accurate, pinned = Detector.from_pretrained("accurate"), PINNED["accurate"]
    assert PINNED["accurate model"] in accurate.score("").signature.split("|")
    assert pinned["data"] == digest(*(ROOT / name for name in SHIPPED))
    reached = shipped_figures(accurate)
    assert set(reached) == set(pinned["figures"])
    # processors round differently: what it reaches may move a little
    floors = {name: floor for name, (_, floor) in pinned["figures"].items()}
    below = {name: (reached[name][0], floor) for name, floor in floors.items() if reached[name][0] < floor - 1e-3}
    assert not below, "below the floor (figure, floor)"


def test_dev_figures_have_not_moved(detector: Detector) -> None:
    if not (DATA / DEV[0]).exists():
        pytest.skip(f"needs {DATA}")
    assert PINNED["dev"]["data"] == digest(*(DATA / name for name in DEV))
    compare(dev_figures(evaluate(detector, DATA)), PINNED["dev"]["figures"])


def test_a_figure_that_moves_is_seen() -> None:
    pinned = {"a": [0.5, 0.4], "b": [0.9, 0.91]}
    compare({"a": (0.5, 0.4), "b": (0.9, 0.8)}, {**pinned, "b": [0.90004, 0.8]})
    for moved in ({"a": (0.4985, 0.4)}, {"a": (0.52, 0.4)}, {"a": (0.3, 0.2)}, {}):
        with pytest.raises(AssertionError):
            compare(moved, {"a": pinned["a"]})
    with pytest.raises(AssertionError, match="below the floor"):
        compare({"b": (0.9, 0.8)}, {"b": pinned["b"]})


def test_floors_are_raised_and_never_lowered() -> None:
    old = {"a": [0.5, 0.4], "b": [0.9, 0.8]}
    assert raised({"a": (0.45, 0.35), "b": (0.95, 0.9)}, old) == {"a": [0.45, 0.4], "b": [0.95, 0.9]}
    for missed in ({"a": (0.39, 0.3), "b": (0.9, 0.8)}, {"a": (0.5, 0.4)}):
        with pytest.raises(SystemExit, match="below the floor"):
            raised(missed, old)


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
        for part in ("shipped", "dev", "accurate"):
            old = before.get(part, {})
            # before fast-v4, floors were figures without intervals
            if "figures" in old and old["data"] == PINNED[part]["data"]:
                now = {name: floor for name, (_, floor) in PINNED[part]["figures"].items()}
                lowered = {key: low for key, (_, low) in old["figures"].items() if now.get(key, -1) < low}
                assert not lowered, f"{part}, lower than in {commit[:8]}"
