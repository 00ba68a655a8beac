"""What a filter run has to do: the files, what they hold, and the names that the output will have."""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from mtdetect.corpus import InputError, Opened, files_below
from mtdetect.streams import Compression, ReadError

__all__ = ["ERRORS", "MANIFEST", "REJECTED", "SCORES", "WHOLE", "WORK", "Unit", "printable", "size_of", "units_of"]

MANIFEST, ERRORS, SCORES, REJECTED, WORK = "manifest.json", "errors.jsonl", "scores.jsonl", "rejected", ".work"
WHOLE = "whole"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ROWS = ("jsonl", "parquet", "warc")


@dataclass(frozen=True)
class Unit:
    """What is done in one go: a file of rows, or all the files that hold one article each.

    Parameters
    ----------
    name : str
        Of the file in the output that tells of all its rows.
    kind : str
        ``"jsonl"``, ``"parquet"``, ``"warc"``, or ``"whole"`` for files of one article each.
    compression : {"", "gz", "zst"}
        How it is compressed.
    files : dict of str to str
        Each path, or ``"-"`` for standard input, and its name in the output.
    opened : Opened, optional
        Standard input.
    """

    name: str
    kind: str
    compression: Compression
    files: dict[str, str]
    opened: Opened | None = None

    @property
    def key(self) -> str:
        """The name as text, also where it is not UTF-8: what the ledger and the manifest call it."""
        return printable(self.name)

    @property
    def source(self) -> str:
        """The path of the first file."""
        return next(iter(self.files))

    @property
    def size(self) -> int:
        """Bytes of all files; 0 for standard input."""
        return sum(size_of(path) for path in self.files)

    def stamp(self) -> list[list[int]] | None:
        """Return size and time of each file; None for standard input."""
        if self.opened is not None:
            return None
        found = []
        for path in self.files:
            with suppress(OSError):
                status = Path(path).stat()
                found.append([status.st_size, status.st_mtime_ns])
        return found

    def digest(self) -> str:
        """Return the SHA-256 of the file; of several, that of their names and digests.

        Standard input is read to its end.
        """
        if self.opened is not None:
            while self.opened.stream.read(1 << 20):
                pass
            return cast(_Hashed, self.opened.file).digest.hexdigest()
        lines = []
        for path, name in self.files.items():
            digest = hashlib.sha256()
            if Path(path).is_file():  # opening a pipe would wait for its writer
                with suppress(OSError), Path(path).open("rb") as file:
                    while chunk := file.read(1 << 20):
                        digest.update(chunk)
            lines.append(f"{digest.hexdigest()}  {name}\n")
        if self.kind != WHOLE:
            return lines[0][:64]
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def printable(name: str) -> str:
    """Return the name of a file as text that JSON can hold; bytes that are not UTF-8 are escaped."""
    return _SURROGATE.sub(lambda match: ascii(match[0])[1:-1].replace("\\udc", "\\x"), name)


def size_of(path: str) -> int:
    """Return the size of a file in bytes, 0 if it can't be told."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return 0


def units_of(inputs: Iterable[str | Path], output: Path | None) -> list[Unit]:
    """Return what is to be done, in order.

    Parameters
    ----------
    inputs : iterable of str or Path
        Files, folders, and ``"-"`` for standard input.
    output : Path or None
        Folder that will be written.

    Raises
    ------
    InputError
        If an input is missing, needs a library that is not installed, or two would get the same name.
    """
    given = [str(path) for path in inputs]
    if given.count("-") > 1:
        raise InputError("standard input can be read only once, but - is named twice")
    files: dict[str, str] = {}  # by name in the output
    for one in given:
        for path, name in _files(Path(one), output) if one != "-" else ():
            if name in files:
                raise InputError(f"{path}: {files[name]} would have the name {name} in the output folder, too")
            if Path(name).parts[0] in (MANIFEST, ERRORS, REJECTED, WORK):
                raise InputError(f"{path}: the output folder has another use for the name {name}")
            if output and output.joinpath(name).resolve() == path.resolve():
                raise InputError(f"{path} would be overwritten: write elsewhere")
            files[name] = str(path)
    units = []
    whole: dict[str, str] = {}
    for name, source in files.items():
        kind, compression = _kind(source)
        if kind == WHOLE:
            whole[source] = name
            continue
        if kind == "parquet":  # one that was compressed as a whole is written without that
            name = re.sub(r"\.(?:gz|zst)$", "", name, flags=re.IGNORECASE)
        units.append(Unit(name, kind, compression, {source: name}))
    if whole:
        units.append(Unit(SCORES, WHOLE, "", whole))
    if "-" in given:
        units.append(_standard_input())
    if not units:
        raise InputError("no files in the input")
    names = Counter([unit.name for unit in units] + list(whole.values()))
    folders = {str(folder) for name in names for folder in Path(name).parents}
    if both := [name for name in names if name in folders]:
        raise InputError(f"{both[0]} would be a file and a folder in the output: filter them one after the other")
    keys = Counter(unit.key for unit in units)
    for unit in units:
        if names[unit.name] > 1 or keys[unit.key] > 1:
            raise InputError(f"{unit.source}: the output folder has another use for the name {unit.name}")
        need = {"parquet": ("pyarrow", "corpus"), "warc": ("warcio", "warc")}.get(unit.kind)
        if need and find_spec(need[0]) is None:
            raise InputError(f"{unit.source}: needs {need[0]}: pip install 'mtdetect[{need[1]}]'")
    return units


def _standard_input() -> Unit:
    if sys.stdin is None:
        raise InputError("standard input is closed")
    try:
        opened = Opened(cast(IO[bytes], _Hashed(sys.stdin.buffer)), "-")
    except ReadError as error:
        raise InputError(f"standard input: {error}") from error
    if opened.kind not in _ROWS:
        name = f"stdin.{'html' if opened.kind == 'html' else 'txt'}"
        return Unit(SCORES, WHOLE, "", {"-": name}, opened)
    suffix = f".{opened.compression}" if opened.compression and opened.kind != "parquet" else ""
    name = f"stdin.{opened.kind}{suffix}"
    return Unit(name, opened.kind, opened.compression, {"-": name}, opened)


def _kind(source: str) -> tuple[str, Compression]:
    if not Path(source).is_file():  # opening a pipe would wait for its writer
        return WHOLE, ""
    try:
        with Path(source).open("rb") as file:
            opened = Opened(file, source)
            return opened.kind if opened.kind in _ROWS else WHOLE, opened.compression
    except ReadError as error:
        raise InputError(f"{source}: {error}") from error
    except OSError:
        return WHOLE, ""  # it will be an error when its turn comes


def _files(given: Path, output: Path | None) -> Iterator[tuple[Path, str]]:
    if not given.exists():
        raise InputError(f"no such file or folder: {given}")
    if not given.is_dir():
        if not given.is_file():
            raise InputError(f"{given} is not a file: pipe it in, and name -")
        yield given, given.name
        return
    if output and output.resolve().is_relative_to(given.resolve()):
        raise InputError(f"{output} lies in {given}, which is to be filtered: write elsewhere")
    paths, failed = files_below(str(given))
    # what can't be read is an error when its turn comes
    for path in sorted([*paths, *(Path(str(error.filename)) for error in failed)]):
        yield path, str(path.relative_to(given))


class _Hashed(io.RawIOBase):
    """Standard input, with a digest of what was read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = cast(io.BufferedReader, stream)
        self.digest = hashlib.sha256()

    def read1(self, size: int) -> bytes:
        chunk = self._stream.read1(size)
        self.digest.update(chunk)
        return chunk

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
