"""Fuzz what meets hostile input: python tests/fuzz.py TARGET [RUNS] [SECONDS], TARGET one of those below.

Needs: pip install atheris. Begins with what runs of a million found (fuzz_corpus.json: inputs that reach more of the
code, base64). Stops at the first input that breaks a promise, writes it to crash-* and exits with 77.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["mtdetect"]):
    from mtdetect import Detector
    from mtdetect.artifacts import find_artifacts
    from mtdetect.classifier import FastClassifier, ModelError, model_folder
    from mtdetect.corpus import Opened, extracted
    from mtdetect.pages import read_page
    from mtdetect.report import article_page
    from mtdetect.streams import ReadError
    from mtdetect.text import split_sentences

import orjson

# what the rules and the splitter look for: without it, random text hardly meets them
_WORDS = (
    *("He added: “", "” he said", "(ISIS, formerly ISIS)", "in a drone. He hits. ", "the members of the members of "),
    *(
        "Mr. ",
        "U.S. ",
        "No. 5",
        "3.786 ",
        "12,500",
        "&#39;",
        "http : //",
        "库",
        "Кremlin",
        "\u200b",
        "\u00ad",
        "\n\n",
        "\r",
    ),
    *(
        "Source link\n",
        "Read more: ",
        "stressing that ",
        "“Urgent exit” It",
        " , ",
        " .",
        "…",
        "”",
        "’",
        "\ud800",
        "\0",
    ),
    *(
        "The council voted to close the bridge. ",
        "and the ",
        "of ",
        "Qasem Soleimani",
        "Qassem Soleimani",
        "\u202e",
        "é",
    ),
)
_TAGS = (
    "<p>",
    "</p>",
    "<div>",
    "<table><td colspan=9999>",
    "<script>",
    "<!--",
    "<a href=x>",
    "<article>",
    "&nbsp;",
    "<h1>",
)


def _text(data: atheris.FuzzedDataProvider, words: tuple[str, ...] = _WORDS) -> str:
    parts = []
    while data.remaining_bytes() and len(parts) < 400:
        if data.ConsumeBool():
            parts.append(words[data.ConsumeIntInRange(0, len(words) - 1)])
        else:
            parts.append(data.ConsumeUnicode(data.ConsumeIntInRange(0, 12)))
    return "".join(parts)


def splitter(data: atheris.FuzzedDataProvider) -> None:
    """Spans are in order, inside the text, and leave out nothing but space."""
    text = _text(data)
    place = 0
    for start, end in split_sentences(text):
        assert place <= start < end <= len(text) and not text[place:start].strip()
        place = end
    assert not text[place:].strip()


def rules(data: atheris.FuzzedDataProvider) -> None:
    """Evidence is in order and inside the text."""
    text = _text(data)
    found = find_artifacts(text)
    assert all(0 <= item.start < item.end <= len(text) and item.message for item in found)
    assert [(item.start, item.end) for item in found] == sorted((item.start, item.end) for item in found)


def reader(data: atheris.FuzzedDataProvider) -> None:
    """Each record has a text or an error of one line."""
    name = ("a.jsonl", "a.json", "a.txt", "a.html", "a.warc", "a.parquet", "a.jsonl.gz", "a.zst")[
        data.ConsumeIntInRange(0, 7)
    ]
    head = (b"", b'{"text": "', b"WARC/1.0\r\n", b"\xff\xfe", b"PAR1", b"\x1f\x8b", b"[{", b"<html>")[
        data.ConsumeIntInRange(0, 7)
    ]
    content = head + data.ConsumeBytes(data.remaining_bytes())
    try:
        for record in Opened(io.BytesIO(content), name, 100_000).records():
            record = extracted(record, 100_000)
            assert (record.text is None) == (record.error is not None) or not record.is_article
            assert record.error is None or "\n" not in record.error
    except ReadError as error:
        assert "\n" not in str(error)


def html(data: atheris.FuzzedDataProvider) -> None:
    """A page has a text or an error of one line."""
    page = read_page(_text(data, _TAGS + _WORDS).encode("utf-8", "surrogatepass"), html=True)
    assert (page.text is None) == (page.error is not None)
    assert page.error is None or "\n" not in page.error


def model(data: atheris.FuzzedDataProvider) -> None:
    """A damaged model is refused in one line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = orjson.loads((model_folder("fast") / "config.json").read_bytes())
        weights = bytearray(_WEIGHTS)
        for _ in range(data.ConsumeIntInRange(0, 8)):
            weights[data.ConsumeIntInRange(0, len(weights) - 1)] = data.ConsumeIntInRange(0, 255)
        weights = weights[: data.ConsumeIntInRange(0, len(weights))]
        config["checksums"] = {"weights.npz": hashlib.sha256(weights).hexdigest()}
        key = sorted(config)[data.ConsumeIntInRange(0, len(config) - 1)]
        if data.ConsumeBool():
            config[key] = data.ConsumeUnicodeNoSurrogates(5) if data.ConsumeBool() else data.ConsumeIntInRange(-9, 9)
        (folder / "config.json").write_bytes(orjson.dumps(config))
        (folder / "weights.npz").write_bytes(weights)
        try:
            FastClassifier.load(folder)
        except ModelError as error:
            assert "\n" not in str(error)


def _small_weights() -> bytes:
    """Return a model file of a few hundred bytes: most arrays are missing or empty, so that all of it is reached."""
    import numpy as np

    with np.load(model_folder("fast") / "weights.npz") as stored, io.BytesIO() as file:
        np.savez(file, **{name: stored[name][:0] for name in stored.files})
        return file.getvalue()


def report(data: atheris.FuzzedDataProvider) -> None:
    """Nothing in a report is active, whatever texts, names and titles hold."""
    name, title = data.ConsumeUnicode(30), data.ConsumeUnicode(30)
    name += _TAGS[data.ConsumeIntInRange(0, len(_TAGS) - 1)]
    page = article_page(
        _DETECTOR.score(_text(data, _TAGS + _WORDS)), name=name or "-", title=title or None, warnings=[title]
    )
    inside = re.sub(r"(?s)<style>.*?</style>", "", page)
    assert "<script" not in inside.lower() and "javascript:" not in re.sub(r">[^<]*<", "><", inside).lower()
    page.encode("utf-8")


TARGETS: dict[str, Callable[[atheris.FuzzedDataProvider], None]] = {
    target.__name__: target for target in (splitter, rules, reader, html, model, report)
}


def main(name: str, runs: str = "-1", seconds: str = "60") -> None:
    """Run one target."""
    target = TARGETS[name]

    def one(data: bytes) -> None:
        target(atheris.FuzzedDataProvider(data))

    folder = tempfile.mkdtemp()  # atheris ends the process: nobody is there to remove it
    found = orjson.loads(Path(__file__).with_name("fuzz_corpus.json").read_bytes())
    for number, content in enumerate(found[name]):
        Path(folder, str(number)).write_bytes(base64.b64decode(content))
    options = [
        f"-runs={runs}",
        f"-max_total_time={seconds}",
        "-timeout=20",
        "-rss_limit_mb=8192",  # atheris keeps some 3 kB of each execution
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, "-max_len=4096", "-seed=1", folder], one)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"name a target: {', '.join(TARGETS)}")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    _DETECTOR = Detector.from_pretrained("fast")
    _WEIGHTS = _small_weights()
    main(*sys.argv[1:])
