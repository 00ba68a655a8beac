"""Kill `mtdetect filter` again and again: python tests/benchmarks/filter_kills.py DATA [KILLS].

8,000 dev articles in 80 files of JSON Lines, Zstandard. Prints whether the result is byte for byte that of a run that
nobody disturbed, how many files that were visible after a kill were incomplete, and how many rows were scored again.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from backports import zstd

from mtdetect.data import read_rows

_ROWS, _FILES = 8_000, 80


def _snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".work" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def main(data: Path, kills: int = 50) -> None:
    """Run, kill, compare."""
    texts = [row["text"] for row in read_rows(data, "articles_dev") if row["text"]]
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        source, whole, out = (Path(folder, name) for name in ("in", "whole", "out"))
        source.mkdir()
        for number in range(_FILES):
            rows = ({"id": i, "text": texts[i % len(texts)]} for i in range(number, _ROWS, _FILES))
            lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
            (source / f"{number:02}.jsonl.zst").write_bytes(zstd.compress(lines))
        command = [sys.executable, "-c", "from mtdetect.cli import main; main()", "filter", str(source)]
        options = ["--min-quality", "80", "--rejects"]
        subprocess.run([*command, "-o", str(whole), *options], check=True, stderr=subprocess.DEVNULL)
        expected = _snapshot(whole)
        killed = incomplete = again = 0
        while killed < kills:
            run = subprocess.Popen([*command, "-o", str(out), *options], stderr=subprocess.DEVNULL)
            try:
                run.wait(rng.uniform(0.2, 0.6))
                break
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
                killed += 1
            visible = {name: body for name, body in _snapshot(out).items() if name != "manifest.json"}
            incomplete += sum(expected[name] != body for name, body in visible.items())
            # at most: the file that was being read
            again += (_ROWS // _FILES) * (out / ".work" / "kept.tmp").exists()
        subprocess.run([*command, "-o", str(out), *options], check=True, stderr=subprocess.DEVNULL)
        same = _snapshot(out) == expected
        print(f"{killed} kills; identical: {same}; incomplete files seen: {incomplete}; rows again: at most {again}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
