from __future__ import annotations

from pathlib import Path

import pytest
from small_data import write

from mtdetect import Detector
from mtdetect.classifier import FastClassifier
from mtdetect.train import train_fast

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def detector() -> Detector:
    return Detector.from_pretrained("fast")


@pytest.fixture(scope="session")
def articles() -> dict[str, str]:
    return {path.stem: path.read_text("utf-8") for path in (ROOT / "notebooks" / "articles").glob("*.txt")}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data"), 7)


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> FastClassifier:
    return train_fast(data, tmp_path_factory.mktemp("models") / "small-v1", pairs=[data / "pairs.parquet"])
