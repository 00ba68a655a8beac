"""One scorer for every engine that hands out columns: ``map`` of Hugging Face datasets, ``map_batches`` of Ray Data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mtdetect.detector import DEFAULT_POINT, Detector
from mtdetect.types import SCORE_TYPES
from mtdetect.writers import KEY, score_struct

__all__ = ["BatchScorer"]


class BatchScorer:
    """Adds the scores of articles to a batch: a dict of columns in, the same dict with one more column out.

    The model is loaded at the first batch, once in each process; what is pickled is its name.

    Parameters
    ----------
    model : str or Path
        A shipped model or a model folder, as for `Detector.from_pretrained`.
    point : str
        Name of the operating point of the flags, such as ``"fpr_1"``.
    text_field : str
        The column that holds the articles.
    key : str
        The column that the scores go to: a dict for each article, with the keys of `SCORE_TYPES`.
    ignore : iterable of str
        Categories that are switched off, as for `Detector`.

    Examples
    --------
    >>> from mtdetect.integrations import BatchScorer
    >>> scorer = BatchScorer()
    >>> batch = scorer({"id": [1], "text": ["Too short."]})
    >>> batch["mtdetect"][0]["reason"]
    'too short: 2 words, 25 needed'
    """

    def __init__(
        self,
        model: str | Path = "fast",
        *,
        point: str = DEFAULT_POINT,
        text_field: str = "text",
        key: str = KEY,
        ignore: Iterable[str] = (),
    ) -> None:
        self.model = model
        self.ignore = tuple(ignore)
        self.point = point
        self.text_field = text_field
        self.key = key

    @cached_property
    def _detector(self) -> Detector:
        return Detector.from_pretrained(self.model, point=self.point, ignore=self.ignore)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_detector"}

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Score a batch.

        Parameters
        ----------
        batch : mapping of str to sequence
            Columns of equal length.

        Returns
        -------
        dict of str to sequence
            The same columns and `key`: a list, or an Arrow array if the texts were a NumPy array, as from Ray.

        Raises
        ------
        TypeError
            If `batch` is not a mapping.
        KeyError
            If it has no column `text_field`.
        ValueError
            If it has a column `key` already.
        """
        if not isinstance(batch, Mapping):
            raise TypeError(f"a batch is a dict of columns, not {type(batch).__name__}")
        if self.text_field not in batch:
            raise KeyError(f"no column {self.text_field!r}: the columns are {', '.join(map(str, batch))}")
        if self.key in batch:
            raise ValueError(f"the batch has a column {self.key!r} already")
        texts = batch[self.text_field]
        scores = self.scores(texts)
        if isinstance(texts, np.ndarray):
            import pyarrow

            # with its type: Ray would guess another one from a batch that has nothing but nulls
            return {**batch, self.key: pyarrow.array(scores, score_struct())}
        return {**batch, self.key: scores}

    def scores(self, texts: Sequence[Any]) -> list[dict[str, Any]]:
        """Score texts.

        Parameters
        ----------
        texts : sequence
            Articles; what is not a string gets null and a reason.

        Returns
        -------
        list of dict
            One for each text, with the keys of `SCORE_TYPES`.
        """
        articles = self._detector.score_many(text if isinstance(text, str) else "" for text in texts)
        rows = []
        for text, article in zip(texts, articles, strict=True):
            row = article.to_dict(sentences=False)
            if not isinstance(text, str):
                row["reason"] = f"error: the text is {type(text).__name__}, not a string"
            rows.append(row)
        return rows

    def features(self, features: Any) -> Any:
        """Return the features of a Hugging Face dataset with those of the scores, for ``map(…, features=…)``.

        Without them, `datasets` guesses the types from the first batch, and stops where a later one has other nulls.

        Parameters
        ----------
        features : datasets.Features
            Of the dataset that is mapped.
        """
        from datasets import Features, Value

        special = {"double": Value("float64"), "list<string>": [Value("string")]}
        scores = {name: special.get(kind) or Value(kind) for name, kind in SCORE_TYPES.items()}
        return Features({**features, self.key: scores})
