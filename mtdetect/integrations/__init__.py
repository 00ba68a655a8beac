"""Adapters for engines beyond one machine; each needs the extra of its name: ``pip install 'mtdetect[ray]'``."""

from mtdetect.integrations.batch import BatchScorer

__all__ = ["BatchScorer"]
