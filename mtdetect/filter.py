"""Clean a scraped corpus: rows in, kept and rejected rows and errors out, each row exactly once.

Every file becomes visible in the output folder when it is complete, and not before. Until the run is complete, a ledger
in the work folder says which inputs are done, and a journal holds the scores of the one at hand: a run that was killed
reads that input again, but scores only what the journal does not hold.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Literal

import orjson

from mtdetect.corpus import InputError, Opened, Record, check_fields, extracted, read_records
from mtdetect.detector import Detector
from mtdetect.streams import Sealed, sync_folder
from mtdetect.summary import COUNTS, Summary
from mtdetect.types import ArticleScore
from mtdetect.units import ERRORS, MANIFEST, REJECTED, WORK, Unit, printable, size_of, units_of
from mtdetect.workers import Journal, Scored, Scorer, chunked
from mtdetect.writers import KEY, Archive, Attributes, Files, Lines, Table, Writer

__all__ = ["KEY", "Format", "Progress", "Rule", "filter_corpus", "preview"]

Format = Literal["same", "dolma"]
_LEDGER = "run.jsonl"


@dataclass(frozen=True)
class Rule:
    """What is kept.

    Parameters
    ----------
    min_quality : float, optional
        Articles of a lower quality, 0 to 100, are rejected; whatever the limits are, so are those without one.
    max_mt_score : float, optional
        Articles of a higher `mt_score`, 0 to 1, are rejected.
    max_flagged_share : float, optional
        Articles with a higher share of flagged sentences, 0 to 1, are rejected.

    Raises
    ------
    InputError
        If a limit is out of range.
    """

    min_quality: float | None = None
    max_mt_score: float | None = None
    max_flagged_share: float | None = None

    def __post_init__(self) -> None:
        limits = (("quality", self.min_quality, 100), ("mt_score", self.max_mt_score, 1))
        for name, value, most in (*limits, ("share", self.max_flagged_share, 1)):
            if value is not None and not 0 <= value <= most:
                raise InputError(f"{value:g} is not a {name}: 0 to {most}")

    def rejects(self, scores: dict[str, Any]) -> str | None:
        """Return why an article with these scores, as in the output, is rejected, or None if it is kept."""
        if scores["quality"] is None:
            return f"not judged: {scores['reason']}"
        if self.min_quality is not None and scores["quality"] < self.min_quality:
            return "quality"
        if self.max_mt_score is not None and scores["mt_score"] > self.max_mt_score:
            return "mt_score"
        share = self.max_flagged_share
        if share is not None and scores["n_flagged"] > share * scores["n_sentences"]:
            return "flagged share"
        return None


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    Parameters
    ----------
    n_in, n_kept : int
        Rows read and rows kept.
    share : float or None
        Share of the bytes that are read, 0 to 1; None if standard input is read.
    """

    n_in: int
    n_kept: int
    share: float | None


def filter_corpus(
    inputs: Iterable[str | Path],
    output: Path,
    rule: Rule,
    detector: Detector,
    *,
    form: Format = "same",
    rejects: bool = False,
    fail: bool = False,
    workers: int = 1,
    max_chars: int | None = None,
    timeout: float | None = None,
    text_field: str | None = None,
    id_field: str | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> dict[str, Any]:
    """Filter a corpus; a second call goes on where the first one stopped, also in the middle of a file.

    Kept rows go to a file of the same name and form in `output`, in order, with all their fields as they were and the
    scores under `KEY`. Texts and pages, one to a file, are copied; their scores go to ``scores.jsonl``. What can't be
    read goes to ``errors.jsonl``, with file, byte offset and reason.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files, and folders of them; ``"-"`` is standard input.
    output : Path
        Folder; it is new, empty, or that of an earlier run with the same settings.
    rule : Rule
        What is kept.
    detector : Detector
        At the operating point of the flags.
    form : {"same", "dolma"}
        Whether rows are written in the form they came in, or, for JSON Lines, as Dolma attributes: a line for every
        document, whether the rule keeps it or not, with spans of characters.
    rejects : bool
        Whether the rejected rows are written, to ``rejected/``.
    fail : bool
        Whether to stop at the first row that can't be read, instead of writing it to ``errors.jsonl``.
    workers : int
        How many processes score. The output does not depend on it.
    max_chars : int, optional
        Longer texts are errors.
    timeout : float, optional
        Seconds that a row or page may take; then it is an error.
    text_field, id_field : str, optional
        As in `read_records`.
    report : callable
        Called with the progress for every few rows.

    Returns
    -------
    dict
        The manifest: settings, counts (``n_in`` is always ``n_kept`` + ``n_rejected`` + ``n_errors``), reasons,
        histogram of quality, and the hosts with most rejected articles.

    Raises
    ------
    InputError
        If an input is missing, two of them have one name, `output` is of another run, one is at work there, or,
        with `fail`, a row can't be read.
    OSError
        If the disk is full, for example; no incomplete file is left under its name.
    """
    if form == "dolma" and rejects:
        raise InputError(
            "Dolma attributes hold all rows, so there is nowhere for rejected ones to go: leave out rejects"
        )
    check_fields(text_field, id_field)
    units = units_of(inputs, output)
    for unit in units:
        if form == "dolma" and unit.kind != "jsonl":
            raise InputError(f"{unit.source}: Dolma documents are JSON Lines")
    settings = {
        "inputs": [unit.key for unit in units],
        "names": _short("\n".join(name for unit in units for name in unit.files.values())),
        "signature": detector.score("").signature,
        "min_quality": None if rule.min_quality is None else float(rule.min_quality),
        "max_mt_score": rule.max_mt_score,
        "max_flagged_share": rule.max_flagged_share,
        "form": form,
        "rejects": rejects,
        "max_chars": max_chars,
        "timeout": timeout,
        "text_field": text_field,
        "id_field": id_field,
    }
    with _locked(output):
        run = _Run(output, settings, rule, detector.classifier.config["name"], fail, report)
        if (manifest := run.finished()) is not None:
            for unit in units:
                run.check(unit, manifest["inputs"][unit.key])
            shutil.rmtree(run.work, ignore_errors=True)
            return manifest
        try:
            run.begin(units)
            with Scorer(detector, workers, sentences=form == "dolma", max_chars=max_chars, timeout=timeout) as scorer:
                for unit in units:
                    run.do(unit, scorer)
            return run.finish(units)
        except OSError as error:
            error.filename = error.filename or str(output)  # a write does not say where the disk is full
            raise


def preview(
    inputs: Iterable[str | Path], n: int, detector: Detector, *, text_field: str | None = None
) -> tuple[list[ArticleScore], int]:
    """Score about `n` rows, the first ones of each input, and count those that can't be read.

    Parameters
    ----------
    inputs : iterable of str or Path
        As for `filter_corpus`.
    n : int
        How many rows in all.
    detector : Detector
        The model.
    text_field : str, optional
        As in `read_records`.

    Raises
    ------
    InputError
        If an input is missing.
    """
    check_fields(text_field)
    units = units_of(inputs, None)
    each = -(-n // sum(len(unit.files) for unit in units))

    def rows() -> Iterator[Record]:
        for unit in units:
            if unit.opened is not None:
                found = unit.opened.records(text_field=text_field)
                yield from islice((extracted(record) for record in found if record.is_article), each)
            for path in unit.files if unit.opened is None else ():
                yield from islice(read_records([path], text_field=text_field), each)

    sample = list(islice(rows(), n))
    texts = [row.text for row in sample if row.text is not None and row.error is None]
    return list(detector.score_many(texts)), len(sample) - len(texts)


class _Run:
    """One run on its way: what is done, and what is at hand."""

    def __init__(
        self,
        output: Path,
        settings: dict[str, Any],
        rule: Rule,
        model: str,
        fail: bool,
        report: Callable[[Progress], None],
    ) -> None:
        self.output, self.work = output, output / WORK
        self.settings, self.rule, self.model, self.fail, self.report = settings, rule, model, fail, report
        self.done: dict[str, Any] = {}
        self.total = Summary()
        self.size: int | None = None
        self.read = 0  # bytes of the files that are behind us
        self.file: IO[bytes] | None = None

    def finished(self) -> dict[str, Any] | None:
        """Return the manifest of an earlier run if that is complete."""
        path = self.output / MANIFEST
        if not path.exists():
            return None
        try:
            manifest: dict[str, Any] = orjson.loads(path.read_bytes())
            self._compare(manifest["settings"])
            if {*manifest["inputs"]} != {*self.settings["inputs"]}:
                raise KeyError("inputs")
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} is damaged: name a new folder") from error
        return manifest

    def begin(self, units: list[Unit]) -> None:
        """Begin, or find out where an earlier run has stopped."""
        ledger = self.work / _LEDGER
        if not ledger.exists():
            if any(entry.name != WORK for entry in self.output.iterdir()):
                raise InputError(f"{self.output} is not empty and has no {MANIFEST}: name a new folder")
            self.work.mkdir(exist_ok=True)
            self._write_whole(ledger, orjson.dumps(self.settings) + b"\n")
        with ledger.open("r+b") as file:
            try:
                self._compare(orjson.loads(file.readline()))
                end = file.tell()
                while (line := file.readline()).endswith(b"\n"):
                    self._note(orjson.loads(line))
                    end = file.tell()
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
                raise InputError(f"{ledger} is damaged: name a new folder") from error
            file.truncate(end)  # a line that a kill cut off is not gone on with
        for name in self.done:
            self._journal(name).unlink(missing_ok=True)
        for stale in self.work.glob("*.tmp"):
            stale.unlink()
        if all(unit.opened is None for unit in units):
            self.size = sum(unit.size for unit in units)

    def check(self, unit: Unit, entry: dict[str, Any]) -> None:
        """Refuse to go on if an input has changed since it was done, or an output is gone."""
        for place in self._places(unit).values():
            if printable(str(place)) in entry["files"] and not (self.output / place).is_file():
                raise InputError(f"{self.output / place} was written, but is gone: name a new folder")
        # the content decides; that of all files need not be read again if none was touched
        stamp = unit.stamp()
        if (stamp is None or entry.get("stamp") != stamp) and entry["sha256"] != unit.digest():
            raise InputError(f"{unit.name} has changed since {self.output} was begun: name a new folder")

    def do(self, unit: Unit, scorer: Scorer) -> None:
        """Filter one input, unless that is done."""
        if unit.key in self.done:
            self.check(unit, self.done[unit.key])
            self.read += unit.size
        else:
            stamp = unit.stamp()
            digest = unit.digest() if unit.opened is None else None
            summary, files = self._filter(unit, scorer)
            entry = {"name": unit.key, "stamp": stamp, "sha256": digest or unit.digest(), "files": files}
            entry |= summary.to_dict()
            with (self.work / _LEDGER).open("ab") as ledger:
                ledger.write(orjson.dumps(entry) + b"\n")
                ledger.flush()
                os.fsync(ledger.fileno())
            self._note(entry)
            self._journal(unit.key).unlink()

    def _note(self, entry: dict[str, Any]) -> None:
        """Take an input that is done into the total, and keep of it what does not grow with its hosts."""
        self.total.merge(entry)
        self.done[entry["name"]] = {name: entry[name] for name in ("stamp", "sha256", "files", *COUNTS)}

    def _filter(self, unit: Unit, scorer: Scorer) -> tuple[Summary, list[str]]:
        summary = Summary()
        places = self._places(unit)
        with ExitStack() as opened:
            writers = {kind: self._writer(unit, kind) for kind in places}
            if self.settings["form"] == "dolma":
                writers["rejected"] = writers["kept"]
            errors = Sealed(self.work / "errors.tmp")
            journal = Journal(self._journal(unit.key))
            everything: list[Any] = [*writers.values(), errors, journal]
            for file in everything:
                opened.callback(_close_quietly, file)
            for chunk, rows in scorer.run(chunked(self._records(unit)), journal):
                for record, scored in zip(chunk, rows, strict=True):
                    self._put(record, scored, writers, errors, summary)
                self._tell(summary)
            for file in everything:
                file.close()
        visible = []
        for kind, place in places.items():
            if self._show(self.work / f"{kind}.tmp", self.output / place):
                visible.append(printable(str(place)))
        if summary.counts["n_errors"]:
            self._show(self.work / "errors.tmp", self._errors(unit.key))
        return summary, visible

    def _places(self, unit: Unit) -> dict[str, Path]:
        places = {"kept": Path(unit.name)}
        if self.settings["rejects"]:
            places["rejected"] = Path(REJECTED, unit.name)
        return places

    def _records(self, unit: Unit) -> Iterator[Record]:
        if unit.opened is not None:
            yield from unit.opened.records(**self._fields())
            return
        for path in unit.files:
            try:
                if not Path(path).is_file():  # opening a pipe would wait for its writer
                    raise OSError(0, "not a file; links to folders are not followed")
                with Path(path).open("rb") as self.file:
                    yield from Opened(self.file, path).records(**self._fields())
            except OSError as error:
                yield Record(path, None, path, error=f"cannot open: {error.strerror}")
            self.file = None
            self.read += size_of(path)

    def _fields(self) -> dict[str, Any]:
        return {name: self.settings[name] for name in ("text_field", "id_field")}

    def _put(
        self, record: Record, scored: Scored, writers: dict[str, Writer], errors: Sealed, summary: Summary
    ) -> None:
        if not record.is_article:
            summary.counts["n_other"] += 1
            writers["kept"].carry(record)
            return
        error = record.error or scored.error or writers["kept"].unfit(record)
        if error is not None or scored.scores is None:
            if self.fail:
                raise InputError(f"{record.id}: {error}")
            name, row_id = printable(record.source), printable(record.id)
            row = {"file": name, "offset": record.offset, "id": row_id, "reason": error and printable(error)}
            errors.write(orjson.dumps(row) + b"\n")
            summary.add_error()
            writers["kept"].skip(record)
            return
        scores = {**scored.scores, "signature": self.settings["signature"]}
        reason = self.rule.rejects(scores)
        summary.add(scores, reason, record.url or scored.url)
        if reason is None:
            writers["kept"].write(record, scores, scored)
        elif "rejected" in writers:
            writers["rejected"].write(record, {**scores, "rejected": reason}, scored)

    def _writer(self, unit: Unit, kind: str) -> Writer:
        part = self.work / f"{kind}.tmp"
        if self.settings["form"] == "dolma":
            return Attributes(part, unit.compression, self.model)
        if unit.kind == "jsonl":
            return Lines(part, unit.compression)
        if unit.kind == "warc":
            return Archive(part, unit.compression)
        if unit.kind == "parquet":
            seekable = unit.opened is None and not unit.compression
            return Table(part, Path(unit.source) if seekable else None, kind == "rejected")
        return Files(part, self.output / (REJECTED if kind == "rejected" else ""), unit.files)

    def _tell(self, summary: Summary) -> None:
        counts = self.total.counts + summary.counts
        share = None
        if self.size is not None:
            at = self.file.tell() if self.file is not None and not self.file.closed else 0
            share = min((self.read + at) / max(self.size, 1), 1.0)
        self.report(Progress(counts["n_in"], counts["n_kept"], share))

    def _show(self, part: Path, place: Path) -> bool:
        """Give a complete file its name; False if there is none."""
        if not part.exists():
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        part.replace(place)
        sync_folder(place.parent)
        return True

    def finish(self, units: list[Unit]) -> dict[str, Any]:
        """Write the errors of all inputs into one file, then the manifest."""
        part = self.work / "all-errors.tmp"
        errors = Sealed(part)
        for unit in units:
            if self.done[unit.key]["n_errors"]:
                with self._errors(unit.key).open("rb") as file:
                    shutil.copyfileobj(file, errors)
        errors.close()
        self._show(part, self.output / ERRORS)
        total = self.total.to_dict()
        hosts = self.total.worst_hosts()
        inputs = {name: {key: entry[key] for key in ("sha256", "files", *COUNTS)} for name, entry in self.done.items()}
        manifest = {
            "complete": True,
            "settings": self.settings,
            **{name: total[name] for name in (*COUNTS, "reasons", "quality")},
            "worst_hosts": hosts,
            "inputs": inputs,
        }
        content = orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        self._write_whole(self.output / MANIFEST, content)
        shutil.rmtree(self.work)
        return manifest

    def _write_whole(self, path: Path, content: bytes) -> None:
        part = self.work / "whole.tmp"
        file = Sealed(part)
        file.write(content)
        file.close()
        self._show(part, path)

    def _compare(self, stored: dict[str, Any]) -> None:
        changed = [name for name in self.settings if stored.get(name) != self.settings[name]]
        if changed == ["names"]:
            raise InputError(f"{self.output} was begun with other files in the input: name a new folder")
        if changed:
            was = ", ".join(f"{name} was {stored.get(name)!r}" for name in changed)
            raise InputError(f"{self.output} was begun with other settings ({was}): name a new folder")

    def _journal(self, name: str) -> Path:
        return self.work / f"{_short(name)}.journal"

    def _errors(self, name: str) -> Path:
        return self.work / f"{_short(name)}.errors"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of the folder; the lock ends with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(f"another run is at work in {folder}") from None
    finally:
        os.close(handle)


def _close_quietly(file: Any) -> None:
    # after a failure the file is of no use, and the failure is what to tell
    with suppress(OSError, ValueError):
        file.close()


def _short(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:32]
