"""datatrove: a filter, and a reader that loses nothing. Needs ``pip install 'mtdetect[datatrove]'``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from datatrove.data import Document
from datatrove.pipeline.filters.base_filter import BaseFilter
from datatrove.pipeline.readers.jsonl import JsonlReader
from datatrove.pipeline.writers.disk_base import DiskWriter

from mtdetect.corpus import Opened, Record
from mtdetect.detector import DEFAULT_POINT
from mtdetect.filter import Rule
from mtdetect.integrations.batch import BatchScorer
from mtdetect.streams import ReadError
from mtdetect.writers import KEY

__all__ = ["MTDetectFilter", "SafeJsonlReader"]

_ERROR = "read_error"


class MTDetectFilter(BaseFilter):  # type: ignore[misc]
    """Keeps the clean articles. The scores go to ``metadata["mtdetect"]``, of rejected documents, too.

    Parameters
    ----------
    min_quality, max_mt_score, max_flagged_share : float, optional
        As for `mtdetect.filter.Rule`.
    model, point
        As for `BatchScorer`.
    exclusion_writer : DiskWriter, optional
        Gets the rejected documents; ``metadata["filter_reason"]`` says why.
    batch_size : int
        Documents scored together; the scores do not depend on it.
    """

    name = "mtdetect"

    def __init__(
        self,
        min_quality: float | None = None,
        max_mt_score: float | None = None,
        max_flagged_share: float | None = None,
        *,
        model: str | Path = "fast",
        point: str = DEFAULT_POINT,
        exclusion_writer: DiskWriter | None = None,
        batch_size: int = 64,
    ) -> None:
        super().__init__(exclusion_writer, batch_size)
        self.rule = Rule(min_quality, max_mt_score, max_flagged_share)
        self.scorer = BatchScorer(model, point=point)

    def filter(self, doc: Document) -> bool | tuple[bool, str]:
        """Return whether the document is kept, or False and the reason."""
        return self.filter_batch([doc])[0]

    def filter_batch(self, batch: list[Document]) -> list[bool | tuple[bool, str]]:
        """Return for each document whether it is kept, or False and the reason."""
        verdicts: list[bool | tuple[bool, str]] = []
        for doc, scores in zip(batch, self.scorer.scores([doc.text for doc in batch]), strict=True):
            if _ERROR in doc.metadata:
                verdicts.append((False, _ERROR))
                continue
            doc.metadata[KEY] = scores
            reason = self.rule.rejects(scores)
            # datatrove counts by reason: without the number of words, which is in the scores
            verdicts.append(True if reason is None else (False, ":".join(reason.split(":")[:2])))
        return verdicts


class SafeJsonlReader(JsonlReader):  # type: ignore[misc]
    """Reads JSON Lines, plain, gzip or Zstandard, and keeps what `JsonlReader` drops without a word.

    There, one bad byte costs the file, a byte-order mark the first document, and an empty text the document. Here each
    row is a document. One that can't be read has an empty text and says why in ``metadata["read_error"]``, for which
    `MTDetectFilter` rejects it, and counts as ``read_errors`` in the statistics: documents out are rows in. A file that
    is cut off ends with such a document.

    The parameters are those of `JsonlReader`; `compression` is told by the content.
    """

    name = "mtdetect: JSON Lines"

    def read_file(self, filepath: str) -> Iterator[Document]:
        """Yield a document for each row of a file."""
        with self.data_folder.open(filepath, "rb", compression=None) as file:
            try:
                opened = Opened(cast(IO[bytes], file), filepath)
                if opened.kind not in ("jsonl", "text", "json"):
                    raise ReadError(f"not JSON Lines but {opened.kind}")
            except ReadError as error:
                yield self._broken(filepath, 0, str(error))
                return
            opened.kind = "jsonl"
            for number, record in enumerate(opened.records(text_field=self.text_key, id_field=self.id_key)):
                yield self._document(record, filepath, number)

    def _document(self, record: Record, path: str, number: int) -> Document:
        if record.error is not None:
            return self._broken(path, number, record.error)
        try:
            document = Document(**self.adapter({**record.fields, self.text_key: record.text}, path, number))
        except Exception as error:  # an adapter may be anybody's
            return self._broken(path, number, f"{type(error).__name__}: {error}")
        document.id = str(document.id)
        document.metadata = {**(self.default_metadata or {}), **document.metadata}
        return document

    def _broken(self, path: str, number: int, reason: str) -> Document:
        self.stat_update("read_errors")
        metadata: dict[str, Any] = {**(self.default_metadata or {}), _ERROR: reason}
        return Document(text="", id=f"{path}/{number}", metadata=metadata)
