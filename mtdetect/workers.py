"""Records in, scores out, in order: in this process or in several, and never twice.

Scores go to a journal as they come. After a kill, what the journal holds is not scored again.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from mtdetect.corpus import InputError, Record, extracted
from mtdetect.detector import Detector
from mtdetect.streams import one_line

__all__ = ["Journal", "Scored", "Scorer", "chunked"]

# A kill costs the chunks at hand, and a small chunk costs speed: so they grow with the work that is behind them.
_LEAST_CHARS, _MOST_CHARS, _CHUNK_ROWS = 12_000, 100_000, 500
_SHARE = 1 / 2000
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_STARTING = threading.Lock()
_DIED = "the process that read it died: out of memory, or a crash"

_Items: TypeAlias = list[str | Record | None]


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
    """Scores on the disk, chunk by chunk as they come, in whatever order. What a kill left incomplete is cut off.

    Parameters
    ----------
    path : Path
        The file; it is made if it is missing.
    """

    def __init__(self, path: Path) -> None:
        path.touch()
        self._old = path.open("rb")
        self._new = path.open("ab", buffering=0)
        self._found: dict[int, tuple[str, list[list[Any]]]] = {}  # read, and not yet asked for
        self._lock = threading.Lock()

    def stored(self, number: int, digest: str) -> list[Scored] | None:
        """Return the scores of a chunk, None if they are not there.

        Parameters
        ----------
        number : int
            Of the chunk; they are asked for in order.
        digest : str
            Of its records.

        Raises
        ------
        InputError
            If the scores are of other records.
        """
        while number not in self._found and not self._old.closed:
            begin = self._old.tell()
            line = self._old.readline()
            try:
                if not line.endswith(b"\n"):
                    raise ValueError("cut off by a kill")
                was, content, rows = orjson.loads(line)
                self._found[was] = content, rows
            except (ValueError, TypeError):  # the end, or what a loss of power made of it
                self._old.close()
                self._new.truncate(begin)
        if number not in self._found:
            return None
        content, rows = self._found.pop(number)
        if content != digest:
            raise InputError("the input has changed since the run was begun: name a new folder")
        return [Scored(*row) for row in rows]

    def add(self, number: int, digest: str, rows: list[Scored]) -> None:
        """Write the scores of one more chunk, at once."""
        line = orjson.dumps([number, digest, [list(row) for row in rows]]) + b"\n"
        with self._lock:
            while line:
                line = line[self._new.write(line) :]

    def close(self) -> None:
        """Close the file."""
        self._old.close()
        self._new.close()


@dataclass
class _Task:
    chunk: list[Record]
    rows: list[Scored] | None
    future: Future[list[Scored]] | None = None


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
        # a thread for each process: it sends and receives, and starts another process if its own dies
        self._threads = ThreadPoolExecutor(workers) if workers > 1 else None
        self._processes: dict[int, tuple[BaseProcess, Connection]] = {}
        self._closed = False

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *failure: object) -> None:
        self._closed = True
        for process, _ in list(self._processes.values()):
            process.kill()  # it has nothing to lose, and its thread wakes up
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for process, connection in self._processes.values():
            connection.close()
            process.kill()
            process.join()

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
        for number, chunk in enumerate(chunks):
            digest = _digest(chunk)
            task = _Task(chunk, journal.stored(number, digest))
            if task.rows is None:
                if self._threads is None:
                    task.rows = _judge(self.detector, _items(chunk), self.sentences)
                    journal.add(number, digest, task.rows)
                else:
                    task.future = self._threads.submit(self._noted, number, digest, _items(chunk), journal)
            waiting.append(task)
            while len(waiting) > (0 if self._threads is None else 2 * self.workers):
                yield _taken(waiting.popleft())
        while waiting:
            yield _taken(waiting.popleft())

    def _noted(self, number: int, digest: str, items: _Items, journal: Journal) -> list[Scored]:
        rows = self._remote(items)
        journal.add(number, digest, rows)
        return rows

    def _remote(self, items: _Items) -> list[Scored]:
        """Have another process score; if it dies over it, once more, and then row by row."""
        for _ in range(2):
            with suppress(EOFError, OSError):
                return self._ask(items)
        rows = []
        for item in items:
            try:
                rows += self._ask([item])
            except (EOFError, OSError):
                rows.append(Scored(error=_DIED))
        return rows

    def _ask(self, items: _Items) -> list[Scored]:
        me = threading.get_ident()
        if me not in self._processes:
            self._processes[me] = self._started()
        process, connection = self._processes[me]
        try:
            connection.send(items)
            rows: list[Scored] = connection.recv()
        except (EOFError, OSError):
            if self._closed:
                raise CancelledError from None
            process.kill()
            process.join()
            connection.close()
            del self._processes[me]
            raise
        return rows

    def _started(self) -> tuple[BaseProcess, Connection]:
        # spawned, not forked: libraries that have threads may hang in a fork
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.detector, self.sentences), daemon=True)
        with _STARTING:
            before = {name: os.environ.get(name) for name in _THREADS}
            os.environ.update(dict.fromkeys(_THREADS, "1"))
            try:
                process.start()
            finally:
                for name, value in before.items():
                    os.environ.pop(name)
                    if value is not None:
                        os.environ[name] = value
        theirs.close()  # so that it ends when the other side does
        return process, ours


def _taken(task: _Task) -> tuple[list[Record], list[Scored]]:
    if task.rows is None:
        assert task.future is not None
        task.rows = task.future.result()
    return task.chunk, task.rows


def _serve(connection: Connection, detector: Detector, sentences: bool) -> None:
    """Score for another process until it ends, in whatever way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # that is for the other process to decide
    with suppress(EOFError, OSError):
        while True:
            connection.send(_judge(detector, connection.recv(), sentences))


def _items(chunk: list[Record]) -> _Items:
    """Return what is needed to score: texts, pages, and None for what can't be scored."""
    items: _Items = []
    for record in chunk:
        if record.error is not None or not record.is_article:
            items.append(None)
        else:
            items.append(record if record.text is None else record.text)
    return items


def _digest(chunk: list[Record]) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for record in chunk:
        content = record.raw if record.raw is not None else (record.text or "").encode("utf-8", "surrogatepass")
        digest.update(b"%d %b %b" % (len(content), content, repr(record.error).encode()))
    return digest.hexdigest()


def _judge(detector: Detector, items: _Items, sentences: bool) -> list[Scored]:
    """Score texts and pages; a row at which that fails, for whatever reason, costs one error."""
    try:
        return _judge_all(detector, items, sentences)
    except Exception as error:
        if len(items) == 1:
            return [Scored(error=f"cannot be scored: {type(error).__name__}: {one_line(error)}")]
        return [row for item in items for row in _judge(detector, [item], sentences)]


def _judge_all(detector: Detector, items: _Items, sentences: bool) -> list[Scored]:
    pages = [extracted(item) if isinstance(item, Record) else item for item in items]
    texts = [page.text if isinstance(page, Record) else page for page in pages]
    articles = detector.score_many(text for text in texts if text is not None)
    rows = []
    for page, text in zip(pages, texts, strict=True):
        error, url = (page.error, page.url) if isinstance(page, Record) else (None, None)
        url = url and url.encode("utf-8", "replace").decode()  # JSON holds no surrogates
        if text is None:
            rows.append(Scored(None, error, url))
            continue
        article = next(articles)
        scores = article.to_dict(sentences=False)
        del scores["signature"]
        spans = [[s.start, s.end, round(s.mt_score, 5), int(s.flagged)] for s in article.sentences]
        rows.append(Scored(scores, None, url, spans if sentences else None))
    return rows
