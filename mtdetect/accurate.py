"""The `accurate` classifier: what a transformer reads in a sentence, beside the linear heads of a `fast` model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mtdetect.classifier import (
    HEADS,
    FastClassifier,
    ModelError,
    file_bytes,
    is_configuration,
    model_folder,
    points_of,
    sigmoid,
)  # fmt: skip
from mtdetect.encoder import GRAPHS, READOUT, Encoder, Marks
from mtdetect.types import OperatingPoint

__all__ = ["CALIBRATED", "ENCODED", "FILES", "AccurateClassifier", "in_article", "load_model", "save_config"]

FILES = (*GRAPHS.values(), "model.safetensors", "tokenizer.json")
ENCODED = {"style": 0, "roundtrip": 1, "quality": 2, "garble": 1}
"""The head of the encoder that each linear head is joined with."""
CALIBRATED = 0.3
"""Share of the documents of the dev split that the calibration sees: those whose `mtdetect.data.bucket` is lower."""
_CONFIG: dict[str, type] = {
    "format": int,
    "name": str,
    "fast": str,
    "encoder": dict,
    "frozen": int,
    "blend": dict,
    "spans": dict,
    "cascade": dict,
    "mt": dict,
    "quality": dict,
    "operating_points": dict,
    "training": dict,
    "checksums": dict,
}
_ENCODER = {"cased": bool, "separator": int}
_FORMAT = 5  # 4: float16, no readout; 3: integers in blocks; 2: no float32; 1: no context
_SECTION = "mtdetect"
_BLEND = {"style": 4, "sentence": 4}  # numbers, where not three
_RATES = np.arange(1, 10) / 10  # how much of an article may be the machine's, each as likely
_ALIKE = 0.2  # weight of a sentence in that: those of an article are alike, five tell as much as one by itself

F64 = NDArray[np.float64]


@dataclass(frozen=True)
class AccurateClassifier:
    """An encoder and a linear model with their common calibration.

    Parameters
    ----------
    config : dict
        The section ``mtdetect`` of ``config.json``: calibration, operating points, provenance.
    fast : FastClassifier
        The linear model.
    encoder : Encoder
        The transformer.
    digest : str
        First eight hexadecimal digits of the SHA-256 of ``config.json``, which holds those of the other files and the
        digest of the linear model.
    """

    config: dict[str, Any]
    fast: FastClassifier
    encoder: Encoder
    digest: str = "unsaved"

    @classmethod
    def load(cls, folder: Path) -> AccurateClassifier:
        """Read a model folder; nothing in it is ever executed.

        Raises
        ------
        ModelError
            If a file is missing, a link, damaged, of another format, or does not match its checksum, or if the linear
            model is not at hand.
        """
        described = file_bytes(folder / "config.json")
        try:
            config = orjson.loads(described)[_SECTION]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise ModelError(f"{folder / 'config.json'} is not the configuration of a model: {error}") from error
        if (
            not is_configuration(config, _FORMAT, _CONFIG)
            or {name: type(value) for name, value in config["encoder"].items()} != _ENCODER
            or set(config["blend"]) != {*HEADS, "sentence"}
            or not all(_are_numbers(values, _BLEND.get(name, 3)) for name, values in config["blend"].items())
            or not _are_numbers([config["spans"].get("limit")], 1)
            or not _are_numbers([config["cascade"].get(name) for name in ("clean", "human", "garbled")], 3)
        ):
            raise ModelError(f"{folder / 'config.json'} is not that of an accurate model, format {_FORMAT}")
        for name in FILES:
            if config["checksums"].get(name) != hashlib.sha256(file_bytes(folder / name)).hexdigest():
                raise ModelError(f"{folder / name} does not match its checksum in config.json")
        name, _, digest = config["fast"].partition("@")
        beside = folder.parent / name  # not what has the same name in the current folder
        fast = FastClassifier.load(beside if (beside / "config.json").is_file() else model_folder(name))
        if fast.digest != digest:
            raise ModelError(f"{folder} goes with the linear model {config['fast']}: this one is {name}@{fast.digest}")
        return cls(config, fast, Encoder(folder, **config["encoder"]), hashlib.sha256(described).hexdigest()[:8])

    @cached_property
    def points(self) -> dict[str, OperatingPoint]:
        """Operating points by name, strictest first."""
        return points_of(self.config)

    def join(self, z: F64, articles: Sequence[Sequence[str]]) -> tuple[F64, list[Marks]]:
        """Join what the linear heads say with what the encoder reads.

        Parameters
        ----------
        z : ndarray of shape (4, n_sentences)
            From `FastClassifier.logits`.
        articles : sequence of sequence of str
            The same sentences, by article.

        Returns
        -------
        ndarray of shape (5, n_sentences)
            As from `FastClassifier.logits`, and what speaks for a machine in each sentence by itself.
        list of Marks
            What the encoder says of the tokens of each sentence.
        """
        read, marks = self.encoder.read(articles)
        return blended(self.config["blend"], z, read), marks


def _are_numbers(values: Any, n: int) -> bool:
    return isinstance(values, list) and len(values) == n and all(isinstance(value, int | float) for value in values)


def blended(blend: dict[str, list[float]], z: F64, read: F64) -> F64:
    """Return the sum of a constant, a linear head and one of the encoder for each of `HEADS`, and that of sentences.

    Style has the readout besides.

    One sentence tells little of style, and a round trip tells itself: what looks like none says nothing more.
    """
    rows = []
    for row, head in zip(z, HEADS, strict=True):
        constant, linear, encoded, *others = blend[head]
        rows.append(constant + linear * row + encoded * read[ENCODED[head]])
        for weight in others:
            rows[-1] += weight * read[READOUT]
    linear, encoded, told, soft = blend["sentence"]
    style = linear * z[0] + encoded * read[ENCODED["style"]] + told * read[READOUT]
    rows.append(style + soft * np.logaddexp(0, rows[1]))
    return np.array(rows)


def in_article(own: F64, sizes: NDArray[np.int64]) -> F64:
    """Return how likely each sentence is the machine's, given all sentences of its article.

    How much of the article is the machine's is not known beforehand; its sentences tell. In which order they stand does
    not matter, and of two sentences of an article the one that is likelier by itself stays so.

    Parameters
    ----------
    own : ndarray of shape (n_sentences,)
        Log-odds of the sentences by themselves, were half of them the machine's.
    sizes : ndarray of int, shape (n_articles,)
        How many sentences each article has.

    Returns
    -------
    ndarray of shape (n_sentences,)
        0 to 1, higher is more machine-translated.
    """
    size = sizes[sizes > 0]
    if not len(size):
        return np.zeros(0)
    seen = np.logaddexp(np.log1p(-_RATES), np.log(_RATES) + own[:, None])
    told = _ALIKE * np.add.reduceat(seen, np.cumsum(size) - size, axis=0)
    likely = np.exp(told - told.max(axis=1, keepdims=True))
    likely = np.repeat(likely / likely.sum(axis=1, keepdims=True), size, axis=0)
    found = likely * sigmoid(own[:, None] + np.log(_RATES / (1 - _RATES)))
    return np.asarray(found.sum(axis=1), np.float64)


def save_config(folder: Path, config: dict[str, Any], checkpoint: dict[str, Any]) -> AccurateClassifier:
    """Write ``config.json`` beside the other files; return the classifier as it will be loaded.

    Parameters
    ----------
    folder : Path
        With `FILES`.
    config : dict
        All of the section but format and checksums.
    checkpoint : dict
        What transformers needs to know of the checkpoint.
    """
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}
    whole = checkpoint | {_SECTION: config | {"format": _FORMAT, "checksums": sums}}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    (folder / "config.json").write_bytes(orjson.dumps(whole, option=options))
    return AccurateClassifier.load(folder)


def load_model(folder: Path) -> FastClassifier | AccurateClassifier:
    """Read a model folder of either kind.

    Raises
    ------
    ModelError
        As for the classes.
    """
    kind = AccurateClassifier if any((folder / name).exists() for name in FILES) else FastClassifier
    return kind.load(folder)
