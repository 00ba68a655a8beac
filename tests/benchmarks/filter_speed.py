"""Speed of `mtdetect filter` beside two other corpus filters: python tests/benchmarks/filter_speed.py DATA [ROWS].

One file of ROWS dev articles (default 100,000; the first 1,500 characters of each, repeated as needed), JSON Lines,
Zstandard, goes in; the kept rows come out in the same format with a score added. Prints a Markdown table; what the
programs say goes to standard error. Takes 2 GB of the temporary folder. The peers:

- KenLM, as in CCNet: perplexity of an article under a 5-gram model of lower-cased tokens, line by line. Tokens are
  words and punctuation marks; CCNet's SentencePiece would take longer.
- fastText, as in DCLM: a classifier on words and pairs of words, all else as fastText has it by default.

Both learn from 5,000 articles a class at most (human; fastText also mt), enough to compare speed, untimed. KenLM's own
`lmplz` makes the model; one of a whole corpus would miss the processor's cache more often. A run is a process, timed
from start to end, imports and loading of models included, one thread in each process. With 2 workers, for all three,
a parent reads and writes, and two more processes score. Peak memory is that of the largest process.

Needs: pip install 'mtdetect[test]' kenlm fasttext-numpy2, and on the path two programs from kenlm's source package:

    apt-get install g++ cmake libboost-{program-options,system,thread,test}-dev
    pip download --no-deps --no-binary kenlm kenlm && tar xf kenlm-*.tar.gz && cd kenlm-*/
    cmake -B build && make -C build lmplz build_binary && export PATH="$PWD/build/bin:$PATH"
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from functools import partial
from importlib.metadata import packages_distributions, version
from importlib.util import find_spec
from itertools import islice, product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson
from backports import zstd

_CHARS, _TRAINING, _CHUNK = 1_500, 5_000, 100
# Both keep some 99 % of the dev articles, as mtdetect does: what is not written costs nothing.
_MOST_PERPLEXITY, _LEAST_HUMAN = 600, 0.05
_TOKEN = re.compile(r"\w+|[^\w\s]")
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

_judge: Callable[[str], tuple[float, bool]]


def _tokens(line: str) -> str:
    return " ".join(_TOKEN.findall(line.lower()))


def _by_perplexity(model: Any, text: str) -> tuple[float, bool]:
    total, length = 0.0, 0
    for line in filter(None, map(_tokens, text.splitlines())):
        total += model.score(line)
        length += len(line.split()) + 1  # and the end of the line
    perplexity = 10 ** (-total / length) if length else float("inf")
    return perplexity, perplexity < _MOST_PERPLEXITY


def _by_class(model: Any, text: str) -> tuple[float, bool]:
    labels, probabilities = model.predict(" ".join(text.split()))
    human = float(probabilities[0] if labels[0] == "__label__human" else 1 - probabilities[0])
    return human, human >= _LEAST_HUMAN


def _load(peer: str, model: str) -> None:
    global _judge
    if peer == "kenlm":
        import kenlm

        _judge = partial(_by_perplexity, kenlm.Model(model))
    else:
        import fasttext

        _judge = partial(_by_class, fasttext.load_model(model))


def _kept(lines: list[bytes]) -> list[bytes]:
    kept = []
    for row in map(orjson.loads, lines):
        row["score"], keep = _judge(row["text"])
        if keep:
            kept.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return kept


def _all_kept(chunks: Iterable[list[bytes]], workers: int, peer: str, model: str) -> Iterator[list[bytes]]:
    if workers == 1:
        _load(peer, model)
        yield from map(_kept, chunks)
        return
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_load, initargs=(peer, model)) as pool:
        waiting: deque[Future[list[bytes]]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(_kept, chunk))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def run_peer(peer: str, model: str, source: str, out: str, workers: int) -> None:
    """Filter a file, in a process that does nothing else."""
    Path(out).mkdir()
    with zstd.open(source, "rb") as lines, zstd.open(Path(out, "kept.jsonl.zst"), "wb") as target:
        chunks = iter(lambda: list(islice(lines, _CHUNK)), [])
        for kept in _all_kept(chunks, workers, peer, model):
            target.writelines(kept)


def _prepare(data: Path, folder: Path, count: int) -> float:
    """Write the articles and both models; return the megabytes of text."""
    import fasttext

    from mtdetect.data import read_rows  # here, because the peers' processes import this file, too

    texts = [row["text"][:_CHARS] for row in read_rows(data, "articles_dev") if row["text"]]
    with zstd.open(folder / "articles.jsonl.zst", "wb") as out:
        for i in range(count):
            row = {"id": i, "url": f"https://example.org/{i}", "text": texts[i % len(texts)]}
            out.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    rows = read_rows(data, "articles_train")
    random.Random(0).shuffle(rows)
    chosen = {label: [row for row in rows if row["label"] == label][:_TRAINING] for label in ("human", "mt")}
    texts_of = {label: [row["text"] or "\n".join(row["sentences"]) for row in chosen[label]] for label in chosen}
    lines = (_tokens(line) + "\n" for text in texts_of["human"] for line in text.splitlines() if line.strip())
    arpa, text_file = folder / "human.arpa", folder / "human.txt"
    text_file.write_text("".join(lines), "utf-8")
    lmplz = ["lmplz", "-o", "5", "-S", "1G", "-T", folder, "--discount_fallback", "--text", text_file, "--arpa", arpa]
    for command in (lmplz, ["build_binary", arpa, folder / "kenlm"]):
        subprocess.run(command, check=True, stdout=sys.stderr)
    labelled = (f"__label__{label} {' '.join(text.split())}\n" for label in texts_of for text in texts_of[label])
    (folder / "classes.txt").write_text("".join(labelled), "utf-8")
    model = fasttext.train_supervised(str(folder / "classes.txt"), wordNgrams=2, thread=1, verbose=0)
    model.save_model(str(folder / "fasttext"))
    return sum(len(texts[i % len(texts)].encode()) for i in range(count)) / 1e6


def _measure(command: list[str]) -> tuple[float, float]:
    """Return the seconds that a command takes, and the peak memory of its largest process in MB."""
    begin = time.perf_counter()
    run = subprocess.Popen(command, stdout=sys.stderr, env=os.environ | _THREADS)
    _, status, usage = os.wait4(run.pid, 0)  # of this run alone; RUSAGE_CHILDREN would be the peak of all so far
    seconds, run.returncode = time.perf_counter() - begin, os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise SystemExit(f"exit {run.returncode}: {' '.join(command)}")
    return seconds, usage.ru_maxrss * 1024 / 1e6


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main(data: Path, count: int = 100_000) -> None:
    """Prepare, run, print."""
    if not (find_spec("kenlm") and find_spec("fasttext") and shutil.which("lmplz") and shutil.which("build_binary")):
        raise SystemExit("needs: pip install kenlm fasttext-numpy2; lmplz and build_binary on the path (see the file)")
    package = {"mtdetect": "mtdetect", "kenlm": "kenlm", "fasttext": packages_distributions()["fasttext"][0]}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = str(folder / "articles.jsonl.zst")
        # in another process: the peak of a run begins with the memory of the process that starts it
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            size = pool.submit(_prepare, data, folder, count).result()
        print("| filter | version | workers | s | rows/s | MB/s | peak MB | speed-up |\n|" + "---|" * 8)
        for name, workers in product(package, (1, 2)):
            out = folder / f"{name}-{workers}"
            command = [sys.executable, __file__, "peer", name, str(folder / name), source, str(out), str(workers)]
            if name == "mtdetect":
                command = [sys.executable, "-c", "from mtdetect.cli import main; main()", "filter", source]
                command += ["-o", str(out), "--min-quality", "50", "--workers", str(workers)]
            seconds, peak = _measure(command)
            if workers == 1:
                alone = seconds
            speed = f"{seconds:.1f} | {count / seconds:,.0f} | {size / seconds:.2f} | {peak:,.0f}"
            release = f"{package[name]} {version(package[name])}"
            print(f"| {name} | {release} | {workers} | {speed} | {alone / seconds:.2f} |", flush=True)
        one, two = _files(folder / "mtdetect-1"), _files(folder / "mtdetect-2")
        differ = [path for path in sorted(one | two) if one.get(path) != two.get(path)]
        print(f"mtdetect, {len(one)} files, byte for byte the same with 1 and 2 workers: {not differ}", *differ)


if __name__ == "__main__":
    if sys.argv[1] == "peer":
        run_peer(*sys.argv[2:6], int(sys.argv[6]))
    else:
        main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
