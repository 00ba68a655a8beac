"""Records in, scores out, in order: in this process or in several, and never twice.

Scores go to a journal as they come. After a kill, what the journal holds is not scored again.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import orjson

from mtdetect.child import DIED, Child
from mtdetect.corpus import InputError, Record, extracted, too_long
from mtdetect.detector import Detector
from mtdetect.pages import extractor
from mtdetect.streams import one_line

__all__ = ["Journal", "Scored", "Scorer", "chunked"]

# A kill costs the chunks at hand, and a small chunk costs speed: so they grow with the work that is behind them.
_LEAST_CHARS, _MOST_CHARS, _CHUNK_ROWS = 12_000, 100_000, 500
_SHARE = 1 / 2000
_MOST_BYTES = 4_000_000  # rows wait with all their fields, a page beside a short text for example
_STARTS = 3  # of a process, before that is given up

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
    size = held = seen = 0
    for record in records:
        chunk.append(record)
        size += len(record.text or record.raw or "")
        held += len(record.raw or b"")
        full = len(chunk) >= _CHUNK_ROWS or held >= _MOST_BYTES
        if full or size >= min(max(_LEAST_CHARS, seen * _SHARE), _MOST_CHARS):
            yield chunk
            seen += size
            chunk, size, held = [], 0, 0
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
    max_chars : int, optional
        Longer texts are errors.
    timeout : float, optional
        Seconds that a text or page may take; then it is an error. With it, other processes score in any case.
    """

    def __init__(
        self,
        detector: Detector,
        workers: int = 1,
        *,
        sentences: bool = False,
        max_chars: int | None = None,
        timeout: float | None = None,
    ) -> None:
        self._work = partial(_judge, detector, sentences, max_chars)
        self.workers = workers
        self.timeout = timeout
        # a thread for each process: it sends and receives, and starts another process if its own dies
        self._threads = ThreadPoolExecutor(workers) if workers > 1 or timeout is not None else None
        self._children: dict[int, Child] = {}
        self._closed = False

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *failure: object) -> None:
        self._closed = True
        for child in list(self._children.values()):
            child.kill()  # it has nothing to lose, and its thread wakes up
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for child in self._children.values():
            child.close()

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
                    task.rows = self._work(_items(chunk))
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
            try:
                return self._ask(items)
            except TimeoutError:
                break
            except (EOFError, OSError):
                pass
        rows = []
        for item in items:
            try:
                rows += self._ask([item])
            except TimeoutError as error:
                rows.append(Scored(error=str(error)))
            except (EOFError, OSError):
                rows.append(Scored(error=DIED))
        return rows

    def _ask(self, items: _Items) -> list[Scored]:
        self._begin()
        try:
            rows: list[Scored] = self._children[threading.get_ident()].ask(items, self.timeout)
        except (EOFError, OSError):
            self._forget()
            raise
        return rows

    def _begin(self) -> None:
        """Start the process of this thread; that it dies before it is asked is not the fault of a row."""
        me = threading.get_ident()
        for attempt in range(_STARTS):
            try:
                if me not in self._children:
                    self._children[me] = Child(self._work, None if self.timeout is None else extractor)
                return self._children[me].begin()
            except (EOFError, OSError) as error:
                self._forget()
                if attempt == _STARTS - 1:
                    reason = f"out of memory, or a crash ({one_line(error)})"
                    raise InputError(f"no process can be started that scores: {reason}") from error

    def _forget(self) -> None:
        if self._closed:
            raise CancelledError from None
        child = self._children.pop(threading.get_ident(), None)
        if child is not None:
            child.close()


def _taken(task: _Task) -> tuple[list[Record], list[Scored]]:
    if task.rows is None:
        assert task.future is not None
        task.rows = task.future.result()
    return task.chunk, task.rows


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


def _judge(detector: Detector, sentences: bool, max_chars: int | None, items: _Items) -> list[Scored]:
    """Score texts and pages; a row at which that fails, for whatever reason, costs one error."""
    try:
        return _judge_all(detector, sentences, max_chars, items)
    except Exception as error:
        if len(items) == 1:
            return [Scored(error=f"cannot be scored: {type(error).__name__}: {one_line(error)}")]
        return [row for item in items for row in _judge(detector, sentences, max_chars, [item])]


def _judge_all(detector: Detector, sentences: bool, max_chars: int | None, items: _Items) -> list[Scored]:
    pages = [extracted(item) if isinstance(item, Record) else item for item in items]
    texts = [page.text if isinstance(page, Record) else page for page in pages]
    errors = [
        too_long(text, max_chars) or (page.error if isinstance(page, Record) else None)
        for page, text in zip(pages, texts, strict=True)
    ]
    texts = [text if error is None else None for text, error in zip(texts, errors, strict=True)]
    articles = detector.score_many(text for text in texts if text is not None)
    rows = []
    for page, text, error in zip(pages, texts, errors, strict=True):
        url = page.url if isinstance(page, Record) else None
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
