"""Find machine-translation artifacts in English news."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mtdetect.version import __version__

if TYPE_CHECKING:
    from mtdetect.detector import Detector
    from mtdetect.scored import ScoredCorpus
    from mtdetect.types import ArticleScore, Evidence, SentenceScore

__all__ = ["ArticleScore", "Detector", "Evidence", "ScoredCorpus", "SentenceScore", "__version__"]


def __getattr__(name: str) -> Any:
    # the command line answers --help without numpy
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = {"Detector": "detector", "ScoredCorpus": "scored"}.get(name, "types")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found
