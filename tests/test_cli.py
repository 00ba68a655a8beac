"""The command line as its users meet it: files, pipes, terminals, exit codes."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from linear import of_children

from mtdetect import cli
from mtdetect.classifier import FastClassifier
from mtdetect.corpus import Record
from mtdetect.detector import Detector
from mtdetect.output import as_json

ROOT = Path(__file__).parents[1]
ARTICLES = ROOT / "notebooks" / "articles"
GARBLED, CLEAN = str(ARTICLES / "garbled.txt"), str(ARTICLES / "clean.txt")
COMMAND = [sys.executable, "-c", "from mtdetect.cli import main; main()"]
KEYS = [
    "id", "source", "url", "title", "quality", "mt_score", "machine_translated", "reason", "n_sentences", "n_flagged",
    "n_encoding_damage", "categories", "sentences", "residue", "encoding_damage", "signature", "encoding", "warnings",
]  # fmt: skip
SENTENCE_KEYS = ["start", "end", "text", "mt_score", "quality", "flagged", "evidence"]
EVIDENCE_KEYS = ["start", "end", "category", "message", "strength", "source"]
# What a terminal obeys or hides: C0 but line feed, DEL, C1, zero-width and bidi controls, byte-order mark.
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
PAYLOAD = "\x1b[31m\x1b]8;;http://x\x07\x9b2J\x00\x08\x7f\u202e\u2066\u200b\u200f\ufeff\u061c"


class Result(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Result]


class Keyboard(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture(scope="session")
def model() -> str:
    return str(ROOT / "models" / "fast-v4")


@pytest.fixture
def run(model: str, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Call `main` as the console script does, standard output and error being pipes."""

    def call(*args: str, stdin: bytes | None = b"") -> Result:
        given = Keyboard(io.BytesIO()) if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
        monkeypatch.setattr(sys, "stdin", given)
        argv = [*args, "--model", model] if args[0] in ("score", "info") and "--model" not in args else list(args)
        code = 0
        try:
            cli.main(argv)
        except SystemExit as stop:
            assert stop.code is None or isinstance(stop.code, int)
            code = stop.code or 0
        out, err = capfdbinary.readouterr()
        return Result(code, out.decode(), err.decode())

    return call


def on_terminal(*args: str, **env: str) -> str:
    """Return what a terminal of 80 columns receives."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "COLUMNS")}
    with subprocess.Popen([*COMMAND, *args], stdout=theirs, stderr=theirs, env=plain | env, cwd=ROOT) as process:
        os.close(theirs)
        received = b""
        try:
            while chunk := os.read(ours, 65536):
                received += chunk
        except OSError:  # how Linux says that the other side has closed
            pass
        assert process.wait() == 0, received
    os.close(ours)
    return received.decode().replace("\r\n", "\n")


def test_garbled_article_as_text(run: Run) -> None:
    code, out, err = run("score", "--format", "text", GARBLED)
    assert (code, err) == (0, "")
    assert re.search(r"quality +\d+ / 100, garbled \(higher is cleaner\)\n", out)
    assert "reads like machine translation" in out
    assert re.search(r"flagged +\d+ of 16 sentences\n", out)
    assert "    4  «It lifts.»\n       → fragment_break: “It lifts.” does not follow" in out
    assert "(rule)\n" in out
    assert "5 lines of page residue kept out of the score\n" in out
    assert "Nobody responded" not in out, "a sentence that is not flagged"
    assert re.search(r"\n  mtdetect:[^\n]*\|op:fpr_1\|[^\n]*\n+\Z", out)


def test_shipped_articles_get_what_they_deserve(run: Run) -> None:
    garbled, clean = run("score", GARBLED, CLEAN).rows
    assert garbled["quality"] <= 35 and garbled["machine_translated"]
    assert clean["quality"] >= 85 and clean["n_flagged"] == 0 and clean["n_sentences"] >= 12
    assert not clean["machine_translated"]
    found = {item["category"] for sentence in garbled["sentences"] for item in sentence["evidence"]}
    assert found >= {
        "fragment_break", "repetition_collapse", "quote_attribution", "case_anomaly", "punctuation_damage",
        "entity_inconsistent",
    }  # fmt: skip


def test_schema(run: Run) -> None:
    (row,) = run("score", GARBLED).rows
    assert list(row) == KEYS
    text = Path(GARBLED).read_text("utf-8")
    for sentence in row["sentences"]:
        assert list(sentence) == SENTENCE_KEYS
        assert text[sentence["start"] : sentence["end"]] == sentence["text"]
        assert all(list(item) == EVIDENCE_KEYS for item in sentence["evidence"])
    assert next(text[item["start"] : item["end"]] for item in row["residue"]) == "Original source"
    assert (row["id"], row["source"], row["encoding"], row["warnings"]) == (GARBLED, GARBLED, "utf-8", [])


def test_standard_input(run: Run) -> None:
    data = Path(GARBLED).read_bytes()
    (by_name,) = run("score", GARBLED).rows
    for args in (["score"], ["score", "-"]):
        (row,) = run(*args, stdin=data).rows
        assert row == by_name | {"id": "-", "source": "-"}
    assert run("score", "--format", "text", stdin=data).out.startswith("standard input\n")


def test_no_input(run: Run) -> None:
    code, out, err = run("score", stdin=None)
    assert (code, out) == (2, "")
    assert err == "mtdetect: name a FILE, or pipe an article in: mtdetect score article.txt\n"


@pytest.mark.skipif(os.name != "posix", reason="needs a shell")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("score <&-", "name a FILE, or pipe an article in: mtdetect score article.txt"),
        ("score - <&-", "standard input is closed"),
        ("score notebooks/articles/clean.txt >&-", "standard output is closed"),
        ("--version >&-", "standard output is closed"),
        ("score nowhere.txt 2>&-", None),
    ],
)
def test_closed_streams(args: str, says: str | None) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {args}', "sh", *COMMAND], capture_output=True, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == ("" if says is None else f"mtdetect: {says}\n")


def test_several_files_and_a_folder(run: Run) -> None:
    rows = run("score", GARBLED, str(ARTICLES)).rows
    found = [str(path) for path in sorted(ARTICLES.rglob("*.txt"))]
    assert [row["id"] for row in rows] == [GARBLED, *found] and CLEAN in found
    assert rows[0] == rows[1 + found.index(GARBLED)]


def test_one_row_for_each_record(run: Run, tmp_path: Path) -> None:
    text = Path(CLEAN).read_text("utf-8")
    lines = [{"id": "a", "text": text}, {"id": "b", "text": 5}, {"id": "c", "text": "Too short."}]
    path = tmp_path / "news.jsonl"
    path.write_text("\n".join([*map(json.dumps, lines), "{broken", json.dumps({"id": "e", "text": text})]), "utf-8")
    result = run("score", str(path))
    assert result.code == 0
    assert [row["id"] for row in result.rows] == ["a", "b", "c", f"{path}:4", "e"]
    assert all(list(row) == KEYS for row in result.rows)
    assert [row["quality"] is None for row in result.rows] == [False, True, True, True, False]
    bad = result.rows[1]
    assert bad["reason"] == "error: field 'text' is int, not a string"
    assert (bad["mt_score"], bad["n_sentences"], bad["sentences"]) == (None, 0, [])
    assert result.rows[2]["reason"].startswith("too short")
    assert result.err == (
        "mtdetect: 2 of 5 records could not be read; the first: b: field 'text' is int, not a string\n"
    )
    out = run("score", "--format", "text", str(path)).out
    assert f"b ({path}): not scored, error: field 'text' is int, not a string\n" in out


def test_fields(run: Run) -> None:
    row = json.dumps({"key": 7, "story": Path(CLEAN).read_text("utf-8"), "text": "No."}).encode()
    (scored,) = run("score", "--text-field", "story", "--id-field", "key", stdin=row).rows
    assert scored["id"] == "7" and scored["quality"] >= 85


def test_nothing_could_be_read(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "picture.txt"
    path.write_bytes(bytes(range(32)) * 50)
    for args in ((), ("--fail-under", "50")):
        result = run("score", str(path), *args)
        assert result.code == 2
        assert result.rows[0]["reason"] == "error: not text"
        assert result.err.endswith(f"; the first: {path}: not text\n") and result.err.count("\n") == 1


def test_empty_inputs(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_bytes(b"\n")
    assert run("score", str(path)) == (0, "", "mtdetect: no articles in the input\n")
    assert run("score", stdin=b"").rows[0]["reason"] == "no sentences"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nowhere.txt"], "no such file or folder: nowhere.txt"),
        ([CLEAN, "-", "-"], "standard input can be read only once, but - is named twice"),
        ([CLEAN, "--text-field", ""], "the name of a field is empty"),
        ([CLEAN, "--id-field", ""], "the name of a field is empty"),
        ([CLEAN, "no\x1b[31mwhere"], r"no such file or folder: no\x1b[31mwhere"),
        ([CLEAN, "--model", "tiny"], "no model 'tiny': no config.json in tiny, "),
        ([CLEAN, "--fpr", "0.02"], "no operating point for --fpr 0.02: choose one of 0.001, 0.01, 0.05"),
        ([CLEAN, "--fpr", "nan"], "no operating point for --fpr nan"),
        ([CLEAN, "--ignore", "grammar"], "no category 'grammar': choose from fragment_break, "),
        ([CLEAN, "--only", "page_residues"], "no category 'page_residues': choose from fragment_break, "),
        ([CLEAN, "-o", "tests"], "tests is a folder: name a file"),
        ([CLEAN, "-o", "nowhere/x.html"], "no such folder: nowhere"),
        ([CLEAN, "-o", CLEAN], f"{CLEAN} is an input: name another file"),
        ([CLEAN, "--fail-under", "101"], "--fail-under 101 is not a quality: 0 to 100"),
        ([CLEAN, "--fail-under", "nan"], "--fail-under nan is not a quality"),
    ],
)
def test_it_cannot_run(run: Run, args: list[str], says: str) -> None:
    code, out, err = run("score", *args)
    assert (code, out) == (2, "")
    assert err.startswith(f"mtdetect: {says}") and err.count("\n") == 1


@pytest.mark.parametrize("args", [["--fals"], ["--format", "tsv", CLEAN], ["--fpr", "low", CLEAN]])
def test_wrong_options(run: Run, args: list[str]) -> None:
    code, out, err = run("score", *args)
    assert (code, out) == (2, "")
    assert "Traceback" not in err and args[0] in err


def test_an_input_that_cannot_be_read_costs_one_row(run: Run, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "numbers.parquet"
    parquet.write_table(pyarrow.table({"n": [1, 2]}), path)
    result = run("score", CLEAN, str(path), CLEAN)
    assert result.code == 0
    assert [row["id"] for row in result.rows] == [CLEAN, str(path), CLEAN]
    assert result.rows[1]["reason"] == "error: no text column, name one of: n"
    says = f"records could not be read; the first: {path}: no text column, name one of: n\n"
    assert result.err == f"mtdetect: 1 of 3 {says}"
    result = run("score", str(path))
    assert (result.code, len(result.rows), result.err) == (2, 1, f"mtdetect: 1 of 1 {says}")


def test_quality_gate(run: Run) -> None:
    assert run("score", "--fail-under", "50", CLEAN).code == 0
    result = run("score", "--fail-under", "50", CLEAN, GARBLED)
    assert (result.code, len(result.rows)) == (1, 2)
    assert result.err == "mtdetect: 1 of 2 articles have a quality under 50\n"
    result = run("score", "--fail-under", "50", CLEAN, "-", stdin=b"Too short.")
    assert result.code == 0
    assert result.err == "mtdetect: 1 of 2 articles have no quality and were not held against --fail-under\n"
    assert run("score", GARBLED).code == 0, "no gate was asked for"
    result = run("score", "--fail-under", "50", CLEAN, "-", stdin=b'{"text": 5}')
    assert result.code == 1
    assert result.err == (
        "mtdetect: 1 of 2 records could not be read, which fails --fail-under; "
        "the first: -:1: field 'text' is int, not a string\n"
    )


def test_operating_points(run: Run) -> None:
    rows = [run("score", "--fpr", fpr, GARBLED).rows[0] for fpr in ("0.001", "1e-2", "0.05")]
    assert [re.search(r"op:([\w.]+)", row["signature"])[1] for row in rows] == ["fpr_0.1", "fpr_1", "fpr_5"]
    flagged = [row["n_flagged"] for row in rows]
    assert flagged == sorted(flagged) and flagged[0] < flagged[2]
    assert len({row["quality"] for row in rows}) == 1


def test_text_on_a_terminal(model: str) -> None:
    out = on_terminal("score", "--model", model, GARBLED)
    assert "\x1b[1;31m«It lifts.»\x1b[0m\n" in out
    assert all(len(line) <= 80 for line in re.sub(r"\x1b\[[\d;]*m|.*mtdetect:.*|/.*\n", "", out).splitlines())
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain = on_terminal("score", "--model", model, GARBLED, **env)
        assert plain == re.sub(r"\x1b\[[\d;]*m", "", out)


def test_mark_over_several_lines(model: str) -> None:
    out = on_terminal("score", "--model", model, GARBLED, COLUMNS="40")
    for line in out.splitlines():
        codes = re.findall(r"\x1b\[([\d;]*)m", line)
        assert len(codes) % 2 == 0 and all(code == "0" for code in codes[1::2]), "each line ends without colour"
    marks = re.findall("[«»]", out)
    assert marks == ["«", "»"] * (len(marks) // 2)


def test_control_characters_in_text_and_ids(run: Run, tmp_path: Path) -> None:
    text = Path(GARBLED).read_text("utf-8").replace("jointly", f"jointly{PAYLOAD}")
    text = text.replace("offer She said", f"offer{PAYLOAD} She said")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        json.dumps({"id": f"1{PAYLOAD}\x85\u2028", "text": text}) + "\n" + json.dumps({f"{PAYLOAD}": 1}), "utf-8"
    )
    for result in (run("score", "--format", "text", str(rows)), run("score", str(rows))):
        assert result.code == 0
        assert OBEYED.search(result.out) is None and OBEYED.search(result.err) is None
    shown = run("score", "--format", "text", str(rows)).out.replace("\n       ", "").replace("«", "")
    assert r"jointly\x1b[31m\x1b]8;;http://x\x07\x9b2J\x00\x08\x7f\u202e\u2066\u200b\u200f\ufeff" in shown
    row = run("score", str(rows)).rows[0]
    assert row["id"] == f"1{PAYLOAD}\x85\u2028"
    assert all(text[sentence["start"] : sentence["end"]] == sentence["text"] for sentence in row["sentences"])


@pytest.mark.parametrize("name", ["a\x1b[31m\x9b\u202e\u200b.txt", "b\nc.txt", os.fsdecode(b"d\xff\x80.txt")])
def test_file_names(run: Run, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    try:
        path.write_bytes(Path(GARBLED).read_bytes())
    except (OSError, ValueError):
        pytest.skip("the file system refuses such names")
    shown = run("score", "--format", "text", str(path))
    assert OBEYED.search(shown.out) is None and shown.out.split("\n")[1].startswith("  quality")
    (row,) = run("score", str(path)).rows
    assert row["source"] == re.sub("[\ud800-\udfff]", "\ufffd", str(path))
    assert OBEYED.search(run("score", str(path) + "x").err) is None


def test_surrogates_in_a_text_keep_offsets(model: str) -> None:
    text = Path(GARBLED).read_text("utf-8").replace("Merrow", "Mer\ud800\udc00ow")
    article = Detector.from_pretrained(model).score(text)
    row = json.loads(as_json(Record("a", text, "b", warnings=("c",)), article))
    assert row["warnings"] == ["c"]
    for sentence in row["sentences"]:
        assert text[sentence["start"] : sentence["end"]].replace("\ud800\udc00", "\ufffd\ufffd") == sentence["text"]


def test_long_sentence_is_cut(run: Run) -> None:
    words = "what they said about it " * 1000
    out = run("score", "--format", "text", stdin=f"He met the Group (ISIS, formerly ISIS) and {words}.".encode()).out
    assert "(«ISIS, formerly ISIS»)" in out and "…\n" in out
    assert len(out) < 5000


def test_pipe_that_closes_early(model: str, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text((json.dumps({"text": Path(GARBLED).read_text("utf-8")}) + "\n") * 200, "utf-8")
    with subprocess.Popen(
        [*COMMAND, "score", "--model", model, str(rows)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, -signal.SIGPIPE)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(model: str) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([*COMMAND, "score", "--model", model, CLEAN], stdout=full, stderr=-1, cwd=ROOT)
    assert (done.returncode, done.stderr) == (2, b"mtdetect: No space left on device\n")


def test_interrupt(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Detector, "from_pretrained", interrupt)
    assert run("score", CLEAN) == (130, "", "")


def test_bar_only_where_it_disturbs_nothing(model: str, tmp_path: Path) -> None:
    pty = pytest.importorskip("pty")
    script = "from mtdetect import cli, progress; progress._BAR_AFTER_S = 0; cli.main()"
    argv = [sys.executable, "-c", script, "score", "--model", model, GARBLED, CLEAN]
    rows = tmp_path / "rows.jsonl"
    seen = []
    for is_pipe in (False, True):
        ours, theirs = pty.openpty()
        stdout = subprocess.PIPE if is_pipe else rows.open("wb")
        subprocess.run(argv, check=True, stdout=stdout, stderr=theirs, cwd=ROOT, env=os.environ | {"TERM": "xterm"})
        if not isinstance(stdout, int):
            stdout.close()
        os.close(theirs)
        try:
            seen.append(os.read(ours, 65536).decode())
        except OSError:  # nothing was written
            seen.append("")
        os.close(ours)
    assert "2 articles" in seen[0] and seen[1] == ""
    assert len(rows.read_bytes().splitlines()) == 2


def test_help_is_quick_and_shows_examples(run: Run) -> None:
    for args in (["--help"], ["score", "--help"], ["train", "--help"], ["evaluate", "--help"], ["info", "--help"]):
        code, out, _ = run(*(args if args[0] != "score" else ["score", "--help", "--model", "fast"]))
        assert code == 0 and f"xample: mtdetect {args[0].replace('--help', 'score')}" in out
    times = []
    for _ in range(3):
        begin = of_children()
        subprocess.run([*COMMAND, "score", "--help"], check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        times.append(of_children() - begin)
    assert min(times) < 0.6


def test_version(run: Run) -> None:
    assert re.fullmatch(r"mtdetect \d+\.\d+\.\d+\S*\n", run("--version").out)


def test_scoring_a_text_imports_little(model: str) -> None:
    script = (
        "import sys; from mtdetect.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "heavy = {'sklearn', 'scipy', 'torch', 'transformers', 'trafilatura', 'lxml', 'pyarrow', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    argv = [sys.executable, "-c", script, "score", "--model", model, CLEAN]
    done = subprocess.run(argv, capture_output=True, check=True, cwd=ROOT)
    assert done.stderr == b"[]\n"


def test_info(run: Run, model: str) -> None:
    code, out, _ = run("info")
    config = json.loads(Path(model, "config.json").read_bytes())
    assert code == 0
    assert out.startswith(f"{config['name']}@{FastClassifier.load(Path(model)).digest}, ")
    assert all(name in out for name in [*config["operating_points"], *config["training"]["data"]])
    assert run("info", "--model", "tiny").code == 2


def test_train_then_evaluate(run: Run, data: Path, trained: FastClassifier, tmp_path: Path) -> None:
    folder = tmp_path / "small-v1"
    pairs = ["--pairs", str(data / "pairs.parquet")]
    code, out, err = run("train", "fast", "--data", str(data), *pairs, "-o", str(folder))
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == f"mtdetect: {folder}: small-v1@{trained.digest}"
    args = ["evaluate", "--data", str(data), *pairs, "--model", str(folder)]
    code, out, err = run(*args)
    assert code == 0
    assert f"small-v1@{trained.digest}" in out and "| matched AUROC |" in out
    assert err.splitlines()[-1] == f"mtdetect: wrote {folder / 'metrics.json'}"
    metrics = json.loads((folder / "metrics.json").read_bytes())
    assert metrics["matched auroc"]["article"]["wmt2021"]["value"] > 0.9
    assert run(*args, "-o", str(tmp_path / "m.json")).code == 0
    assert json.loads((tmp_path / "m.json").read_bytes()) == metrics
    result = run(*args, "-o", str(tmp_path / "missing" / "m.json"))
    assert result.code == 2
    assert result.err.splitlines()[-1] == f"mtdetect: {tmp_path / 'missing' / 'm.json'}: No such file or directory"
    assert run("train", "slow", "--data", "d", "-o", "m").code == 2


def test_train_and_evaluate_without_data(run: Run, model: str, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    for args in (["train", "fast", "-o", str(tmp_path / "m")], ["evaluate", "--model", model]):
        code, out, err = run(*args, "--data", str(tmp_path / "none"))
        assert (code, out) == (2, "")
        assert err.startswith("mtdetect: cannot read ")


SAMPLE = ["--pairs", "tests/pairs/sample.parquet"]


def test_figures_of_the_shipped_model_are_written_only_where_one_says(run: Run, tmp_path: Path) -> None:
    before = Path("models/fast-v4/metrics.json").read_bytes()
    code, out, err = run("evaluate", *SAMPLE)
    assert code == 0 and "| apertium/cat | 14 |" in out and "wrote" not in err
    assert run("evaluate", *SAMPLE, "-o", str(tmp_path / "m.json")).err.endswith("m.json\n")
    assert Path("models/fast-v4/metrics.json").read_bytes() == before
    (tmp_path / "fast").mkdir()  # a folder of that name is no model
    pairs = str(Path(SAMPLE[1]).resolve())
    ran = subprocess.run(
        [*COMMAND, "evaluate", "--pairs", pairs], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "wrote" not in ran.stderr and Path("models/fast-v4/metrics.json").read_bytes() == before


def test_people_of_other_kinds(run: Run, tmp_path: Path) -> None:
    kinds = ["--people", "tests/imitations/non-native", "--people", "tests/imitations/simplified"]
    code, out, err = run("evaluate", *kinds, "-o", str(tmp_path / "m.json"))
    assert code == 0 and "round trips" not in out and "worst human source" not in out
    metrics = json.loads((tmp_path / "m.json").read_bytes())
    assert list(metrics["quality below 50"]) == ["non-native people", "simplified people"]
    assert all(row["n"] == 12 for row in metrics["quality below 50"].values())
    assert f"| simplified people | {100 * metrics['quality below 50']['simplified people']['value']:.2f} [" in out
    own = tmp_path / "own.txt"
    own.write_bytes(Path("notebooks/articles/clean.txt").read_bytes())
    assert run("evaluate", "--people", str(own), "-o", str(own)).err.endswith("is an input: name another file\n")
    (tmp_path / "bad.jsonl").write_text('{"text": 3}\n')
    for name in ("bad.jsonl", "none.txt"):
        code, out, err = run("evaluate", "--people", str(tmp_path / name))
        assert (code, out) == (2, "") and name in err and err.count("\n") == 1


def test_a_matrix_needs_data(run: Run) -> None:
    code, out, err = run("evaluate", *SAMPLE, "--matrix", "year")
    assert (code, out, err) == (2, "", "mtdetect: --matrix trains models: it needs --data DIR\n")
    code, out, err = run("evaluate", *SAMPLE, "--matrix", "month")
    assert (code, out) == (2, "") and "month" in err


def test_adapt_then_evaluate_on_round_trips(run: Run, model: str, tmp_path: Path) -> None:
    pairs = SAMPLE
    folder = tmp_path / "mine"
    code, out, err = run("train", "fast", "--base", model, *pairs, "-o", str(folder))
    assert (code, out) == (0, "") and err.splitlines()[-1].startswith(f"mtdetect: {folder}: mine@")
    code, out, err = run("evaluate", *pairs, "--model", str(folder))
    assert code == 0 and "| apertium/cat | 14 |" in out
    code, out, _ = run("info", "--model", str(folder))
    assert "round trips against their originals, AUROC:\n  apertium/spa" in out and "base: " in out


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["train", "fast", "-o", "notebooks", "--base", "fast", *SAMPLE], "notebooks exists and is no model"),
        (["train", "fast", "-o", "README.md", "--base", "fast", *SAMPLE], "README.md exists and is no model"),
        (["evaluate", *SAMPLE, "-o", SAMPLE[1]], "tests/pairs/sample.parquet is an input"),
        (["roundtrip", "notebooks/articles/clean", "-o", "README.md"], "README.md exists and holds something else"),
        (["evaluate", "--pairs", "nope.parquet"], "cannot read nope.parquet: no such file"),
        (["train", "fast", "-o", "m"], "name --data DIR to train from the beginning, or --base fast to adapt"),
        (["train", "fast", "-o", "m", "--data", "d", "--base", "fast"], "name --data DIR"),
        (["train", "fast", "-o", "m", "--base", "fast"], "--base needs --pairs PAIRS.parquet"),
        (["evaluate"], "name what to measure on: --data DIR, --pairs PAIRS.parquet, --people INPUT"),
    ],
)
def test_training_without_what_it_needs(run: Run, args: list[str], says: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "") and err.startswith(f"mtdetect: {says}") and err.count("\n") == 1


@pytest.mark.parametrize(
    "args", [["score", "--nope", "x"], ["score", "--fail-under", "abc", GARBLED], ["nope"], ["train"], ["roundtrip"]]
)
def test_a_wrong_call_is_one_line(run: Run, args: list[str]) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.startswith("mtdetect: ") and err.endswith(" See --help.\n") and err.count("\n") == 1
