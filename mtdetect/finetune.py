"""Training of the encoder of the `accurate` model: any transformer of Hugging Face, on matched windows of news."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mtdetect.batches import SHARES, Example, Plan, examples_of, steps
from mtdetect.data import DataError
from mtdetect.encoder import OUTPUTS, pool, tokenised, windows
from mtdetect.examples import Article
from mtdetect.start import Start, has_bfloat16, stack_of

__all__ = ["CHECKPOINT", "Reader", "fit", "read"]

_WEIGHTS = {"style": 0.5, "article": 0.5, "pair": 1.0, "garble": 1.0, "quality": 1.0, "span": 1.0, "kind": 0.1}
_TRANSLATED = 0.3  # weight of people's translations, as clean sentences, relative to originals of round trips
CHECKPOINT = "checkpoint.safetensors"
SAVE_EVERY, _CHECK = 180.0, 1200.0  # seconds between checkpoints, and between looks at the dev split
_WARM, _FLOOR = 0.03, 0.02
_STAYS = 0.6  # share of an accurate model that stays when it goes on learning: else it unlearns engines it never met
F64 = NDArray[np.float64]


class Reader(torch.nn.Module):
    """A transformer and its heads.

    Parameters
    ----------
    backbone : transformers.PreTrainedModel
        The transformer.
    heads : mapping of str to Tensor, optional
        Those that it begins with.
    frozen : int
        How many of the lower layers are not trained. `read_layers` reads them.
    """

    def __init__(self, backbone: Any, heads: Mapping[str, Any] | None = None, frozen: int = 0) -> None:
        super().__init__()
        self.backbone = backbone
        self.heads = torch.nn.Linear(backbone.config.hidden_size, OUTPUTS)
        torch.nn.init.normal_(self.heads.weight, std=0.02)
        torch.nn.init.zeros_(self.heads.bias)
        if heads is not None:
            self.heads.load_state_dict(heads)
        self.frozen = frozen
        self.readout: Any = None
        """Once fitted, what all frozen layers tell of style: a linear function of what `read_layers` returns."""
        for layer in stack_of(backbone)[:frozen]:
            layer.requires_grad_(False)

        # what is causal does not see the padding, and is faster without a mask
        self.causal = any(getattr(module, "is_causal", False) for module in backbone.modules())

    def forward(self, ids: Any, mask: Any = None) -> Any:
        """Return the outputs of each token, (n_windows, n_tokens, OUTPUTS), and that of the readout after them."""
        if self.readout is None:
            return self.heads(self._last(ids, mask))
        read, last = self.read_layers(ids, mask)
        told, begin = self.readout.bias, 0
        for part in read:
            end = begin + part.shape[-1]
            told = told + functional.linear(part, self.readout.weight[:, begin:end])
            begin = end
        return torch.cat([self.heads(last), told], dim=-1)

    def read_layers(self, ids: Any, mask: Any = None) -> tuple[list[Any], Any]:
        """Return what is read of the frozen layers, (n_windows, n_tokens, width) each, and the last hidden state.

        Of each layer that is what its first and its widest matrix are multiplied with: the hidden state before it, as
        the layer normalises it, and its neurons; and the hidden state after all, as the next layer normalises it.
        """
        read: list[Any] = []
        hooks = []
        stack = stack_of(self.backbone)
        for layer in stack[: self.frozen + 1]:
            matrices = [part for part in layer.modules() if isinstance(part, torch.nn.Linear)]
            widest = max(matrices, key=lambda part: part.in_features)
            for matrix in matrices[:1] if layer is stack[self.frozen] else (matrices[0], widest):
                hooks.append(matrix.register_forward_pre_hook(lambda _, args: read.append(args[0])))
        try:
            last = self._last(ids, mask)
        finally:
            for hook in hooks:
                hook.remove()
        return read, last

    def _last(self, ids: Any, mask: Any) -> Any:
        return self.backbone(input_ids=ids, attention_mask=None if self.causal else mask).last_hidden_state


def _losses(outputs: Any, batch: Sequence[Example], scale: Any, drop: Sequence[str]) -> dict[str, Any]:
    """Return the sum of each loss over a batch."""
    device = outputs.device
    flat = outputs.float().reshape(-1, OUTPUTS)
    length = outputs.shape[1]
    sentence = np.full((len(batch), length), -1)
    last: list[int] = []
    owner: list[int] = []
    for row, item in enumerate(batch):
        n = len(item.window.first) - 1
        sentence[row, : len(item.window.ids)] = np.repeat(np.arange(n), np.diff(item.window.first)) + len(owner)
        last += (row * length + item.window.first[1:] - 1).tolist()
        owner += [row] * n
    of = torch.from_numpy(sentence.reshape(-1)).to(device)
    used = of >= 0
    count = torch.bincount(of[used], minlength=len(owner)).unsqueeze(1)
    mean = torch.zeros(len(owner), 3, device=device).index_add(0, of[used], flat[used][:, :3]) / count
    z = mean + flat[last][:, 3:6]

    def column(values: Any) -> Any:
        return torch.as_tensor(np.asarray(values, np.float32), device=device)

    def binary(logits: Any, target: Any, weight: Any) -> Any:
        known = ~torch.isnan(target)
        loss = functional.binary_cross_entropy_with_logits(logits[known], target[known], reduction="none")
        return (loss * weight[known]).sum()

    rows = torch.as_tensor(owner, device=device)
    style = column([item.article.style for item in batch])
    one = torch.ones_like(style)
    size = torch.bincount(rows, minlength=len(batch))
    article = torch.zeros(len(batch), device=device).index_add(0, rows, z[:, 0]) / size
    found = {
        "style": binary(z[:, 0], style[rows], one[rows]),
        "article": binary(scale * article, style, one),
        "pair": functional.softplus(scale * (article[1:] - article[:-1])[style[:-1] == 1]).sum(),
        "garble": binary(
            z[:, 1], column(np.concatenate([item.garble for item in batch])), column(_clean_weights(batch))[rows]
        ),
    }
    quality = column(np.concatenate([item.quality for item in batch]))
    known = ~torch.isnan(quality)
    found["quality"] = functional.mse_loss(z[known, 2], quality[known], reduction="sum")
    span, kind = np.full(sentence.shape, np.nan, np.float32), np.full(sentence.shape, -1)
    for row, item in enumerate(batch):
        span[row, : len(item.span)], kind[row, : len(item.kind)] = item.span, item.kind
    inside = torch.from_numpy(sentence[:, 1:] >= 0).to(device)
    after = functional.pad(outputs.float()[:, 1:, 7] * inside, (0, 1))
    garbled = (outputs.float()[:, :, 6] + after).reshape(-1)
    found["span"] = binary(garbled, column(span.reshape(-1)), torch.ones_like(garbled))
    kinds = torch.as_tensor(kind.reshape(-1), device=device)
    known = kinds >= 0
    found["kind"] = functional.cross_entropy(flat[known, 8:], kinds[known], reduction="sum")
    return {name: loss for name, loss in found.items() if name not in drop}


def _clean_weights(batch: Sequence[Example]) -> list[float]:
    return [_TRANSLATED if item.article.source == "translated" else 1.0 for item in batch]


def _totals(step: Sequence[Example]) -> dict[str, float]:
    """Return the weight of what each loss of a step is a sum of; 1 where there is none."""
    styled = [item for item in step if not np.isnan(item.article.style)]
    found = {
        "style": sum(len(item.garble) for item in styled),
        "article": len(styled),
        "pair": len(styled) / 2,
        "garble": sum(
            weight * np.count_nonzero(~np.isnan(item.garble))
            for item, weight in zip(step, _clean_weights(step), strict=True)
        ),
        "quality": sum(np.count_nonzero(~np.isnan(item.quality)) for item in step),
        "span": sum(np.count_nonzero(~np.isnan(item.span)) for item in step),
        "kind": sum(np.count_nonzero(item.kind >= 0) for item in step),
    }
    return {name: float(total) or 1.0 for name, total in found.items()}


def _padded(batch: Sequence[Example], device: Any) -> tuple[Any, Any]:
    ids = np.zeros((len(batch), max(len(item.window.ids) for item in batch)), np.int64)
    mask = np.zeros_like(ids)
    for row, item in enumerate(batch):
        ids[row, : len(item.window.ids)] = item.window.ids
        mask[row, : len(item.window.ids)] = 1
    return torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device)


def read(model: Reader, start: Start, articles: Sequence[Sequence[str]]) -> F64:
    """Return what `mtdetect.encoder.Encoder.read` does of sentences, with torch."""
    device = next(model.parameters()).device
    parts = [tokenised(start.tokenizer, part, cased=start.cased) for part in articles]
    found = []
    with torch.no_grad():
        for window in windows(parts, start.separator):
            outputs = model(torch.from_numpy(window.ids.astype(np.int64))[None].to(device))
            found.append(pool(outputs[0].float().cpu().numpy(), window.first))
    return np.concatenate(found, axis=1)


class _Checkpoint:
    """Weights and the state of AdamW in a file that is whole at any moment."""

    def __init__(self, path: Path, settings: bytes) -> None:
        self._path = path
        self._settings = settings.decode()

    def load(self, named: Mapping[str, Any], optimizer: Any) -> tuple[int, int]:
        """Return how many steps and tokens are done; `DataError` where they were done under other settings."""
        if not self._path.exists():
            return 0, 0
        from safetensors import safe_open

        with safe_open(self._path, "pt") as stored:
            about = stored.metadata()
            if about["settings"] != self._settings:
                raise DataError(f"{self._path} is of a training with other settings: remove it, or name another folder")
            with torch.no_grad():
                for name, parameter in named.items():
                    parameter.copy_(stored.get_tensor(name))
                    optimizer.state[parameter] = {
                        key: stored.get_tensor(f"{key} {name}").to(parameter.device)
                        for key in ("step", "exp_avg", "exp_avg_sq")
                    }
        return int(about["done"]), int(about["seen"])

    def save(self, named: Mapping[str, Any], optimizer: Any, done: int, seen: int) -> None:
        from safetensors.torch import save_file

        tensors = {}
        for name, parameter in named.items():
            tensors[name] = parameter.detach().cpu().contiguous()
            for key, value in optimizer.state[parameter].items():
                tensors[f"{key} {name}"] = value.cpu().contiguous()
        draft = self._path.with_suffix(".tmp")
        save_file(tensors, draft, {"settings": self._settings, "done": str(done), "seen": str(seen)})
        draft.replace(self._path)


def fit(
    start: Start,
    articles: Sequence[Article],
    plan: Plan,
    folder: Path,
    check: Callable[[Reader], str],
    log: Callable[[str], None],
) -> Reader:
    """Train the encoder; where a checkpoint is in the folder, go on from there.

    Where an accurate model goes on learning, the weights are a mean of those before and after (Wortsman et al. 2022,
    WiSE-FT).

    Parameters
    ----------
    start : Start
        The transformer that it begins with.
    articles : sequence of Article
        What it learns from.
    plan : Plan
        How.
    folder : Path
        For the checkpoint: a kill at any point loses no more than the last three minutes.
    check : callable
        Given the model on its way, tells a figure of the dev split for the log.
    log : callable
        Called with a line from time to time.

    Returns
    -------
    Reader
        The same for the same plan, data, version of torch and number of threads.
    """
    torch.manual_seed(plan.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    half = has_bfloat16(device.type)
    model = Reader(start.backbone, start.heads, start.frozen).to(device).train()
    # half of the parameters: what they could learn here is names, and each batch would pay for all of them
    start.backbone.get_input_embeddings().weight.requires_grad_(False)
    examples = examples_of(articles, start, plan.seed)
    scale = torch.nn.Parameter(torch.tensor(2.0, device=device))
    named = {name: value for name, value in model.named_parameters() if value.requires_grad} | {"scale": scale}
    known = {name: value.detach().clone() for name, value in named.items()} if start.heads is not None else {}
    wide = [parameter for parameter in named.values() if parameter.ndim > 1]
    flat = [parameter for parameter in named.values() if parameter.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": wide, "weight_decay": 0.01}, {"params": flat, "weight_decay": 0.0}],
        lr=plan.rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    totals = {name: sum(len(item.window.ids) for item in examples if item.article.source == name) for name in SHARES}
    log(f"{sum(p.numel() for p in named.values()) / 1e6:.1f} million parameters, windows: {len(examples)}, {totals}")
    settings = orjson.dumps([plan, totals, len(start.tokenizer.get_vocab()), start.frozen])
    state = _Checkpoint(folder / CHECKPOINT, settings)
    step, seen = state.load(named, optimizer)
    seen_before = seen
    began = saved = told = checked = time.monotonic()
    running = dict.fromkeys(_WEIGHTS, 0.0)
    for number, batches in enumerate(steps(examples, plan)):
        size = sum(len(examples[i].window.ids) for batch in batches for i in batch)
        if number < step:
            continue
        if seen >= plan.tokens:
            break
        share = seen / plan.tokens
        rate = plan.rate * min(1.0, share / _WARM + 1e-3) * max(_FLOOR, 0.5 * (1 + np.cos(np.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        weights = _totals([examples[i] for batch in batches for i in batch])
        sums = dict.fromkeys(_WEIGHTS, 0.0)
        for batch in batches:
            chosen = [examples[i] for i in batch]
            with torch.autocast(device.type, dtype=torch.bfloat16, enabled=half):
                outputs = model(*_padded(chosen, device))
            parts = _losses(outputs, chosen, scale, plan.drop)
            loss: Any = sum(_WEIGHTS[name] * value / weights[name] for name, value in parts.items())
            loss.backward()
            for name, value in parts.items():
                sums[name] += value.item()
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        step, seen = number + 1, seen + size
        for name, value in sums.items():
            running[name] += max(0.02, 1 / (step + 1)) * (value / weights[name] - running[name])
        now = time.monotonic()
        if now - saved > SAVE_EVERY:
            state.save(named, optimizer, step, seen)
            saved = now
        if now - told > 60:
            losses = ", ".join(f"{name} {value:.3f}" for name, value in running.items())
            pace = (seen - seen_before) / (now - began)
            log(f"{seen / 1e6:.2f} of {plan.tokens / 1e6:.1f} million tokens, {pace:.0f} a second: {losses}")
            told = now
        if now - checked > _CHECK:
            log(f"dev: {check(model.eval())}")
            model.train()
            checked = time.monotonic()
    with torch.no_grad():
        for name, value in known.items():
            named[name].lerp_(value, _STAYS)
    return model.eval()
