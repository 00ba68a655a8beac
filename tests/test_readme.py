"""Every command and code block of the README is run, in a folder that holds what it speaks of."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LINES = [line.split("  #")[0].strip() for kind, block in BLOCKS if kind == "sh" for line in block.splitlines()]
PROGRAMS = [block for kind, block in BLOCKS if kind == "python"]
ELSEWHERE = ("python3 -m venv", "apt-get install")  # .ci/run
NEEDS = {"--engine marian": "transformers", "train fast": "sklearn", "import ray": "ray", "pyspark": "pyspark"}
NEEDS |= {
    "--model accurate": "onnxruntime",
    "--model cascade": "onnxruntime",
    "from datatrove": "datatrove",
    "from datasets": "datasets",
    "plots": "matplotlib",
}


def skip_without(text: str) -> None:
    for mark, module in NEEDS.items():
        if mark in text and find_spec(module) is None:
            pytest.skip(f"needs {module}")
    if "pyspark" in text and shutil.which("java") is None:
        pytest.skip("needs Java")
    if re.search("roundtrip|pairs.parquet", text) and shutil.which("apertium") is None:
        pytest.skip("needs Apertium")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Make all files that the README speaks of, of articles that we wrote ourselves."""
    from backports import zstd

    folder = tmp_path_factory.mktemp("readme")
    articles = ROOT / "notebooks" / "articles"
    texts = [
        path.read_text("utf-8") for path in [articles / "garbled.txt", *sorted((articles / "clean").glob("*.txt"))]
    ]
    rows = [{"id": str(i), "url": f"https://a.example/{i}", "text": text} for i, text in enumerate(texts)]
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    paragraphs = "".join(f"<p>{line}</p>" for line in texts[1].split("\n\n"))
    (folder / "article.txt").write_text(texts[1], "utf-8")
    (folder / "page.html").write_text(f"<html><body><article>{paragraphs}</article></body></html>", "utf-8")
    bodies = "".join(json.dumps({"body": text}) + "\n" for text in texts)
    (folder / "articles.jsonl.gz").write_bytes(gzip.compress(bodies.encode()))
    (folder / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (folder / "a.jsonl.zst").write_bytes(zstd.compress(lines))
    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "b.parquet")
    records = []
    for row in rows:
        body = row["text"].encode()
        head = f"WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: {row['url']}\r\nContent-Type: text/plain\r\n"
        records.append(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body + b"\r\n\r\n")
    (folder / "crawl.warc.gz").write_bytes(b"".join(map(gzip.compress, records)))
    for name in ("folder", "news"):
        shutil.copytree(articles / "clean", folder / name)
    for name in ("scraped", "documents"):
        (folder / name).mkdir()
    (folder / "documents" / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    shutil.copytree(data, folder / "DIR")
    return folder


@pytest.fixture
def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a newcomer, who has nothing of the results of the other commands."""
    for name in ("clean", "rejected", "attributes", "scored", "logs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "HOME": str(folder),
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
        "SHELL": "bash",
    }


def of_kind(folder: Path, name: str) -> None:
    """Put the articles into the folder of scraped ones in the form that a reader wants."""
    for path in (folder / "scraped").iterdir():
        path.unlink()
    shutil.copy(folder / name, folder / "scraped")


@pytest.mark.parametrize("line", [line for line in LINES if line and not line.startswith(ELSEWHERE)])
def test_command(line: str, folder: Path, environment: dict[str, str]) -> None:
    skip_without(line)
    of_kind(folder, "a.jsonl.zst")
    if "scores.jsonl -o" in line:
        before = "mtdetect score a.jsonl.gz > scores.jsonl"
        subprocess.run(["bash", "-c", before], cwd=folder, env=environment, check=True, capture_output=True)
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{line}\nexit $?"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if "--engine marian" in line and ran.returncode == 2:
        assert ran.stderr.count("\n") == 1 and "Helsinki-NLP/opus-mt-en-ar" in ran.stderr, "no hub, and it says so"
        return
    assert ran.returncode == 0, ran.stderr
    outputs = re.findall(r"(?:-o|>) (\S+)", line)
    assert ran.stdout or ran.stderr or outputs
    for name in outputs:
        assert list((folder / name).rglob("*")) if (folder / name).is_dir() else (folder / name).stat().st_size
    if "--pivot hbs" in line:  # what evaluate is to measure on
        shutil.copy(folder / "pairs.parquet", folder / "unseen.parquet")


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.splitlines()[0][:50])
def test_program(program: str, folder: Path, environment: dict[str, str]) -> None:
    skip_without(program)
    of_kind(folder, "b.parquet" if "parquet(" in program else "a.jsonl.gz")
    if "import ray" in program:
        program = f"import ray; ray.init(include_dashboard=False, log_to_driver=False)\n{program}"
    if "LocalPipelineExecutor" in program:  # its workers are spawned, and a script says so
        program = program.replace("LocalPipelineExecutor(", "if __name__ == '__main__':\n    LocalPipelineExecutor(")
    (folder / "program.py").write_text(program)
    ran = subprocess.run(
        [sys.executable, "program.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    for name in re.findall(r"(?:Writer|parquet)\(\"(clean|scored|rejected)/\"\)", program):
        assert any((folder / name).iterdir())


def test_what_ci_runs_is_in_the_readme() -> None:
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert "grep -m1 'python -m pytest$' README.md" in ci
    for line in LINES:
        if line.startswith("apt-get install "):
            assert all(package in ci for package in line.split()[2:])


def test_what_the_readme_says_is_printed(folder: Path, environment: dict[str, str]) -> None:
    (shown,) = re.findall(r"prints, among others:\n\n```text\n(.*?)```", README, re.DOTALL)
    ran = subprocess.run(
        ["mtdetect", "score", "--format", "text", str(ROOT / "notebooks" / "articles" / "garbled.txt")],
        env=environment, cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for part in shown.rstrip("\n").split("\n\n"):
        assert part in ran.stdout
    image = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    links = [link for link in re.findall(r"\]\(([^)#:]+)\)", README)]
    assert len(image) == 1 and all((ROOT / link).exists() for link in links)
