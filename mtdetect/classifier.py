"""The `fast` classifier: linear weights over hashed n-grams, as plain arrays; numpy at inference."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from mtdetect.features import CHAR_KINDS, TOKEN_KINDS, Grams, extract
from mtdetect.types import OperatingPoint

__all__ = [
    "FAMILIAR_KINDS",
    "HEADS",
    "LENGTH_POWER",
    "LEVELS",
    "FastClassifier",
    "ModelError",
    "article_features",
    "char_slot",
    "familiar_slot",
    "sigmoid",
    "slot",
]

HEADS = ("mt", "quality")
LENGTH_POWER = {"mt": 0.25, "quality": 0.5}
"""Counts of n-grams are divided by this power of the number of tokens: evidence grows with length, but slowly."""
FAMILIAR_KINDS = ("word2", "word3")
LEVELS = 9
"""Levels of familiarity: 0 for unseen, then the logarithm of the count in clean news, base 2."""
SLOT_BITS, FAMILIAR_BITS, CHAR_BITS, _ROW_BITS = 21, 23, 17, 20
_ARRAYS = {
    "keys": np.uint32,
    "weights": np.float16,
    "chars": np.float16,
    "familiar": np.uint8,
    "levels": np.float32,
    "rules": np.float32,
    "spun_starts": np.uint32,
    "spun": np.uint64,
}
_CONFIG = {"format", "name", "rules", "mt", "quality", "operating_points", "training", "checksums"}
_FORMAT = 1

F64 = NDArray[np.float64]
U32 = NDArray[np.uint32]


class ModelError(ValueError):
    """A model folder that is missing, damaged or made for another version."""


def slot(keys: U32) -> U32:
    """Return the place of each key in the table of weights."""
    return keys >> np.uint32(32 - SLOT_BITS)


def char_slot(keys: U32) -> U32:
    """Return the place of each key in the table of character n-grams."""
    return keys >> np.uint32(32 - CHAR_BITS)


def familiar_slot(keys: U32) -> tuple[U32, NDArray[np.uint8]]:
    """Return the place of each key in the table of familiarity, and its check bits (the low four bits are 0)."""
    return keys >> np.uint32(32 - FAMILIAR_BITS), (keys << np.uint32(4)).astype(np.uint8)


@dataclass(frozen=True)
class FastClassifier:
    """Linear weights with their calibration.

    Parameters
    ----------
    config : dict
        Contents of ``config.json``: calibration, operating points, provenance.
    arrays : dict of str to ndarray
        ``keys`` (n_features,), hashes of the n-grams that have a weight; ``weights`` (n_features, 2), a column for
        each of `HEADS`; ``chars`` (2 ** 17,), weights of character n-grams in the quality head; ``familiar``
        (2 ** 23,), how often clean news uses an n-gram; ``levels`` (2, 9), weights of that familiarity in the
        quality head, for each of `FAMILIAR_KINDS`; ``rules`` (n_rules, 2), weights of rule evidence;
        ``spun_starts`` and ``spun``, hashes of tortured phrases, sorted.
    digest : str
        First eight hexadecimal digits of the SHA-256 of ``config.json``, which holds that of the weights.
    """

    config: dict[str, Any]
    arrays: dict[str, NDArray[Any]]
    digest: str = "unsaved"

    @classmethod
    def load(cls, folder: Path) -> FastClassifier:
        """Read a model folder; nothing in it is ever executed.

        Raises
        ------
        ModelError
            If a file is missing, damaged, of another format, or does not match its checksum.
        """
        try:
            described = (folder / "config.json").read_bytes()
            config = orjson.loads(described)
            data = (folder / "weights.npz").read_bytes()
        except OSError as error:
            raise ModelError(f"cannot read the model in {folder}: {error.strerror}: {error.filename}") from error
        except orjson.JSONDecodeError as error:
            raise ModelError(f"{folder / 'config.json'} is not JSON: {error}") from error
        if not isinstance(config, dict) or config.get("format") != _FORMAT or set(config) != _CONFIG:
            raise ModelError(f"{folder / 'config.json'} is not the configuration of a fast model, format {_FORMAT}")
        if config["checksums"] != {"weights.npz": hashlib.sha256(data).hexdigest()}:
            raise ModelError(f"{folder / 'weights.npz'} does not match its checksum in config.json")
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{folder / 'weights.npz'} is damaged: {error}") from error
        if {name: array.dtype for name, array in arrays.items()} != _ARRAYS:
            raise ModelError(f"{folder / 'weights.npz'} does not hold the arrays {', '.join(_ARRAYS)}")
        return cls(config, arrays, hashlib.sha256(described).hexdigest()[:8])

    def save(self, folder: Path) -> FastClassifier:
        """Write ``weights.npz`` and ``config.json``; return the classifier as it will be loaded."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "weights.npz", allow_pickle=False, **{name: self.arrays[name] for name in _ARRAYS})
        digest = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
        config = self.config | {"format": _FORMAT, "checksums": {"weights.npz": digest}}
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        (folder / "config.json").write_bytes(orjson.dumps(config, option=options))
        return FastClassifier.load(folder)

    @cached_property
    def points(self) -> dict[str, OperatingPoint]:
        """Operating points by name, strictest first."""
        stored = self.config["operating_points"].items()
        points = [OperatingPoint(name, point["sentence"], point["article"]) for name, point in stored]
        return {point.name: point for point in sorted(points, key=lambda point: -point.sentence)}

    @cached_property
    def _slots(self) -> U32:
        # a slot holds the row of the weights and, as a check, the bits of the key that the place does not tell
        keys = self.arrays["keys"]
        slots = np.zeros(1 << SLOT_BITS, np.uint32)
        rest = keys & np.uint32((1 << (32 - SLOT_BITS)) - 1)
        slots[slot(keys)] = (rest << np.uint32(_ROW_BITS)) | np.arange(1, len(keys) + 1, dtype=np.uint32)
        return slots

    @cached_property
    def _weights(self) -> NDArray[np.complex64]:
        # both heads in one number: one look-up and one sum for the two
        weights = self.arrays["weights"].astype(np.float32)
        return np.append(np.complex64(0), weights.view(np.complex64).ravel())

    @cached_property
    def _chars(self) -> NDArray[np.float32]:
        return self.arrays["chars"].astype(np.float32)

    @cached_property
    def _levels(self) -> NDArray[np.float32]:
        # one more level, without weight, for what reaches over the end of a sentence
        return np.pad(self.arrays["levels"], ((0, 0), (0, 1)))

    def rows(self, keys: U32) -> NDArray[np.uint32]:
        """Return the row of each key in the weights, counted from 1; 0 for keys without a weight."""
        found = self._slots[slot(keys)]
        same = (found >> np.uint32(_ROW_BITS)) == (keys & np.uint32((1 << (32 - SLOT_BITS)) - 1))
        row: U32 = (found & np.uint32((1 << _ROW_BITS) - 1)) * same
        return row

    def familiarity(self, keys: U32) -> NDArray[np.uint8]:
        """Return the level of familiarity of each key, `LEVELS` for the key 0."""
        place, check = familiar_slot(keys)
        found = self.arrays["familiar"][place]
        level: NDArray[np.uint8] = (found & np.uint8(15)) * ((found & np.uint8(240)) == check)
        level[keys == 0] = LEVELS
        return level

    def logits(self, grams: Grams, rules: NDArray[np.bool_]) -> F64:
        """Score the sentences of a batch.

        Parameters
        ----------
        grams : Grams
            From `mtdetect.features.extract`.
        rules : ndarray of bool, shape (n_sentences, n_rules)
            Which rules hit, in the order of ``config["rules"]``.

        Returns
        -------
        ndarray of shape (2, n_sentences)
            Not calibrated: the logit of "machine-translated", higher is more so; the predicted human judgement in
            standard deviations, higher is cleaner.
        """
        tokens = grams.n_tokens.astype(np.float64)
        # not a matrix product: that rounds otherwise when there are more rows
        out: F64 = (rules[None] * self.arrays["rules"].astype(np.float64).T[:, None]).sum(axis=2)
        both = np.zeros(len(tokens), np.complex128)
        for kind in TOKEN_KINDS:
            block = grams.blocks[kind]
            both += np.add.reduceat(self._weights[self.rows(block.key)], block.first)
            if kind in FAMILIAR_KINDS:
                weight = self._levels[FAMILIAR_KINDS.index(kind)][self.familiarity(block.key)]
                out[1] += np.add.reduceat(weight, block.first) / tokens
        for kind in CHAR_KINDS:
            block = grams.blocks[kind]
            both += 1j * np.add.reduceat(self._chars[char_slot(block.key)], block.first)
        out[0] += both.real / tokens ** LENGTH_POWER["mt"]
        out[1] += both.imag / tokens ** LENGTH_POWER["quality"]
        return out

    def contributions(self, sentences: Sequence[str]) -> list[F64]:
        """Split the logit of "machine-translated", less what rules add, over the characters of each sentence.

        Returns
        -------
        list of ndarray, each of shape (len(sentence),)
            Their sum is the logit; higher is more machine-like. An n-gram is split evenly over its characters.
        """
        grams = extract(sentences)
        size = len(grams.origin)
        # n-grams that begin or end with the pads around a sentence are laid on its first or last character
        owner = np.repeat(np.arange(len(sentences)), np.diff(grams.first))
        body = grams.origin >= 0
        low = np.minimum.accumulate(np.where(body, np.arange(size), size)[::-1])[::-1]
        high = np.maximum.accumulate(np.where(body, np.arange(size), -1))
        first, last = low[grams.first[:-1]], high[grams.first[1:] - 1]
        edges = np.zeros(size + 1)
        for kind in TOKEN_KINDS:
            start, end = grams.spans(kind)
            sentence = owner[start]
            value = self._weights.real[self.rows(grams.blocks[kind].key)]
            value = value / grams.n_tokens[sentence] ** LENGTH_POWER["mt"]
            start = np.clip(start, first[sentence], last[sentence])
            end = np.clip(end, start + 1, np.maximum(last[sentence] + 1, start + 1))
            value = value / (end - start) * (first <= last)[sentence]  # a sentence may have no letters at all
            edges += np.bincount(start, value, size + 1) - np.bincount(end, value, size + 1)
        density = np.cumsum(edges)[:-1]
        spread: list[F64] = []
        for i, sentence_text in enumerate(sentences):
            places = np.arange(grams.first[i], grams.first[i + 1])
            places = places[body[places]]
            spread.append(np.bincount(grams.origin[places], density[places], len(sentence_text)).astype(np.float64))
        return spread


def article_features(damage: F64, strong: NDArray[np.bool_], weak: NDArray[np.bool_], first: NDArray[Any]) -> F64:
    """Return what the quality of articles is made of; each grows with the damage and ignores the order.

    Parameters
    ----------
    damage : ndarray of shape (n_sentences,)
        0 to 1, higher is worse: 1 less the predicted human judgement.
    strong, weak : ndarray of bool, shape (n_sentences,)
        Whether the sentence has such evidence.
    first : ndarray of int, shape (n_articles,)
        Where the sentences of each article begin; no article is empty.

    Returns
    -------
    ndarray of shape (n_articles, 4)
        Mean damage; root mean square damage; root of the share of sentences with strong evidence; share of
        sentences with weak evidence.
    """
    table = np.column_stack([damage, damage**2, strong, weak])
    means = np.add.reduceat(table, first, axis=0) / np.diff(first, append=len(table))[:, None]
    means[:, 1:3] = np.sqrt(means[:, 1:3])
    return np.asarray(means, np.float64)


def sigmoid(z: F64) -> F64:
    """Return the logistic function, safe for large arguments."""
    return np.asarray(1 / (1 + np.exp(-np.clip(z, -500, 500))), np.float64)
