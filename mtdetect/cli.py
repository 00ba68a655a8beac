"""The command line: ``mtdetect score article.txt``.

Data goes to standard output, everything else to standard error. Exit 0: it ran; 1: a quality gate failed;
2: it could not run. What costs time to import is imported in the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from enum import Enum
from itertools import tee
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from mtdetect.corpus import Record
    from mtdetect.types import ArticleScore, SentenceScore

__all__ = ["app", "main"]

_T = TypeVar("_T")
_POINTS = {0.001: "fpr_0.1", 0.01: "fpr_1", 0.05: "fpr_5"}
_BOLD, _DIM, _RED, _GREEN, _YELLOW, _MARK = "1", "2", "31", "32", "33", "1;31"
_VERDICTS = ((85, "clean", _GREEN), (50, "some damage", _YELLOW), (0, "garbled", _RED))
_MAX_SHOWN = 2000
_BAR_AFTER_S = 2.0
# They stand around a garbled part until lines are wrapped; `_safe` lets neither through.
_OPEN, _CLOSE = "\x02", "\x03"
_SURROGATE = re.compile("[\ud800-\udfff]")
# In UTF-8: DEL, C1, soft hyphen, zero-width and bidi controls, line separators, byte-order mark.
_INVISIBLE = re.compile(
    rb"\x7f|\xc2[\x80-\x9f\xad]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class _Format(str, Enum):
    TEXT = "text"
    JSONL = "jsonl"


class _Trainable(str, Enum):
    FAST = "fast"


_Model = Annotated[str, typer.Option("--model", metavar="NAME|DIR", help="A shipped model or a model folder.")]
_Data = Annotated[Path, typer.Option("--data", metavar="DIR", help="Folder with the Parquet files of the data.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from mtdetect.version import __version__

        _put(f"mtdetect {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: mtdetect score article.txt")
def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Find machine-translation artifacts in English news: garbled sentences, where, and why."""


@app.command(epilog="Example: mtdetect score --format jsonl news/ > scores.jsonl")
def score(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE|-",
            help="Text, HTML, JSON Lines or Parquet, also .gz or .zst, or a folder of them; - is standard input.",
            show_default=False,
        ),
    ] = None,
    model: _Model = "fast",
    form: Annotated[
        _Format | None,
        typer.Option("--format", help="By default text on a terminal, jsonl in a pipe.", show_default=False),
    ] = None,
    fpr: Annotated[
        float,
        typer.Option(metavar="0.001|0.01|0.05", help="Share of human-written sentences that may be flagged wrongly."),
    ] = 0.01,
    fail_under: Annotated[
        float | None,
        typer.Option(metavar="Q", help="Exit with 1 if an article has a quality under Q.", show_default=False),
    ] = None,
    text_field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Field of a row that holds the text; by default text, content, …"),
    ] = None,
    id_field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Field of a row that holds its id; by default id, doc_id or url."),
    ] = None,
) -> None:
    """Score articles and show what is garbled. Quality goes from 0 to 100, higher is cleaner."""
    if fpr not in _POINTS:
        _fail(f"no operating point for --fpr {fpr:g}: choose one of {', '.join(map(str, _POINTS))}")
    if fail_under is not None and not 0 <= fail_under <= 100:
        _fail(f"--fail-under {fail_under:g} is not a quality: 0 to 100")
    if not files and sys.stdin.isatty():
        _fail("name a FILE, or pipe an article in: mtdetect score article.txt")
    from mtdetect.corpus import InputError, read_records

    records = read_records(files or ["-"], text_field=text_field, id_field=id_field)
    from mtdetect.detector import Detector

    detector = Detector.from_pretrained(model, point=_POINTS[fpr])
    failures: list[InputError] = []

    def readable() -> Iterator[Record]:
        # `score_many` reads ahead: what came before an input that fails is scored and written first
        try:
            yield from records
        except InputError as error:
            failures.append(error)

    as_text = form is _Format.TEXT or (form is None and sys.stdout.isatty())
    n = n_errors = n_null = n_under = 0
    ahead, behind = tee(readable())
    articles = detector.score_many(record.text or "" for record in ahead)
    for record, article in _with_bar(zip(behind, articles, strict=True)):
        if record.error is not None:
            article = replace(article, reason=f"error: {record.error}")
        _put(_as_text(record, article) if as_text else _as_json(record, article))
        n += 1
        n_errors += record.error is not None
        n_null += article.quality is None
        n_under += fail_under is not None and article.quality is not None and article.quality < fail_under
    if failures:
        raise failures[0]
    if not n:
        _note("no articles in the input")
    if n_errors:
        _note(f"{n_errors} of {n} records could not be read")
    if fail_under is not None and n_null:
        _note(f"{n_null} of {n} articles have no quality and were not held against --fail-under")
    if n and n_errors == n:
        sys.exit(2)
    if n_under:
        _note(f"{n_under} of {n} articles have a quality under {fail_under:g}")
        sys.exit(1)


@app.command(epilog="Example: mtdetect train fast --data data -o models/fast-v1")
def train(
    kind: Annotated[_Trainable, typer.Argument(help="Kind of model.")],
    data: _Data,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model folder to write.")],
    seed: Annotated[int, typer.Option(help="The same seed and data give the same model.")] = 0,
) -> None:
    """Train, calibrate and save a model."""
    from mtdetect.train import train_fast

    classifier = train_fast(data, output, seed=seed, log=_note)
    _note(f"{output}: {classifier.config['name']}@{classifier.digest}")


@app.command(epilog="Example: mtdetect evaluate --data data > tables.md")
def evaluate(
    data: _Data,
    model: _Model = "fast",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the figures go as JSON; by default metrics.json in the model folder, or in the working"
            " directory for a model that was installed.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a model on the dev split. Prints the tables, writes metrics.json."""
    import orjson

    from mtdetect.detector import Detector, model_folder
    from mtdetect.evaluate import evaluate as measure
    from mtdetect.evaluate import tables

    folder = model_folder(model)
    installed = folder.resolve().is_relative_to(Path(__file__).resolve().parent)
    target = output or Path("metrics.json" if installed else folder / "metrics.json")
    metrics = measure(Detector.from_pretrained(folder), data, _note)
    _put(_safe_lines(tables(metrics)))
    target.write_bytes(orjson.dumps(metrics, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    _note(f"wrote {target}")


@app.command(epilog="Example: mtdetect info")
def info(model: _Model = "fast") -> None:
    """Say what a model is. Name, digest, size, operating points, training data."""
    from mtdetect.classifier import FastClassifier
    from mtdetect.detector import model_folder

    folder = model_folder(model)
    loaded = FastClassifier.load(folder)
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    lines = [f"{loaded.config['name']}@{loaded.digest}, {size / 1e6:.1f} MB, in {folder}", "operating points:"]
    for point in loaded.points.values():
        lines.append(
            f"  {point.name:8} sentence flagged from mt_score {point.sentence:.3f},"
            f" article machine-translated from {point.article:.3f}"
        )
    lines.append("training:")
    for name, value in loaded.config["training"].items():
        entries = value.items() if isinstance(value, dict) else [(name, value)]
        lines += [f"  {key}: {entry}" for key, entry in entries]
    _put(_safe_lines("\n".join(lines)))


def main(argv: list[str] | None = None) -> None:
    """Run the command line; it ends in `SystemExit`.

    Parameters
    ----------
    argv : list of str, optional
        The arguments, by default those of the process.
    """
    if hasattr(signal, "SIGPIPE"):
        # `mtdetect score … | head` ends quietly, as any other program in a pipe
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app(args=argv, prog_name="mtdetect")
    except OSError as error:
        _fail(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    except ValueError as error:
        from mtdetect.classifier import ModelError
        from mtdetect.corpus import InputError
        from mtdetect.data import DataError

        if not isinstance(error, (DataError, InputError, ModelError)):
            raise
        _fail(str(error))


def _note(line: str) -> None:
    sys.stderr.write(f"mtdetect: {_safe(line)}\n")


def _fail(line: str) -> NoReturn:
    _note(line)
    sys.exit(2)


def _put(data: str | bytes) -> None:
    """Write a line or a block to standard output at once."""
    if isinstance(data, str):
        data = data.encode(sys.stdout.encoding, "replace")
    try:
        sys.stdout.buffer.write(data + b"\n")
        sys.stdout.buffer.flush()
    except OSError:
        # the disk is full: Python must not try again at exit
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise


def _styled(text: str, style: str) -> str:
    plain = "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb" or not sys.stdout.isatty()
    return text if plain else f"\x1b[{style}m{text}\x1b[0m"


def _with_bar(items: Iterable[_T]) -> Iterator[_T]:
    """Show on standard error how many articles are done, once that takes long.

    Only where the results go to a file: on a terminal they show it themselves, and a pipe may end on one.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty() or stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        yield from items
        return
    bar: Any = None
    begin = monotonic()
    try:
        for done, item in enumerate(items, 1):
            yield item
            if bar is None and monotonic() - begin > _BAR_AFTER_S:
                from rich import progress
                from rich.console import Console

                columns = (progress.BarColumn(), "{task.completed} articles", progress.TimeElapsedColumn())
                bar = progress.Progress(*columns, console=Console(stderr=True), transient=True)
                task = bar.add_task("", total=None)
                bar.start()
            if bar is not None:
                bar.update(task, completed=done)
    finally:
        if bar is not None:
            bar.stop()


def _as_json(record: Record, article: ArticleScore) -> bytes:
    import orjson

    row = {
        "id": record.id,
        "source": record.source,
        **article.to_dict(),
        "encoding": record.encoding,
        "warnings": list(record.warnings),
    }
    try:
        line = orjson.dumps(row)
    except orjson.JSONEncodeError:
        line = orjson.dumps(_without_surrogates(row))
    # JSON leaves these raw; escaped they mean the same, and do nothing to a terminal at the end of the pipe
    return _INVISIBLE.sub(lambda match: f"\\u{ord(match[0].decode()):04x}".encode(), line)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {name: _without_surrogates(item) for name, item in value.items()}
    return [_without_surrogates(item) for item in value] if isinstance(value, list) else value


def _safe(text: str) -> str:
    r"""Return the text in one line, with what a terminal would obey or hide made visible: ESC becomes ``\x1b``."""
    text = re.sub(r"[^\S ]+", " ", text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _safe_lines(text: str) -> str:
    return "\n".join(map(_safe, text.split("\n")))


def _as_text(record: Record, article: ArticleScore) -> str:
    name = "standard input" if record.source == "-" else _safe(record.source)
    if record.id != record.source:
        name = f"{_safe(record.id)} ({name})"
    if record.error is not None:
        return f"{name}: {_styled('not scored', _RED)}, {_safe(article.reason or '')}\n"
    lines = [_styled(name, _BOLD)]
    if article.quality is None or article.mt_score is None:
        lines.append(f"  not scored: {_safe(article.reason or '')}")
    else:
        verdict, style = next((words, style) for low, words, style in _VERDICTS if round(article.quality) >= low)
        says = "reads like" if article.machine_translated else "not called"
        lines += [
            f"  quality   {article.quality:.0f} / 100, {_styled(verdict, style)} (higher is cleaner)",
            f"  mt_score  {article.mt_score:.2f}, {says} machine translation (from {article.point.article:.2f} on)",
        ]
    if article.sentences:
        lines.append(f"  flagged   {article.n_flagged} of {article.n_sentences} sentences")
    width = min(max(shutil.get_terminal_size().columns, 40), 120)
    for number, sentence in enumerate(article.sentences, 1):
        if sentence.flagged:
            lines += ["", *_flagged(number, sentence, width)]
    lines.append("")
    if article.residue:
        n = len(article.residue)
        lines.append(f"  {n} {'line' if n == 1 else 'lines'} of page residue kept out of the score")
    lines += [f"  warning: {_safe(warning)}" for warning in record.warnings]
    lines.append(_styled(f"  {_safe(article.signature)}", _DIM))
    return "\n".join(lines) + "\n"


def _flagged(number: int, sentence: SentenceScore, width: int) -> Iterator[str]:
    """Yield a sentence with its garbled parts between « and », and below it the reasons, the strong ones if any."""
    shown = [item for item in sentence.evidence if item.strength == "strong"] or sentence.evidence
    marked, done = "", 0
    text = sentence.text[:_MAX_SHOWN]
    for item in shown:
        start, end = max(item.start - sentence.start, done), min(item.end - sentence.start, len(text))
        if start < end:
            if start == done and marked.endswith(_CLOSE):
                marked = marked[:-1] + _safe(text[start:end]) + _CLOSE
            else:
                marked += _safe(text[done:start]) + _OPEN + _safe(text[start:end]) + _CLOSE
            done = end
    marked += _safe(text[done:]) + ("…" if len(sentence.text) > len(text) else "")
    start_mark, stop_mark = _styled("|", _MARK).split("|")
    inside = False
    for line in textwrap.wrap(marked, width, initial_indent=f"{number:5}  ", subsequent_indent=" " * 7):
        body = start_mark * inside + line[7:].replace(_OPEN, f"{start_mark}«").replace(_CLOSE, f"»{stop_mark}")
        inside = line.rfind(_OPEN) > line.rfind(_CLOSE) or (inside and _CLOSE not in line)
        yield line[:7] + body + stop_mark * inside
    for item in shown:
        reason = f"{item.category}: {_safe(item.message)} ({item.source})"
        yield from textwrap.wrap(reason, width, initial_indent=" " * 7 + "→ ", subsequent_indent=" " * 9)
