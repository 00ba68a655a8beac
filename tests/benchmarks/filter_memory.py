"""Memory of `mtdetect filter` over many rows: python tests/benchmarks/filter_memory.py DATA [ROWS] [WORKERS].

1,000,000 rows of JSON Lines, Zstandard: dev articles cut to their first 400 characters, from 5,000 hosts. Prints, for
each process, its resident memory after a tenth of the time, its largest since then, and the difference.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from backports import zstd

from mtdetect.data import read_rows


def _resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1000
    return 0


def _family(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [pid, *(int(child) for task in tasks for child in (task / "children").read_text().split())]


def main(data: Path, rows: int = 1_000_000, workers: int = 2) -> None:
    """Run and watch."""
    texts = [row["text"][:400] for row in read_rows(data, "articles_dev") if row["text"]]
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "rows.jsonl.zst")
        with zstd.ZstdFile(source, "wb") as file:
            for i in range(rows):
                row = {"id": i, "url": f"https://host{i % 5000}.example/{i}", "text": texts[i % len(texts)]}
                file.write(json.dumps(row).encode() + b"\n")
        call = [sys.executable, "-c", "from mtdetect.cli import main; main()", "filter", str(source)]
        call += ["-o", str(Path(folder, "out")), "--min-quality", "50", "--rejects", "--workers", str(workers)]
        begin = time.monotonic()
        run = subprocess.Popen(call, stderr=subprocess.PIPE, text=True)
        seen: list[dict[int, int]] = []
        while run.poll() is None:
            try:
                seen.append({pid: _resident(pid) for pid in _family(run.pid)})
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.5)
        _, noted = run.communicate()
        spent = time.monotonic() - begin
        print(next(line for line in noted.splitlines() if " rows = " in line))
        print(f"{rows} rows, {workers} workers, {spent:.0f} s")
        tenth = seen[len(seen) // 10]
        for pid, early in tenth.items():
            late = max(moment.get(pid, 0) for moment in seen[len(seen) // 10 :])
            name = "parent" if pid == run.pid else "worker"
            print(f"{name}: {early} MB after a tenth, at most {late} MB: {late - early:+}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
