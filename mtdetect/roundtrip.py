"""Round trips: clean articles through an engine and back, in matched pairs with the changed spans."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from mtdetect.corpus import InputError, Record
from mtdetect.corrupt import corrupt
from mtdetect.engines import Engine
from mtdetect.residue import page_residue
from mtdetect.text import split_sentences

__all__ = ["Leg", "Progress", "changed_spans", "make_pairs", "tidy"]

_CHUNK = 8
_WORD = re.compile(r"\w+(?:[’'-]\w+)*|[^\w\s]")
_MARK = re.compile(r"(?<!\S)[*#@](?=\w)|(?<=\w)#(?=\W|\Z)")
_QUOTE = re.compile('["“”]')
_WHO = "he|here|how|it|she|that|there|they|this|we|what|where|who|you|I"
_LONG = tuple(
    (re.compile(rf"\b({stems})['’]{ending}\b", re.IGNORECASE), re.compile(rf"\b({stems}) (?:{words})\b", re.IGNORECASE))
    for stems, ending, words in (
        (_WHO, "s", "is|has"), (_WHO, "re", "are"), (f"{_WHO}|could|should|would", "ve", "have"), (_WHO, "ll", "will"),
        (_WHO, "d", "would|had"), ("I", "m", "am"),
    )
)  # fmt: skip
_SHORT_NOT = re.compile(r"\w+n['’]t\b")
_LONG_NOT = re.compile(
    r"\b(are|can|could|did|do|does|had|has|have|is|might|must|need|should|was|were|will|would) ?not\b", re.IGNORECASE
)
_DOTTED = (
    ("U.S.", "USA"), ("U.N.", "UN"), ("U.K.", "UK"), ("Mr.", "Mr"), ("Mrs.", "Mrs"), ("Ms.", "Ms"), ("Dr.", "Dr"),
)  # fmt: skip
Leg = Callable[[str], tuple[Engine, ...]]
"""Makes the engines of the way there and back, or one for text that is foreign, for a pivot."""


@dataclass
class Progress:
    """How far a run is.

    Attributes
    ----------
    articles, pairs, words, failed : int
        Done in this run: articles times pivots; paragraphs; words of their human side; paragraphs that the engine
        could not translate.
    resumed : int
        Articles times pivots that an earlier run had done.
    """

    articles: int = 0
    pairs: int = 0
    words: int = 0
    failed: int = 0
    resumed: int = 0


def changed_spans(human: str, machine: str) -> list[tuple[int, int]]:
    """Return which words of `machine` are not in `human`, by the longest alignment of words.

    Parameters
    ----------
    human, machine : str
        Two versions of a sentence.

    Returns
    -------
    list of (int, int)
        Offsets into `machine`; neighbours are joined. Case counts, since engines change it; words that were only
        left out leave no span.
    """
    words = list(_WORD.finditer(machine))
    matcher = SequenceMatcher(None, _WORD.findall(human), [word[0] for word in words], autojunk=False)
    return [
        (words[begin].start(), words[end - 1].end())
        for kind, _, _, begin, end in matcher.get_opcodes()
        if kind in ("insert", "replace")
    ]


def tidy(source: str, machine: str) -> str:
    """Remove the fingerprints of an engine that are no garble.

    Spaces, the style of quotes, contractions, the stops of abbreviations, the case of the first letter and leftover
    marks become those of the source.

    Parameters
    ----------
    source, machine : str
        A sentence, and what came back.

    Returns
    -------
    str
        `machine` in the style of `source`.
    """
    text = " ".join(machine.split())
    if "parquote" not in source:
        text = text.replace("parquote", '"')  # what eng-hbs makes of it
    for mark in "'’":
        if f"[{mark}]" not in source:
            text = text.replace(f"[{mark}]", mark)  # en-eo
    for space in (" ,", " .", " ;", " ?", " !", "( ", " )", "“ ", " ”"):
        if space not in source:
            text = text.replace(space, space.strip())
    if not _MARK.search(source):
        text = _MARK.sub("", text)
    text = _contract(source, text)
    for dotted, plain in _DOTTED:
        if dotted in source and not re.search(rf"\b{plain}\b(?!\.)", source):
            text = re.sub(rf"\b{plain}\b\.?", dotted, text)
    if "’" in source and "'" not in source:
        text = text.replace("'", "’")
    elif "'" in source and "’" not in source:
        text = text.replace("’", "'")
    quotes = _QUOTE.findall(source)
    if len(quotes) == len(_QUOTE.findall(text)):
        marks = iter(quotes)
        text = _QUOTE.sub(lambda _: next(marks), text)
    elif "“" in quotes and '"' not in quotes:
        text = re.sub(r'"([^"]*)"', r"“\1”", text)
    elif '"' in quotes and "“" not in quotes:
        text = _QUOTE.sub('"', text)
    if text[:1].isalpha() and source[:1].isalpha() and text[0].isupper() != source[0].isupper():
        text = (text[0].upper() if source[0].isupper() else text[0].lower()) + text[1:]
    return text


def _contract(source: str, text: str) -> str:
    """Contract as often as the source does: “do not” for “don’t” is no garble, and would mark every Apertium text."""
    mark = "’" if "’" in source else "'"
    if (wanted := source.lower().count("cannot") - text.lower().count("cannot")) > 0:
        text = re.sub(r"\b([Cc]an) not\b", r"\1not", text, count=wanted)

    def shorten(match: re.Match[str]) -> str:
        verb = match[1]
        return {"can": verb[:2], "will": verb[0] + "o"}.get(verb.lower(), verb) + f"n{mark}t"

    if (wanted := len(_SHORT_NOT.findall(source)) - len(_SHORT_NOT.findall(text))) > 0:
        text = _LONG_NOT.sub(shorten, text, count=wanted)
    for short, long in _LONG:
        found = list(short.finditer(source))
        if (wanted := len(found) - len(short.findall(text))) > 0:
            ending = found[0][0][len(found[0][1]) + 1 :]
            text = long.sub(rf"\g<1>{mark}{ending}", text, count=wanted)
    return text


def _paragraphs(text: str) -> list[list[tuple[int, int]]]:
    """Return the sentences of each paragraph; page residue is no part of the article."""
    residue = [(item.start, item.end) for item in page_residue(text)]
    gap = "\n\n" if "\n\n" in text.strip() else "\n"
    paragraphs: list[list[tuple[int, int]]] = []
    for start, end in split_sentences(text):
        if any(start < b and a < end for a, b in residue):
            continue
        if not paragraphs or gap in text[paragraphs[-1][-1][1] : start].replace("\r", ""):
            paragraphs.append([])
        paragraphs[-1].append((start, end))
    return paragraphs


@dataclass(frozen=True)
class _Task:
    place: int
    pivot: str
    records: Sequence[tuple[int, Record]]


@dataclass(frozen=True)
class _Maker:
    """Makes the rows of a task; each thread has engines of its own."""

    leg: Leg
    one_way: bool
    share: float
    seed: int
    local: threading.local
    engines: list[Engine]

    def _engines(self, pivot: str) -> tuple[Engine, ...]:
        of_pivot: dict[str, tuple[Engine, ...]] = self.local.__dict__.setdefault("of_pivot", {})
        if pivot not in of_pivot:
            of_pivot[pivot] = self.leg(pivot)
            self.engines.extend(of_pivot[pivot])
        return of_pivot[pivot]

    def rows(self, task: _Task) -> list[dict[str, Any]]:
        engines = self._engines(task.pivot)
        drafts = []
        lines: list[str] = []
        for number, record in task.records:
            for paragraph, spans in enumerate(_paragraphs(record.text or "")):
                drafts.append((number, record, paragraph, spans, len(lines)))
                lines += (" ".join((record.text or "")[a:b].split()) for a, b in spans)
        answers: list[str | None] = list(lines)
        for engine in engines:
            known = [i for i, answer in enumerate(answers) if answer is not None]
            for i, answer in zip(known, engine.translate([answers[i] or "" for i in known]), strict=True):
                answers[i] = answer
        version = "; ".join(engine.version for engine in engines)
        name = engines[0].name if engines else "none"
        return [
            {"pivot": task.pivot, "engine": name, "engine_version": version}
            | self._row(
                task.pivot, number, record, paragraph, spans, lines[at : at + len(spans)], answers[at : at + len(spans)]
            )
            for number, record, paragraph, spans, at in drafts
        ]

    def _row(
        self,
        pivot: str,
        number: int,
        record: Record,
        paragraph: int,
        spans: list[tuple[int, int]],
        lines: list[str],
        answers: list[str | None],
    ) -> dict[str, Any]:
        text = record.text or ""
        human = text[spans[0][0] : spans[-1][1]]
        fields = record.fields
        row: dict[str, Any] = {
            "group": str(fields.get("group") or f"{number}:{record.id}"),
            "id": record.id,
            "paragraph": paragraph,
            "human": human,
            "human_sentences": [text[a:b] for a, b in spans],
            "mt": None,
            "mt_sentences": None,
            "spans": [],
            "synthetic": [],
            "source": str(fields.get("source") or record.source),
            "license": fields.get("license") and str(fields["license"]),
        }
        rest = {
            key: value
            for key, value in fields.items()
            # no column says it yet
            if isinstance(value, str | int | float) and key != record.text_field and row.get(key) != str(value)
        }
        row["provenance"] = orjson.dumps(rest).decode()
        if None in answers:
            return row
        rng = random.Random(f"{self.seed} {number} {paragraph} {pivot}")
        sentences, at = [], 0
        for line, answer, (start, _) in zip(lines, answers, spans, strict=True):
            machine = " ".join((answer or "").split()) if self.one_way else tidy(line, answer or "")
            if rng.random() < self.share and (broken := corrupt(line, text[:start], rng)):
                machine = broken.text
                category = broken.category
                row["synthetic"].append({"start": at + broken.start, "end": at + broken.end, "category": category})
            if not self.one_way:
                row["spans"] += [{"start": at + a, "end": at + b} for a, b in changed_spans(line, machine)]
            sentences.append(machine)
            at += len(machine) + 1
        return row | {"mt": " ".join(sentences), "mt_sentences": sentences}


def _schema() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise InputError("Parquet needs: pip install 'mtdetect[corpus]'") from error
    text, number = pa.string(), pa.int32()
    span = [("start", number), ("end", number)]
    return pa.schema(
        [
            *(("group", text), ("id", text), ("paragraph", number), ("pivot", text), ("engine", text)),
            *(("engine_version", text), ("human", text), ("mt", text)),
            *(("human_sentences", pa.list_(text)), ("mt_sentences", pa.list_(text))),
            ("spans", pa.list_(pa.struct(span))),
            ("synthetic", pa.list_(pa.struct([*span, ("category", text)]))),
            *(("source", text), ("license", text), ("provenance", text)),
        ]
    )


def _write(rows: list[dict[str, Any]], target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    draft = target.with_suffix(".tmp")
    pq.write_table(pa.Table.from_pylist(rows, schema=_schema()), draft, compression="zstd")
    draft.rename(target)


def make_pairs(
    records: Iterable[Record],
    out: Path,
    *,
    leg: Leg,
    pivots: Sequence[str],
    settings: dict[str, Any],
    one_way: bool = False,
    share: float = 0.0,
    seed: int = 0,
    workers: int = 1,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Send articles on a round trip and write matched rows, one for each paragraph and pivot.

    Parts go to ``OUT.parts`` while it runs. When it was killed, the same call goes on where it stopped; the result
    does not depend on that, nor on the number of workers.

    Parameters
    ----------
    records : iterable of Record
        From `mtdetect.corpus.read_records`; those without text are skipped.
    out : Path
        Parquet file to write. Columns: ``group``, ``id``, ``paragraph``, ``pivot``, ``engine``, ``engine_version``,
        ``human``, ``mt`` (null if the engine failed), the aligned ``human_sentences`` and ``mt_sentences``, ``spans``
        (start and end of changed words in ``mt``), ``synthetic`` (spans with category), ``source``, ``license``,
        ``provenance`` (the other fields of the input, JSON).
    leg : callable
        Makes the engines for a pivot, once in each worker; no engines leave the text as it is.
    pivots : sequence of str
        Each article takes all of them.
    settings : dict
        What else the result depends on; a run is not continued with other ones.
    one_way : bool
        The articles are foreign: ``human`` is the text in the pivot language, and there are no spans.
    share : float
        Share of sentences that are replaced by a corruption of the clean sentence, where one fits.
    seed : int
        Of the corruptions.
    workers : int
        Threads, each with engines of its own.
    report : callable
        Called after each part.

    Raises
    ------
    InputError
        If the parts beside `out` are those of other settings, or there is no article; `out` stays as it was.
    """
    import pyarrow.parquet as pq

    schema = _schema()
    parts = out.with_name(f"{out.name}.parts")
    digest = hashlib.sha256(orjson.dumps([settings, list(pivots), one_way, share, seed], option=orjson.OPT_SORT_KEYS))
    label = parts / f"{digest.hexdigest()[:16]}.settings"
    if parts.exists() and not label.exists():
        raise InputError(f"{parts} is the work of a run with other settings: delete it, or name another output")
    parts.mkdir(parents=True, exist_ok=True)
    label.touch()
    for stale in parts.glob("*.tmp"):
        stale.unlink()
    maker = _Maker(leg, one_way, share, seed, threading.local(), [])
    progress = Progress()
    files: list[Path] = []
    waiting: deque[tuple[_Task, Future[list[dict[str, Any]]]]] = deque()

    def finish() -> None:
        task, future = waiting.popleft()
        rows = future.result()
        _write(rows, parts / f"{task.place:08}.parquet")
        progress.articles += len(task.records)
        progress.pairs += sum(row["mt"] is not None for row in rows)
        progress.failed += sum(row["mt"] is None for row in rows)
        progress.words += sum(len(row["human"].split()) for row in rows)
        report(progress)

    pool = ThreadPoolExecutor(workers)
    try:
        for task in _tasks(records, pivots):
            target = parts / f"{task.place:08}.parquet"
            files.append(target)
            if target.exists():
                progress.resumed += len(task.records)
                continue
            waiting.append((task, pool.submit(maker.rows, task)))
            if len(waiting) > 2 * workers:
                finish()
        while waiting:
            finish()
    finally:
        pool.shutdown(cancel_futures=True)
        for engine in maker.engines:
            engine.close()
    if not files:
        shutil.rmtree(parts)
        raise InputError("no article in the input")
    draft = out.with_name(f".{out.name}.tmp")
    with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for file in files:
            writer.write_table(pq.read_table(file, schema=schema))
    draft.rename(out)
    for file in files:  # the settings go last: a kill in between leaves what a next run can use
        file.unlink()
    shutil.rmtree(parts)
    return progress


def holds_pairs(path: Path) -> bool:
    """Return whether a file is what `make_pairs` writes."""
    import pyarrow
    import pyarrow.parquet as pq

    try:
        return bool(pq.read_schema(path).equals(_schema()))
    except (OSError, pyarrow.ArrowException):
        return False


def _tasks(records: Iterable[Record], pivots: Sequence[str]) -> Iterator[_Task]:
    place = count()
    chunk: list[tuple[int, Record]] = []
    numbered = ((number, record) for number, record in enumerate(records) if record.text)
    for item in numbered:
        chunk.append(item)
        if len(chunk) == _CHUNK:
            yield from (_Task(next(place), pivot, chunk) for pivot in pivots)
            chunk = []
    if chunk:
        yield from (_Task(next(place), pivot, chunk) for pivot in pivots)
