from __future__ import annotations

from pathlib import Path

import pytest

from mtdetect import Detector

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector.from_pretrained("fast")


@pytest.fixture(scope="session")
def articles() -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in (ROOT / "notebooks" / "articles").glob("*.txt")}
