"""The encoder of the `accurate` model: a small transformer that reads sentences in their context, on ONNX Runtime."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from mtdetect.features import aligned
from mtdetect.types import ModelError

__all__ = [
    "GRAPHS",
    "OUTPUTS",
    "READOUT",
    "SPAN_KINDS",
    "WINDOW",
    "Encoder",
    "Marks",
    "RememberingEncoder",
    "Tokens",
    "Window",
    "int8_names",
    "multiplies_in",
    "pool",
    "span_logits",
    "tokenised",
    "unpacked",
    "views",
    "windows",
]

WINDOW = 256
"""Tokens of consecutive sentences that are read together."""
HEADS = ("style", "garble", "quality")
READOUT = len(HEADS)
"""Row of what is read of sentences, after those of `HEADS`: what frozen layers tell of style."""
SPAN_KINDS = (
    "unnatural_phrasing", "fragment_break", "repetition_collapse", "case_anomaly", "quote_attribution",
    "punctuation_damage", "entity_inconsistent",
)  # fmt: skip
"""Categories that a garbled token can have; the first is that of those that the data do not tell apart."""
GRAPHS = {"float32": "model.onnx", "int8": "model_int8.onnx"}
"""The graph for each way to multiply."""
OUTPUTS = 2 * len(HEADS) + 2 + len(SPAN_KINDS)
"""Outputs of a token: each of `HEADS` for the mean of its sentence, each again for the last token of its sentence;
whether it is garbled, by itself and by the token after it; and the kind of what is garbled. The readout is one
more."""

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


class Tokens(NamedTuple):
    """The tokens of a sentence, and which of its characters each covers."""

    ids: I32
    start: I32
    end: I32


class Window(NamedTuple):
    """Consecutive sentences that are read together.

    Attributes
    ----------
    ids : ndarray of int32, shape (n_tokens,)
        With a separator after each sentence.
    first : ndarray of int32, shape (n_sentences + 1,)
        Where the tokens of each sentence begin.
    begin : int
        Number of its first sentence.
    """

    ids: I32
    first: I32
    begin: int


class Marks(NamedTuple):
    """What the encoder says of the tokens of a sentence.

    Attributes
    ----------
    start, end : ndarray of int32, shape (n_tokens,)
        Characters of the sentence that each token covers.
    garbled : ndarray of float32, shape (n_tokens,)
        Logit; higher is more likely garbled.
    kind : ndarray of float32, shape (n_tokens, len(SPAN_KINDS))
        Logits of the category, should it be garbled.
    """

    start: I32
    end: I32
    garbled: F32
    kind: F32


def tokenised(tokenizer: Any, sentences: Sequence[str], *, cased: bool) -> list[Tokens]:
    """Return the tokens of the sentences as the encoder sees them, without typography; at most `WINDOW` less one.

    Parameters
    ----------
    tokenizer : tokenizers.Tokenizer
        That of the encoder.
    sentences : sequence of str
        Verbatim; the offsets refer to them.
    cased : bool
        Whether capitals are told from small letters.
    """
    texts, origins = views(sentences, cased=cased)
    found = []
    for text, origin in zip(texts, origins, strict=True):
        encoded = tokenizer.encode(text, add_special_tokens=False)  # a batch would start a thread for each core
        ids = np.array(encoded.ids[: WINDOW - 1], np.int32)
        spans = np.array(encoded.offsets[: WINDOW - 1], np.int32).reshape(-1, 2)
        last = np.maximum(spans[:, 1] - 1, spans[:, 0])
        if len(origin):
            last = np.minimum(last, len(origin) - 1)
            start, end = origin[np.minimum(spans[:, 0], len(origin) - 1)], origin[last] + 1
        else:
            start = end = np.zeros(len(ids), np.int32)
        found.append(Tokens(ids, start, end))
    return found


def views(sentences: Sequence[str], *, cased: bool) -> tuple[list[str], list[I32]]:
    """Return the sentences as the encoder sees them, and for each character of that the one it came from."""
    found = aligned(sentences)
    texts = [_cased(*view, sentence) if cased else view[0] for view, sentence in zip(found, sentences, strict=True)]
    return texts, [origin for _, origin in found]


def _cased(text: str, origin: I32, sentence: str) -> str:
    # the first letter is a capital whatever the engine made of it
    letters = [a.upper() if sentence[b].isupper() else a for a, b in zip(text, origin.tolist(), strict=True)]
    return "".join(letters[:1]).upper() + "".join(letters[1:])


def windows(parts: Sequence[Sequence[Tokens]], separator: int) -> Iterator[Window]:
    """Cut articles, given as tokens of their sentences, into windows; none reaches over the end of an article."""
    number = 0
    for part in parts:
        ids: list[I32] = []
        size = 0
        for tokens in part:
            if ids and size + len(tokens.ids) + 1 > WINDOW:
                yield _window(ids, number, separator)
                ids, size = [], 0
            ids.append(tokens.ids)
            size += len(tokens.ids) + 1
            number += 1
        if ids:
            yield _window(ids, number, separator)


def _window(ids: list[I32], end: int, separator: int) -> Window:
    first = np.cumsum([0, *(len(part) + 1 for part in ids)]).astype(np.int32)
    joined = np.full(first[-1], separator, np.int32)
    for begin, part in zip(first, ids, strict=False):
        joined[begin : begin + len(part)] = part
    return Window(joined, first, end - len(ids))


def pool(outputs: F32, first: I32) -> F64:
    """Return the outputs of the sentences of a window: an array (READOUT + 1, n_sentences)."""
    n = len(HEADS)
    of_means = np.hstack([outputs[:, :n], outputs[:, OUTPUTS:]]).astype(np.float64)
    found = np.zeros((READOUT + 1, len(first) - 1))
    found[: of_means.shape[1]] = (np.add.reduceat(of_means, first[:-1]) / np.diff(first)[:, None]).T
    found[:n] += outputs[first[1:] - 1, n : 2 * n].T
    return found


def span_logits(outputs: F32) -> tuple[F32, F32]:
    """Return for each token of a window whether it is garbled, and the kind of that, as logits."""
    place = 2 * len(HEADS)
    garbled = outputs[:, place].copy()
    # a token that comes as a surprise speaks of the one before it, too
    garbled[:-1] += outputs[1:, place + 1]
    return garbled, outputs[:, place + 2 : OUTPUTS].copy()


def multiplies_in() -> str:
    """Return in which of `GRAPHS` this processor is to multiply: integers where they are fast and exact.

    On x86 without VNNI, sums of two products of integers are cut off at sixteen bits (ONNX Runtime, "saturation issue
    of U8S8"). Elsewhere, not measured, it is integers.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return "int8"
    try:
        return "int8" if "vnni" in Path("/proc/cpuinfo").read_text("utf-8") else "float32"
    except OSError:  # another system
        return "float32"


def int8_names(name: str) -> tuple[str, str]:
    """Return what the graph calls the integers, and the scales, of a matrix of weights."""
    return f"{name} integers", f"{name} scales"


def unpacked(file: Path, graph: bytes) -> dict[str, NDArray[Any]]:
    """Return the matrices that a graph wants, from a safetensors file that has them in eight bits.

    For a graph that multiplies with integers, of each an array of int8 (n_inputs, n_outputs), and one of float32
    (n_outputs,) by which its columns are to be multiplied, under their names of `int8_names`; for the other, one of
    float32 (n_outputs, n_inputs).
    """
    data = file.read_bytes()
    size = int.from_bytes(data[:8], "little")
    layout = orjson.loads(data[8 : 8 + size])
    found: dict[str, NDArray[Any]] = {}
    for name in (key.removesuffix("_packed") for key in layout if key.endswith("_packed")):
        n, k = layout[f"{name}_packed"]["shape"]
        places = [8 + size + layout[f"{name}_{what}"]["data_offsets"][0] for what in ("packed", "scale")]
        integers = (np.frombuffer(data, np.uint8, 4 * n * k, places[0]) ^ 128).view(np.int8).reshape(n, 4 * k)
        scales = np.frombuffer(data, np.float16, n, places[1]).astype(np.float32)
        if all(wanted.encode() in graph for wanted in int8_names(name)):
            found |= zip(int8_names(name), (np.ascontiguousarray(integers.T), scales), strict=True)
        else:
            found[f"backbone.{name}"] = integers * scales[:, None]
    return found


class Encoder:
    """A transformer with its heads, in one thread.

    Parameters
    ----------
    folder : Path
        With `GRAPHS`, of which it uses that of `multiplies_in`; ``model.safetensors``, the weights; and
        ``tokenizer.json``.
    cased : bool
        Whether it tells capitals from small letters.
    separator : int
        Token between sentences.

    Raises
    ------
    ModelError
        If a file cannot be used, or a library is missing.
    """

    def __init__(self, folder: Path, *, cased: bool, separator: int) -> None:
        try:
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ModelError("this model needs: pip install 'mtdetect[accurate]'") from error
        self.folder = folder
        self.cased = cased
        self.separator = separator
        options = onnxruntime.SessionOptions()
        # sums of several threads, and of several windows at a time, round otherwise
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            graph = folder / GRAPHS[multiplies_in()]
            matrices = unpacked(folder / "model.safetensors", graph.read_bytes())
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in matrices.values()]
            options.add_external_initializers(list(matrices), values)
            self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # both raise their own, some of them bare
            raise ModelError(f"cannot use the encoder in {folder}: {' '.join(str(error).split())}") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def __reduce__(self) -> tuple[Any, ...]:
        # workers read the files themselves: a session cannot travel
        return partial(type(self), cased=self.cased, separator=self.separator), (self.folder,)

    def read(self, articles: Sequence[Sequence[str]]) -> tuple[F64, list[Marks]]:
        """Read the sentences of articles.

        Parameters
        ----------
        articles : sequence of sequence of str
            The sentences of each; neighbours are context.

        Returns
        -------
        ndarray of shape (4, n_sentences)
            For each of `HEADS`, not calibrated, those of all articles one after the other: machine against people,
            garbled against clean (higher is worse), and predicted human judgement (higher is cleaner); and the readout,
            machine against people again, 0 where a model has none.
        list of Marks
            For each sentence.
        """
        flat = [sentence for article in articles for sentence in article]
        tokens = tokenised(self._tokenizer, flat, cased=self.cased) if flat else []
        parts, done = [], 0
        for article in articles:
            parts.append(tokens[done : done + len(article)])
            done += len(article)
        heads = np.zeros((READOUT + 1, len(flat)))
        marks: list[Marks] = []
        for window in windows(parts, self.separator):
            (outputs,) = self._session.run(None, {"ids": window.ids[None].astype(np.int64)})
            n = len(window.first) - 1
            heads[:, window.begin : window.begin + n] = pool(outputs[0], window.first)
            garbled, kind = span_logits(outputs[0])
            for i in range(n):
                own = tokens[window.begin + i]
                use = slice(window.first[i], window.first[i] + len(own.ids))
                marks.append(Marks(own.start, own.end, garbled[use], kind[use]))
        return heads, marks


class RememberingEncoder(Encoder):
    """An encoder for evaluation: it reads no article twice, and can read many beforehand, in several processes."""

    def __init__(self, folder: Path, *, cased: bool, separator: int) -> None:
        super().__init__(folder, cased=cased, separator=separator)
        self._known: dict[tuple[str, ...], tuple[F64, list[Marks]]] = {}

    def read(self, articles: Sequence[Sequence[str]]) -> tuple[F64, list[Marks]]:
        """Read articles as an `Encoder` does."""
        keys = [tuple(article) for article in articles]
        for key in keys:
            if key not in self._known:
                self._known[key] = super().read([key])
        found = [self._known[key] for key in keys]
        heads = [np.zeros((READOUT + 1, 0)), *(heads for heads, _ in found)]
        return np.concatenate(heads, axis=1), [m for _, marks in found for m in marks]

    def read_ahead(self, articles: Sequence[Sequence[str]], workers: int = 2) -> None:
        """Read many articles in as many processes."""
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        keys = [key for key in dict.fromkeys(map(tuple, articles)) if key not in self._known]
        settings = (self.folder, self.cased, self.separator)
        with ProcessPoolExecutor(workers, get_context("spawn"), _open, settings) as pool_of_readers:
            self._known.update(zip(keys, pool_of_readers.map(_read_one, keys, chunksize=16), strict=True))


_reader: Encoder


def _open(folder: Path, cased: bool, separator: int) -> None:
    global _reader
    _reader = Encoder(folder, cased=cased, separator=separator)


def _read_one(article: Sequence[str]) -> tuple[F64, list[Marks]]:
    return _reader.read([article])
