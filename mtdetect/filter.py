"""Clean a scraped corpus: rows in, kept and rejected rows and errors out, each row exactly once.

Every input becomes visible in the output folder when it is complete, and not before; the manifest says which are.
A run that was killed goes on with the inputs that are missing.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path
from typing import IO, Any, cast

import orjson

from mtdetect.corpus import InputError, Record, read_records
from mtdetect.detector import Detector
from mtdetect.types import ArticleScore

__all__ = ["KEY", "Rule", "filter_corpus", "preview"]

KEY = "mtdetect"
"""Field of a row that the scores go to."""
_MANIFEST, _ERRORS, _WORK = "manifest.json", "errors.jsonl", ".work"
_ZSTD = b"\x28\xb5\x2f\xfd"
_COUNTS = ("n_in", "n_kept", "n_rejected", "n_errors")


@dataclass(frozen=True)
class Rule:
    """What is kept.

    Parameters
    ----------
    min_quality : float
        Articles of a lower quality, 0 to 100, are rejected; so are those without one.
    max_mt_score : float, optional
        Articles of a higher `mt_score`, 0 to 1, are rejected.
    max_flagged_share : float, optional
        Articles with a higher share of flagged sentences, 0 to 1, are rejected.

    Raises
    ------
    InputError
        If a limit is out of range.
    """

    min_quality: float
    max_mt_score: float | None = None
    max_flagged_share: float | None = None

    def __post_init__(self) -> None:
        limits = (("quality", self.min_quality, 100), ("mt_score", self.max_mt_score, 1))
        for name, value, most in (*limits, ("share", self.max_flagged_share, 1)):
            if value is not None and not 0 <= value <= most:
                raise InputError(f"{value:g} is not a {name}: 0 to {most}")

    def rejects(self, article: ArticleScore) -> str | None:
        """Return why the article is rejected, or None if it is kept."""
        if article.quality is None or article.mt_score is None:
            return f"not judged: {article.reason}"
        if article.quality < self.min_quality:
            return "quality"
        if self.max_mt_score is not None and article.mt_score > self.max_mt_score:
            return "mt_score"
        share = self.max_flagged_share
        if share is not None and article.n_flagged > share * article.n_sentences:
            return "flagged share"
        return None


def filter_corpus(
    inputs: Iterable[str | Path],
    output: Path,
    rule: Rule,
    detector: Detector,
    *,
    rejects: bool = False,
    fail: bool = False,
    text_field: str | None = None,
    id_field: str | None = None,
    report: Callable[[Counter[str]], None] = lambda counts: None,
) -> dict[str, Any]:
    """Filter files of JSON Lines, plain or compressed; a second call goes on where the first one stopped.

    Kept rows go to a file of the same name in `output`, in order, with all their fields byte for byte as they were
    and the scores under `KEY`. What can't be read goes to ``errors.jsonl``, with file, byte offset and reason.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files, and folders of them.
    output : Path
        Folder; it is new, empty, or that of an earlier run with the same settings.
    rule : Rule
        What is kept.
    detector : Detector
        At the operating point of the flags.
    rejects : bool
        Whether the rejected rows are written, to ``rejected/``.
    fail : bool
        Whether to stop at the first row that can't be read, instead of writing it to ``errors.jsonl``.
    text_field, id_field : str, optional
        As in `read_records`.
    report : callable
        Called with the counts now and then.

    Returns
    -------
    dict
        The manifest: settings, counts (``n_in`` is always ``n_kept`` + ``n_rejected`` + ``n_errors``), and reasons.

    Raises
    ------
    InputError
        If an input is missing or not JSON Lines, two of them have one name, `output` is of another run, one is at
        work there, or, with `fail`, a row can't be read.
    OSError
        If the disk is full, for example; no incomplete file is left under its name.
    """
    sources = _sources(inputs, output)
    settings = {
        "inputs": list(sources),
        "signature": detector.score("").signature,
        "min_quality": float(rule.min_quality),
        "max_mt_score": rule.max_mt_score,
        "max_flagged_share": rule.max_flagged_share,
        "rejects": rejects,
        "text_field": text_field,
        "id_field": id_field,
    }
    with _locked(output):
        manifest = _resumed(output, settings)
        done: dict[str, Any] = manifest["inputs"]
        work = output / _WORK
        if manifest["complete"]:
            for name, source in sources.items():
                _check(done[name], source, output, name)
            shutil.rmtree(work, ignore_errors=True)
            return manifest
        work.mkdir(parents=True, exist_ok=True)
        for stale in work.glob("*.tmp"):
            stale.unlink()
        total: Counter[str] = Counter()
        for name, source in sources.items():
            if name in done:
                _check(done[name], source, output, name)
            else:
                digest = _digest(source)
                one = _Run(source, name, output, rule, detector, rejects, fail)
                done[name] = {"sha256": digest, **one.run(text_field, id_field, total, report)}
                _write_json(output / _MANIFEST, manifest, work)
            total.update({count: done[name][count] for count in _COUNTS})
        _join_errors(output, sources)
        for count in _COUNTS:
            manifest[count] = sum(entry[count] for entry in done.values())
        reasons: Counter[str] = Counter()
        for entry in done.values():
            reasons.update(entry["reasons"])
        manifest["reasons"] = dict(sorted(reasons.items()))
        manifest["complete"] = True
        _write_json(output / _MANIFEST, manifest, work)
        shutil.rmtree(work)
        return manifest


def preview(
    inputs: Iterable[str | Path], n: int, detector: Detector, *, text_field: str | None = None
) -> list[float | None]:
    """Return the quality of about `n` rows, the first ones of each input; None for those without one.

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
        If an input is missing or not JSON Lines.
    """
    sources = _sources(inputs, None).values()
    each = -(-n // len(sources))
    rows = (row for source in sources for row in islice(read_records([source], text_field=text_field), each))
    return [article.quality for article in detector.score_many(row.text or "" for row in islice(rows, n))]


@dataclass(frozen=True)
class _Run:
    """One input on its way."""

    source: Path
    name: str
    output: Path
    rule: Rule
    detector: Detector
    rejects: bool
    fail: bool

    def run(
        self,
        text_field: str | None,
        id_field: str | None,
        before: Counter[str],
        report: Callable[[Counter[str]], None],
    ) -> dict[str, Any]:
        counts: Counter[str] = Counter(dict.fromkeys(_COUNTS, 0))
        reasons: Counter[str] = Counter()
        work = self.output / _WORK
        places = {"kept": self.output / self.name, "errors": _errors_of(self.output, self.name)}
        if self.rejects:
            places["rejected"] = self.output / "rejected" / self.name
        parts = {kind: work / f"{kind}.tmp" for kind in places}
        with ExitStack() as stack:
            files = {
                kind: stack.enter_context(_Sealed(part, self.source if kind != "errors" else None))
                for kind, part in parts.items()
            }
            ahead, behind = tee(read_records([self.source], text_field=text_field, id_field=id_field))
            scores = self.detector.score_many(record.text or "" for record in ahead)
            for record, article in zip(behind, scores, strict=True):
                counts["n_in"] += 1
                error = record.error
                if error is None:
                    reason = self.rule.rejects(article)
                    line, error = _with_scores(record, article, reason)
                if error is not None and self.fail:
                    raise InputError(f"{record.id}: {error}")
                if error is not None:
                    counts["n_errors"] += 1
                    row = {"file": str(self.source), "offset": record.offset, "id": record.id, "reason": error}
                    files["errors"].write(orjson.dumps(_plain(row)) + b"\n")
                elif reason is None:
                    counts["n_kept"] += 1
                    files["kept"].write(line)
                else:
                    counts["n_rejected"] += 1
                    reasons[":".join(reason.split(":")[:2])] += 1  # without the number of words
                    if self.rejects:
                        files["rejected"].write(line)
                if counts["n_in"] % 1000 == 0:
                    report(before + counts)
        for kind, place in places.items():
            place.parent.mkdir(parents=True, exist_ok=True)
            parts[kind].replace(place)
            _sync_folder(place.parent)
        return {**counts, "reasons": dict(reasons)}


class _Sealed:
    """A file, compressed as another one, that is on the disk when it is closed."""

    def __init__(self, path: Path, like: Path | None) -> None:
        head = b""
        if like is not None:
            with like.open("rb") as file:
                head = file.read(4)
        self._raw = path.open("wb")
        self._body: IO[bytes] = self._raw
        if head.startswith(b"\x1f\x8b"):
            # no time and no name in the header: the same rows give the same bytes
            self._body = cast(IO[bytes], gzip.GzipFile("", "wb", 6, self._raw, 0))
        elif head == _ZSTD:
            try:
                if sys.version_info >= (3, 14):
                    from compression import zstd
                else:
                    from backports import zstd
            except ImportError as error:
                raise InputError("writing .zst needs backports.zstd: pip install 'mtdetect[corpus]'") from error
            self._body = cast(IO[bytes], zstd.ZstdFile(self._raw, "wb"))
        self.write = self._body.write

    def __enter__(self) -> _Sealed:
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            if self._body is not self._raw:
                self._body.close()
            self._raw.flush()
            os.fsync(self._raw.fileno())
        finally:
            self._raw.close()


def _with_scores(record: Record, article: ArticleScore, rejected: str | None) -> tuple[bytes, str | None]:
    """Return the row with its scores as the last field, otherwise byte for byte; or why that can't be."""
    if record.line is None:
        return b"", "not a row of JSON Lines"
    line = record.line.strip()
    if KEY in record.fields:
        # an earlier run wrote it, at the end; then it is written anew
        spot = line.rfind(b',"%b":' % KEY.encode())
        try:
            ours = spot > 0 and orjson.loads(b"{" + line[spot + 1 :]) == {KEY: record.fields[KEY]}
        except orjson.JSONDecodeError:
            ours = False
        if not ours:
            return b"", f"the row has a field {KEY!r} already"
        line = line[:spot] + b"}"
    scores = {name: value for name, value in article.to_dict().items() if name not in ("sentences", "residue")}
    if rejected is not None:
        scores["rejected"] = rejected
    return line[:-1].rstrip() + b',"%b":%b}\n' % (KEY.encode(), orjson.dumps(scores)), None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }


def _sources(inputs: Iterable[str | Path], output: Path | None) -> dict[str, Path]:
    """Return the files by the name that each will have in the output folder."""
    found: dict[str, Path] = {}
    for given in map(Path, inputs):
        if not given.exists():
            raise InputError(f"no such file or folder: {given}")
        if output and given.is_dir() and output.resolve().is_relative_to(given.resolve()):
            raise InputError(f"{output} lies in {given}, which is to be filtered: write elsewhere")
        for path in _files(given):
            name = str(path.relative_to(given)) if given.is_dir() else path.name
            if name in found or name in (_MANIFEST, _ERRORS) or Path(name).parts[0] in ("rejected", _WORK):
                raise InputError(f"{path}: the output folder has another use for the name {name}")
            if output and output.joinpath(name).resolve() == path.resolve():
                raise InputError(f"{path} would be overwritten: write elsewhere")
            found[name] = path
    if not found:
        raise InputError("no files in the input")
    for path in found.values():
        with path.open("rb") as file:
            head = file.read(4)
        plain = path.name.lower().removesuffix(".gz").removesuffix(".zst")
        if head.startswith(b"PAR1") or not plain.endswith((".jsonl", ".ndjson")):
            raise InputError(f"{path}: filter reads JSON Lines (.jsonl or .ndjson, also .gz or .zst)")
    return found


def _files(given: Path) -> Iterator[Path]:
    if given.is_file():
        yield given
        return
    for path in sorted(given.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(given).parts):
            yield path


def _resumed(output: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of the run that this one goes on with, or a new one."""
    fresh: dict[str, Any] = {"complete": False, "settings": settings, "inputs": {}}
    # before the first input is complete, only the work folder tells that this is ours
    stored = output / _WORK / "settings.json"
    if stored.is_file() or not output.exists() or all(entry.name == _WORK for entry in output.iterdir()):
        if stored.is_file():
            _compare(orjson.loads(stored.read_bytes()), settings, output)
        else:
            (output / _WORK).mkdir(parents=True, exist_ok=True)
            _write_json(stored, settings, output / _WORK)
        if not (output / _MANIFEST).exists():
            return fresh
    try:
        manifest: dict[str, Any] = orjson.loads((output / _MANIFEST).read_bytes())
        _compare(manifest["settings"], settings, output)
    except FileNotFoundError:
        raise InputError(f"{output} is not empty and has no {_MANIFEST}: name a new folder") from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise InputError(f"{output / _MANIFEST} is damaged: name a new folder") from error
    return manifest


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


def _compare(stored: dict[str, Any], settings: dict[str, Any], output: Path) -> None:
    if changed := [name for name in settings if stored.get(name) != settings[name]]:
        was = ", ".join(f"{name} was {stored.get(name)!r}" for name in changed)
        raise InputError(f"{output} was begun with other settings ({was}): name a new folder")


def _check(entry: dict[str, Any], source: Path, output: Path, name: str) -> None:
    if not (output / name).is_file():
        raise InputError(f"{output / name} was written, but is gone: name a new folder")
    if entry["sha256"] != _digest(source):
        raise InputError(f"{source} has changed since {output} was begun: name a new folder")


def _errors_of(output: Path, name: str) -> Path:
    return output / _WORK / f"{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:32]}.errors"


def _join_errors(output: Path, names: Iterable[str]) -> None:
    """Write ``errors.jsonl`` in the order of the inputs."""
    part = output / _WORK / "errors.tmp"
    with _Sealed(part, None) as joined:
        for name in names:
            joined.write(_errors_of(output, name).read_bytes())
    part.replace(output / _ERRORS)


def _write_json(path: Path, content: dict[str, Any], work: Path) -> None:
    part = work / "manifest.tmp"
    with _Sealed(part, None) as file:
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    part.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
