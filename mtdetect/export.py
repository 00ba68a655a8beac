"""From a trained encoder to the files that it is shipped in."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtdetect.encoder import GRAPHS, WINDOW, int8_names
from mtdetect.finetune import Reader
from mtdetect.start import HEADS_PREFIX, READOUT_PREFIX, Start, stack_of

__all__ = ["export"]

_WEIGHTS = "model.safetensors"
_LATER = -45.0  # added to scores of attention, which in SmolLM2 differ by less than 40; exp(-87) is denormal


def export(model: Reader, start: Start, folder: Path) -> dict[str, Any]:
    """Write the weights, the tokenizer, and two graphs for ONNX Runtime without weights of their own.

    The matrices of the layers have eight bits, each output with a scale of its own, as compressed-tensors packs them;
    the rest is float16. One graph computes in float32; the other multiplies with integers. The folder loads with
    transformers, too.

    Returns
    -------
    dict
        What transformers needs to know of the checkpoint, for ``config.json``.
    """
    from safetensors.torch import save_file

    model = model.cpu().eval()
    linear = {name for name, part in model.backbone.named_modules() if isinstance(part, torch.nn.Linear)}
    layers = {id(part) for part in stack_of(model.backbone).modules()}
    within = {name for name in linear if id(model.backbone.get_submodule(name)) in layers}
    tensors: dict[str, Any] = {}
    with torch.no_grad():
        # what is tested is what is shipped
        for parameter in model.parameters():
            parameter.copy_(parameter.half().float())
        for name, value in model.backbone.state_dict().items():
            module = name.removesuffix(".weight")
            if module in within and name != module:
                scales = (value.abs().amax(dim=1, keepdim=True) / 127).half()
                scales[scales == 0] = 1
                steps = (value / scales.float()).round().clamp(-127, 127)
                value.copy_(steps * scales.float())
                packed = (steps + 128).to(torch.uint8).numpy().view(np.int32)
                tensors[f"{name}_packed"] = torch.from_numpy(packed.copy())
                tensors[f"{name}_scale"] = scales
                tensors[f"{name}_shape"] = torch.tensor(value.shape)
            else:
                tensors[name] = value.half().contiguous()
    for first, part in ((HEADS_PREFIX, model.heads), (READOUT_PREFIX, model.readout)):
        if part is not None:
            tensors |= {first + name: value.half().contiguous() for name, value in part.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / _WEIGHTS, {"format": "pt"})
    (folder / _WEIGHTS).chmod(0o644)  # it is written for its owner alone
    start.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}) + "\n")
    _graphs(model, folder)
    described: dict[str, Any] = model.backbone.config.to_diff_dict()
    described["architectures"] = [type(model.backbone).__name__]
    described["dtype"] = "float16"
    described.pop("_model_name_or_path", None)
    eight = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel", "dynamic": False}
    described["quantization_config"] = {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "quantization_status": "compressed",
        "config_groups": {"layers": {"targets": ["Linear"], "weights": eight}}, "ignore": sorted(linear - within),
    }  # fmt: skip
    return described


def _graphs(model: Reader, folder: Path) -> None:
    import onnx

    ids = torch.zeros((1, 8), dtype=torch.long)
    file = folder / GRAPHS["float32"]
    with warnings.catch_warnings(), _looking_back(model):
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model, (ids,), file, input_names=["ids"], output_names=["outputs"], dynamo=True, verbose=False,
            dynamic_shapes={"ids": {1: torch.export.Dim("tokens", min=2, max=4096)}},
            external_data=False, optimize=False,
        )  # fmt: skip
    exported = file.read_bytes()
    for kind, name in GRAPHS.items():
        graph = _of_stored_weights(onnx.load_from_string(exported), folder / _WEIGHTS, integers=kind == "int8")
        (folder / name).write_bytes(graph.SerializeToString(deterministic=True))


def _looking_back(model: Reader) -> Any:
    """Let a causal transformer give what comes later in a text a weight that is small, but not denormal.

    What torch takes for zero is 1e-45 in ONNX Runtime, and processors are ten times as slow with that. It stays so
    where scores of attention differ too much for such a weight to be as good as none.
    """

    def look_back(backbone: Any, args: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        n = options["input_ids"].shape[1]
        return args, options | {"attention_mask": torch.full((n, n), _LATER).triu(1)[None, None]}

    if not model.causal:
        return nullcontext()
    size = model.backbone.get_input_embeddings().num_embeddings
    ids = torch.randint(size, (1, WINDOW), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact = model(ids)
        hook = model.backbone.register_forward_pre_hook(look_back, with_kwargs=True)
        if torch.allclose(model(ids), exact, rtol=0, atol=1e-4):
            return hook
    hook.remove()
    return nullcontext()


_CONSTANTS: dict[str, tuple[Any, type]] = {
    "last axis": ([-1], np.int64), "per step": (1 / 127, np.float32), "least": (1e-30, np.float32),
    "middle": (128, np.uint8), "whole": (1, np.float32), "all": ([-1], np.int64),
}  # fmt: skip


def _product(node: Any, weights: tuple[str, str], *, new: bool) -> list[Any]:
    """Return the nodes of a product with integers; if `new`, with those that round what is multiplied.

    Each token is rounded by itself, to 255 steps about zero.
    """
    from onnx import helper

    value, (matrix, scales) = node.input[0], weights
    step, flat, middles, rounded = (f"{value} {what}" for what in ("step", "steps", "middles", "rounded"))
    product = f"{node.output[0]} unscaled"
    rounding = [
        helper.make_node("Abs", [value], [f"{value} size"]),
        helper.make_node("ReduceMax", [f"{value} size", "last axis"], [f"{value} largest"], keepdims=1),
        helper.make_node("Mul", [f"{value} largest", "per step"], [f"{value} exact"]),
        helper.make_node("Max", [f"{value} exact", "least"], [step]),
        helper.make_node("Reshape", [step, "all"], [flat]),
        helper.make_node("Shape", [flat], [f"{value} tokens"]),
        helper.make_node("Expand", ["middle", f"{value} tokens"], [middles]),
        helper.make_node("QuantizeLinear", [value, flat, middles], [rounded], axis=1),
    ]
    return [
        *(rounding if new else ()),
        helper.make_node(
            "MatMulIntegerToFloat", [rounded, matrix, "whole", scales, "middle"], [product], domain="com.microsoft"
        ),
        helper.make_node("Mul", [product, step], node.output),
    ]


def _of_stored_weights(graph: Any, weights: Path, *, integers: bool) -> Any:
    """Let a graph take its weights from a safetensors file; those of eight bits are handed over when it is loaded."""
    from onnx import TensorProto, helper, numpy_helper

    with weights.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        layout = json.loads(file.read(size))
    made = {node.output[0]: node for node in graph.graph.node}
    eight = {name.removesuffix("_packed") for name in layout if name.endswith("_packed")}
    nodes: list[Any] = []
    packed: set[str] = set()
    rounded: set[str] = set()
    for node in graph.graph.node:
        turned = made.get(node.input[1]) if integers and node.op_type == "MatMul" else None
        name = turned.input[0].removeprefix("backbone.") if turned is not None and turned.op_type == "Transpose" else ""
        if name in eight:
            packed.add(name)
            nodes += _product(node, int8_names(name), new=node.input[0] not in rounded)
            rounded.add(node.input[0])
        else:
            nodes.append(node)
    for node in nodes:
        # as a quotient ONNX Runtime knows it, with what is around it, as a norm that it computes in one go
        for i, value in enumerate(node.input if node.op_type == "Mul" else ()):
            root = made.get(made[value].input[0]) if value in made and made[value].op_type == "Reciprocal" else None
            if root is not None and root.op_type == "Sqrt":
                node.op_type = "Div"
                node.input[:] = [node.input[1 - i], root.output[0]]
    used = {name for node in nodes for name in node.input}
    nodes = [node for node in nodes if used.intersection(node.output) or node.output[0] == "outputs"]
    stored, casts = [], []

    def outside(name: str, kind: int, dims: Sequence[int], **place: object) -> None:
        tensor = TensorProto(name=name, data_type=kind, dims=dims, data_location=TensorProto.EXTERNAL)
        for key, value in {"location": _WEIGHTS, **place}.items():
            tensor.external_data.add(key=key, value=str(value))
        stored.append(tensor)

    for initializer in graph.graph.initializer:
        name = initializer.name
        short = name.removeprefix("backbone.")
        place = layout.get(short.replace("heads.", HEADS_PREFIX).replace("readout.", READOUT_PREFIX))
        if short in packed:
            n, k = initializer.dims
            whole, scales = int8_names(short)
            outside(whole, TensorProto.INT8, [k, n])
            outside(scales, TensorProto.FLOAT, [n])
        elif short in eight:
            outside(name, TensorProto.FLOAT, initializer.dims)
        elif place is None:
            stored.append(initializer)
        else:
            begin, end = place["data_offsets"]
            outside(f"{name} stored", TensorProto.FLOAT16, place["shape"], offset=8 + size + begin, length=end - begin)
            reads = [i for i, node in enumerate(nodes) if name in node.input]
            if [nodes[i].op_type for i in reads] == ["Gather"]:
                # of a table only what is looked up becomes float32
                gather = nodes[reads[0]]
                cast = helper.make_node("Cast", [f"{name} found"], gather.output, to=TensorProto.FLOAT)
                gather.input[0], gather.output[0] = f"{name} stored", f"{name} found"
                nodes.insert(reads[0] + 1, cast)
            else:
                casts.append(helper.make_node("Cast", [f"{name} stored"], [name], to=TensorProto.FLOAT))
    if packed:
        stored += [numpy_helper.from_array(np.array(value, kind), name) for name, (value, kind) in _CONSTANTS.items()]
        graph.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    for field, values in ((graph.graph.initializer, stored), (graph.graph.node, [*casts, *nodes])):
        values = list(values)
        del field[:]
        field.extend(values)
    del graph.graph.value_info[:]
    del graph.metadata_props[:]
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return graph
