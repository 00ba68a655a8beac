"""Records in, scores out, in order: in this process or in several, and never twice.

Scores go to a journal as they come. After a kill, what the journal holds is not scored again.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from mtdetect.corpus import InputError, Record, extracted
from mtdetect.detector import Detector

__all__ = ["Journal", "Scored", "Scorer", "chunked"]

# A kill costs the chunks at hand, and a small chunk costs speed: so they grow with the work that is behind them.
_LEAST_CHARS, _MOST_CHARS, _CHUNK_ROWS = 16_000, 100_000, 500
_SHARE = 1 / 1500
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DIED = "the process that read it died: out of memory, or a crash"


class Scored(NamedTuple):
    """What became of one record.

    Parameters
    ----------
    scores : dict or None
        `ArticleScore.to_dict` without sentences and signature; None if the record could not be read.
    error : str or None
        Why not.
    url : str or None
        Address that the page itself names.
    sentences : list of list or None
        If asked for: start, end, `mt_score` and whether it is flagged.
    """

    scores: dict[str, Any] | None = None
    error: str | None = None
    url: str | None = None
    sentences: list[list[float]] | None = None


def chunked(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut records into chunks of a few pages of text; where it cuts depends on the records alone."""
    chunk: list[Record] = []
    size = seen = 0
    for record in records:
        chunk.append(record)
        size += len(record.text or record.raw or "")
        if len(chunk) >= _CHUNK_ROWS or size >= min(max(_LEAST_CHARS, seen * _SHARE), _MOST_CHARS):
            yield chunk
            seen += size
            chunk, size = [], 0
    if chunk:
        yield chunk


class Journal:
    """Scores on the disk, chunk by chunk. What a kill left incomplete at the end is cut off.

    Parameters
    ----------
    path : Path
        The file; it is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("r+b" if path.exists() else "w+b")
        self._replays = True

    def stored(self, digest: str) -> list[Scored] | None:
        """Return the scores of the next chunk, None if there are none from here on.

        Raises
        ------
        InputError
            If they are of another chunk.
        """
        if not self._replays:
            return None
        begin = self._file.tell()
        line = self._file.readline()
        try:
            was, rows = orjson.loads(line) if line.endswith(b"\n") else ("", None)
        except ValueError:  # the machine lost power, and the end of the file with it
            rows = None
        if rows is None:
            self._replays = False
            self._file.seek(begin)
            self._file.truncate()
            return None
        if was != digest:
            raise InputError("the input has changed since the run was begun: name a new folder")
        return [Scored(*row) for row in rows]

    def add(self, digest: str, rows: list[Scored]) -> None:
        """Write the scores of one more chunk."""
        self._file.write(orjson.dumps([digest, [list(row) for row in rows]]) + b"\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass
class _Task:
    chunk: list[Record]
    digest: str
    rows: list[Scored] | None
    future: Future[list[Scored]] | None = None
    fresh: bool = False


class Scorer:
    """Scores chunks in order.

    Parameters
    ----------
    detector : Detector
        The model, at the operating point of the flags.
    workers : int
        How many processes score, with one thread each; with 1, this process does.
    sentences : bool
        Whether to return the sentences.
    """

    def __init__(self, detector: Detector, workers: int = 1, *, sentences: bool = False) -> None:
        self.detector = detector
        self.workers = workers
        self.sentences = sentences
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stop()

    def run(self, chunks: Iterable[list[Record]], journal: Journal) -> Iterator[tuple[list[Record], list[Scored]]]:
        """Score chunks that the journal does not hold yet.

        Parameters
        ----------
        chunks : iterable of list of Record
            From `chunked`.
        journal : Journal
            Holds the scores of the first chunks, or nothing.

        Yields
        ------
        tuple of list of Record and list of Scored
            In order, of equal length.
        """
        waiting: deque[_Task] = deque()
        for chunk in chunks:
            digest = _digest(chunk)
            task = _Task(chunk, digest, journal.stored(digest))
            if task.rows is None:
                task.fresh = True
                if self.workers == 1:
                    task.rows = _judge(self.detector, _items(chunk), self.sentences)
                else:
                    task.future = self._submit(_items(chunk))
            waiting.append(task)
            while len(waiting) > (2 * self.workers if self.workers > 1 else 0):
                yield self._taken(waiting, journal)
        while waiting:
            yield self._taken(waiting, journal)

    def _taken(self, waiting: deque[_Task], journal: Journal) -> tuple[list[Record], list[Scored]]:
        task = waiting.popleft()
        if task.rows is None:
            task.rows = self._awaited(task, waiting)
        if task.fresh:
            journal.add(task.digest, task.rows)
        return task.chunk, task.rows

    def _awaited(self, task: _Task, waiting: Iterable[_Task]) -> list[Scored]:
        """Return the scores of a task; if a process dies over it, once more, and then row by row."""
        items = _items(task.chunk)
        for _ in range(2):
            try:
                assert task.future is not None
                return task.future.result()
            except BrokenProcessPool:
                self._stop()
                task.future = self._submit(items)
                for other in waiting:
                    if other.rows is None:
                        other.future = self._submit(_items(other.chunk))
        rows = []
        for item in items:
            try:
                rows += self._submit([item]).result()
            except BrokenProcessPool:
                self._stop()
                rows.append(Scored(error=_DIED))
        for other in waiting:
            if other.rows is None:
                other.future = self._submit(_items(other.chunk))
        return rows

    def _submit(self, items: list[str | Record | None]) -> Future[list[Scored]]:
        if self._pool is None:
            # spawned, not forked: libraries that have threads may hang in a fork
            self._pool = ProcessPoolExecutor(
                self.workers, get_context("spawn"), initializer=_begin, initargs=(self.detector, self.sentences)
            )
        before = {name: os.environ.get(name) for name in _THREADS}
        os.environ.update(dict.fromkeys(_THREADS, "1"))  # read by the process that starts, if one does
        try:
            return self._pool.submit(_judge_here, items)
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value

    def _stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _items(chunk: list[Record]) -> list[str | Record | None]:
    """Return what is needed to score: texts, pages, and None for what can't be scored."""
    return [
        None
        if record.error is not None or not record.is_article
        else record.text
        if record.raw is None or record.text is not None
        else record
        for record in chunk
    ]


def _digest(chunk: list[Record]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for record in chunk:
        content = record.raw if record.raw is not None else (record.text or "").encode("utf-8", "surrogatepass")
        digest.update(b"%d %b %b" % (len(content), content, repr(record.error).encode()))
    return digest.hexdigest()


def _judge(detector: Detector, items: Sequence[str | Record | None], sentences: bool) -> list[Scored]:
    pages = [extracted(item) if isinstance(item, Record) else item for item in items]
    texts = [page.text if isinstance(page, Record) else page for page in pages]
    articles = detector.score_many(text for text in texts if text is not None)
    rows = []
    for page, text in zip(pages, texts, strict=True):
        error, url = (page.error, page.url) if isinstance(page, Record) else (None, None)
        if text is None:
            rows.append(Scored(None, error, url))
            continue
        article = next(articles)
        scores = article.to_dict(sentences=False)
        del scores["signature"]
        spans = (
            [[s.start, s.end, round(s.mt_score, 5), int(s.flagged)] for s in article.sentences] if sentences else None
        )
        rows.append(Scored(scores, None, url, spans))
    return rows


# of a worker process: set once, when it begins
_mine: tuple[Detector, bool]


def _begin(detector: Detector, sentences: bool) -> None:
    global _mine
    _mine = detector, sentences
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no orphan: a parent that is killed can't stop its workers."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _judge_here(items: Sequence[str | Record | None]) -> list[Scored]:
    return _judge(_mine[0], items, _mine[1])
