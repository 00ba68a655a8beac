"""Find machine-translation artifacts in English news."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mtdetect.version import __version__

if TYPE_CHECKING:
    from mtdetect.detector import Detector
    from mtdetect.scored import ScoredCorpus
    from mtdetect.types import ArticleScore, Evidence, SentenceScore

__all__ = ["ArticleScore", "Detector", "Evidence", "ScoredCorpus", "SentenceScore", "__version__"]


def __getattr__(name: str) -> Any:
    # the command line answers --help without numpy
    if name == "Detector":
        from mtdetect.detector import Detector

        return Detector
    if name == "ScoredCorpus":
        from mtdetect.scored import ScoredCorpus

        return ScoredCorpus
    if name in __all__:
        from mtdetect import types

        return getattr(types, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
