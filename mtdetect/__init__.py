"""Find machine-translation artifacts in English news."""

from mtdetect.detector import Detector
from mtdetect.types import ArticleScore, Evidence, SentenceScore
from mtdetect.version import __version__

__all__ = ["ArticleScore", "Detector", "Evidence", "SentenceScore", "__version__"]
