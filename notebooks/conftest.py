"""Which notebooks can be run here: ``pytest --nbmake notebooks``."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

NEEDS = {
    "02_explore_a_corpus": (find_spec("datasets"), "needs datasets: pip install 'mtdetect[datasets]'"),
    "03_train_your_own": (shutil.which("apertium"), "needs Apertium: apt-get install apertium apertium-hbs-eng"),
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        there, reason = NEEDS.get(Path(item.path).stem, (True, ""))
        if not there:
            item.add_marker(pytest.mark.skip(reason=reason))
