"""Machine translation engines for round trips: Apertium as long-running processes, Marian models."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shutil
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Apertium", "Engine", "EngineError", "Marian", "engines_of"]

# names of the directions differ from ISO 639-3 in the older pairs
_APERTIUM = {
    "cat": ("cat-eng", "eng-cat", "apertium-eng-cat"),
    "epo": ("eo-en", "en-eo", "apertium-eo-en"),
    "glg": ("gl-en", "en-gl", "apertium-en-gl"),
    "hbs": ("hbs-eng", "eng-hbs", "apertium-hbs-eng"),
    "isl": ("isl-eng", "eng-isl", "apertium-isl-eng"),
    "mkd": ("mkd-eng", "eng-mkd", "apertium-mkd-eng"),
    "spa": ("spa-eng", "eng-spa", "apertium-eng-spa"),
}
_BATCH_LINES, _BATCH_BYTES = 256, 1 << 15
_SPECIAL = re.compile(r"[\\^$\[\]{}/@<>]")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ANSWER = re.compile(r"\[(\d+)\](.*)\[\]\[\n\]", re.DOTALL)


class EngineError(ValueError):
    """An engine, or a pair of languages, that is not there; the message says how to install it."""


class Engine(Protocol):
    """One direction of an engine."""

    name: str
    version: str

    def translate(self, lines: Sequence[str]) -> list[str | None]:
        """Return a translation for each line; None where the engine failed."""

    def close(self) -> None:
        """Let go of processes and memory."""


class _BrokenError(Exception):
    """The process died, hangs, or lost count."""


class Apertium:
    """One direction of Apertium, a pipe of processes that stays up from line to line.

    Every line carries its number through the pipe, so an answer can't be taken for that of another line. When the
    processes die or hang they are started again, and the lines in question are sent one by one. What the processes
    have read changes a word here and there in what they say later, so each call begins with new ones: the same lines
    give the same answers.

    Parameters
    ----------
    pivot : str
        The other language: ``"cat"``, ``"epo"``, ``"glg"``, ``"hbs"``, ``"isl"``, ``"mkd"`` or ``"spa"``.
    into_english : bool
        The direction.
    timeout : float
        Seconds without an answer after which the process counts as hung.

    Raises
    ------
    EngineError
        If Apertium or the direction is not installed; the message holds the apt command.
    """

    name = "apertium"

    def __init__(self, pivot: str, *, into_english: bool, timeout: float = 20.0) -> None:
        if pivot not in _APERTIUM:
            raise EngineError(f"no Apertium pair for pivot {pivot!r}: choose from {', '.join(_APERTIUM)}")
        *directions, package = _APERTIUM[pivot]
        self.direction = directions[0 if into_english else 1]
        self.timeout = timeout
        if shutil.which("apertium-wblank-mode") is None:
            raise EngineError(f"Apertium 3.8 or newer is not installed: apt-get install apertium {package}")
        modes = Path(os.environ.get("APERTIUM_DATADIR", "/usr/share/apertium")) / "modes"
        mode = modes / f"{self.direction}.mode"
        if not mode.is_file():
            if (modes / f"{directions[0]}.mode").is_file():
                raise EngineError(f"{package} translates into English only: give text in that language and --one-way")
            raise EngineError(f"Apertium has no {self.direction} in {modes}: apt-get install {package}")
        # the script `apertium` puts gawk around the pipe, which sits on its output until the input ends
        self._pipe = _output("apertium-wblank-mode", "-z", str(mode))
        versions = (_output("dpkg-query", "-W", "-f", "${Version}", name) for name in ("apertium", package))
        self.version = f"{self.direction} {' / '.join(version or 'unknown' for version in versions)}"
        self._process: subprocess.Popen[bytes] | None = None

    def translate(self, lines: Sequence[str]) -> list[str | None]:
        """Translate line by line.

        Parameters
        ----------
        lines : sequence of str
            Without line breaks; marks for unknown words are left out of the answers.

        Returns
        -------
        list of str or None
            As many as lines; None where the engine died or hung twice.

        Raises
        ------
        EngineError
            If the process can't be started.
        """
        self.close()
        answers: list[str | None] = []
        for batch in _batches(lines):
            try:
                answers += self._exchange(batch)
            except _BrokenError:
                for line in batch:
                    try:
                        answers += self._exchange([line])
                    except _BrokenError:
                        answers.append(None)
        return answers

    def _exchange(self, batch: Sequence[str]) -> list[str | None]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _start("bash", "-c", self._pipe, "apertium", "-n")
        payload = b"".join(
            f"[{i}]{_SPECIAL.sub(_escape, ' '.join(line.replace(chr(0), ' ').splitlines()))}[][\n]\0".encode(
                "utf-8", "replace"
            )
            for i, line in enumerate(batch)
        )
        try:
            answers = [chunk.decode("utf-8", "replace") for chunk in self._talk(self._process, payload, len(batch))]
            matches = [_ANSWER.fullmatch(answer) for answer in answers]
            if [match and int(match[1]) for match in matches] != list(range(len(batch))):
                raise _BrokenError
        except (_BrokenError, OSError) as error:
            self.close()
            raise _BrokenError from error
        return [_ESCAPED.sub(r"\1", match[2]) for match in matches if match]

    def _talk(self, process: subprocess.Popen[bytes], payload: bytes, count: int) -> list[bytes]:
        """Write and read at once, so that no full pipe can block both sides."""
        assert process.stdin is not None and process.stdout is not None
        sent, received = 0, bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdin, selectors.EVENT_WRITE)
            selector.register(process.stdout, selectors.EVENT_READ)
            while (found := received.count(0)) < count:
                ready = selector.select(self.timeout)
                if not ready:
                    raise _BrokenError
                for key, _ in ready:
                    if key.fileobj is process.stdin:
                        sent += os.write(key.fd, payload[sent : sent + 4096])
                        if sent == len(payload):
                            selector.unregister(process.stdin)
                    elif chunk := os.read(key.fd, 1 << 16):
                        received += chunk
                    else:
                        raise _BrokenError
        if found > count or not received.endswith(b"\0"):
            raise _BrokenError
        return bytes(received).split(b"\0")[:-1]

    def close(self) -> None:
        """Stop the processes; the next call starts new ones."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


def _escape(match: re.Match[str]) -> str:
    return "\\" + match[0]


def _start(*command: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # transfer rules complain about themselves there
            bufsize=0,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except OSError as error:
        raise EngineError(f"cannot start {command[0]}: {error.strerror}") from error


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line)
        if len(batch) >= _BATCH_LINES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Marian:
    """One direction of a Marian model in `transformers`.

    With a hub in reach: ``mtdetect roundtrip clean/ -o pairs.parquet --engine marian --pivot ar``.

    Parameters
    ----------
    model : str
        Name on the Hugging Face hub such as ``"Helsinki-NLP/opus-mt-en-ar"``, or a folder.
    batch_tokens : int
        Padded source tokens in a batch.

    Raises
    ------
    EngineError
        If `torch`, `transformers` or the model is missing.
    """

    name = "marian"

    def __init__(self, model: str, *, batch_tokens: int = 2048) -> None:
        try:
            import torch
            import transformers

            from mtdetect.start import has_bfloat16
        except ImportError as error:
            raise EngineError(f"Marian needs {error.name}: pip install 'mtdetect[marian]'") from error
        self._torch = torch
        self.batch_tokens = batch_tokens
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._half = has_bfloat16(self.device)
        logging: Any = transformers.utils.logging
        logging.disable_progress_bar()
        try:
            # first what is small and fails fast: a tokenizer that is not there is a TypeError after minutes
            self._config: Any = transformers.MarianConfig.from_pretrained(model)
            self._tokenizer: Any = transformers.MarianTokenizer.from_pretrained(model)
            loaded: Any = transformers.MarianMTModel.from_pretrained(model)
        except ImportError as error:
            raise EngineError("Marian needs sentencepiece: pip install 'mtdetect[marian]'") from error
        except (OSError, TypeError, ValueError) as error:
            reason = "files are missing" if isinstance(error, TypeError) else str(error).strip().partition("\n")[0]
            raise EngineError(f"cannot load the Marian model {model!r}: {reason}") from error
        self._model = loaded.to(self.device).eval()
        commit = getattr(self._config, "_commit_hash", None) or "local"
        self.version = f"{model}@{commit} / transformers {transformers.__version__}"

    def _tokens(self, lines: list[str], **options: Any) -> Any:
        return self._tokenizer(lines, truncation=True, max_length=self._config.max_position_embeddings, **options)

    def translate(self, lines: Sequence[str]) -> list[str | None]:
        """Translate lines in batches of like length, with greedy search, in bfloat16 where the processor has it.

        Parameters
        ----------
        lines : sequence of str
            Sentences; longer ones than the model can read are cut by its tokenizer.

        Returns
        -------
        list of str or None
            As many as lines; blank ones stay as they are.
        """
        torch = self._torch
        answers: list[str | None] = list(lines)
        known = [i for i, line in enumerate(lines) if line.strip()]
        tokens = {i: len(self._tokens([lines[i]])["input_ids"][0]) for i in known}
        order = sorted(known, key=lambda i: (tokens[i], i))
        begin = 0
        while begin < len(order):
            end = begin + 1
            while end < len(order) and (end + 1 - begin) * tokens[order[end]] <= self.batch_tokens:
                end += 1
            which = order[begin:end]
            inputs = self._tokens([lines[i] for i in which], return_tensors="pt", padding=True).to(self.device)
            with torch.inference_mode(), torch.autocast(self.device, dtype=torch.bfloat16, enabled=self._half):
                generated = self._model.generate(
                    **inputs, num_beams=1, do_sample=False, max_length=self._config.max_position_embeddings
                )
            for i, text in zip(which, self._tokenizer.batch_decode(generated, skip_special_tokens=True), strict=True):
                answers[i] = text
            begin = end
        return answers

    def close(self) -> None:
        """Nothing to do: the model goes with the object."""


def engines_of(
    kind: str, pivot: str, *, there: str | None = None, back: str | None = None, one_way: bool = False
) -> tuple[Engine, ...]:
    """Return the engines of a round trip, in the order in which text goes through them.

    Parameters
    ----------
    kind : str
        ``"apertium"``, ``"marian"`` or ``"none"``.
    pivot : str
        The language between: ISO 639-3 for Apertium, as the hub names models for Marian (``"ar"``).
    there, back : str, optional
        Marian models, by default ``Helsinki-NLP/opus-mt-en-PIVOT`` and ``opus-mt-PIVOT-en``.
    one_way : bool
        Only the way into English.

    Raises
    ------
    EngineError
        If one is missing.
    """
    if kind == "none":
        return ()
    if kind == "marian":
        models = [there or f"Helsinki-NLP/opus-mt-en-{pivot}", back or f"Helsinki-NLP/opus-mt-{pivot}-en"]
        return tuple(Marian(model) for model in models[one_way:])
    return tuple(Apertium(pivot, into_english=into_english) for into_english in (False, True)[one_way:])
