"""Kill `mtdetect filter` again and again: python tests/benchmarks/filter_kills.py DATA [KILLS].

8,000 dev articles in one file, once as JSON Lines with Zstandard and once as Parquet, with one worker and with two.
Each run is killed (SIGKILL) once it has begun to score a random number of rows, so that the kills spread over the
work, then goes on to its end. Prints whether the result is byte for byte that of a run that nobody disturbed, how often
a file was visible that was not complete, and how many rows were scored again: each process counts the rows that it
begins to score, through a module that Python loads at its start, so this is an upper bound.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow
from backports import zstd
from pyarrow import parquet

from mtdetect.data import read_rows

_ROWS = 8_000
_COUNTER = """
import os
if "COUNT_ROWS" in os.environ:
    from mtdetect import workers
    judge = workers._judge
    def counted(detector, sentences, max_chars, items):
        with open(os.environ["COUNT_ROWS"], "ab", buffering=0) as file:
            file.write(b"." * len(items))
        return judge(detector, sentences, max_chars, items)
    workers._judge = counted
"""


def _snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".work" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def _disturbed(source: Path, workers: int, kills: int, folder: Path) -> str:
    rng = random.Random(0)
    command = [sys.executable, "-c", "from mtdetect.cli import main; main()", "filter", str(source)]
    options = ["--min-quality", "80", "--rejects", "--workers", str(workers)]
    (folder / "sitecustomize.py").write_text(_COUNTER)
    counted = folder / "counted"
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": path, "COUNT_ROWS": str(counted)}

    def start(out: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*command, "-o", str(folder / out), *options], env=environment, stderr=subprocess.DEVNULL
        )

    assert start("whole").wait() == 0
    expected = _snapshot(folder / "whole")
    assert counted.stat().st_size == _ROWS
    counted.write_bytes(b"")
    killed = incomplete = 0
    while killed < kills:
        until = counted.stat().st_size + rng.randint(1, 2 * _ROWS // kills)
        run = start("out")
        while run.poll() is None and counted.stat().st_size < until:
            time.sleep(0.001)
        if run.poll() is not None:
            break
        run.kill()
        run.wait()
        killed += 1
        incomplete += sum(expected.get(name) != body for name, body in _snapshot(folder / "out").items())
    assert start("out").wait() == 0
    again = counted.stat().st_size - _ROWS
    same = _snapshot(folder / "out") == expected
    share = f"{again} rows, {again / _ROWS:.1%}"
    return f"{killed} kills; identical: {same}; incomplete files: {incomplete}; scored again: {share}"


def main(data: Path, kills: int = 50) -> None:
    """Run, kill, compare."""
    texts = [row["text"] for row in read_rows(data, "articles_dev") if row["text"]]
    rows = [{"id": i, "text": texts[i % len(texts)]} for i in range(_ROWS)]
    for name in ("articles.jsonl.zst", "articles.parquet"):
        for workers in (1, 2):
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder, name)
                if name.endswith(".parquet"):
                    parquet.write_table(pyarrow.Table.from_pylist(rows), source)
                else:
                    source.write_bytes(zstd.compress(b"".join(json.dumps(row).encode() + b"\n" for row in rows)))
                print(f"{name}, workers {workers}: {_disturbed(source, workers, kills, Path(folder))}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
