"""Random weights for golden models, scaled so that logits spread over many units and routers choose clearly."""

from __future__ import annotations

import math

import torch

NORM_NAMES = ("norm.weight", "norm_1.weight", "norm_2.weight", "layernorm.weight")


def _normal(tensor: torch.Tensor, std: float, generator: torch.Generator) -> None:
    tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)


def _uniform(tensor: torch.Tensor, low: float, high: float, generator: torch.Generator) -> None:
    tensor.copy_(torch.rand(tensor.shape, generator=generator) * (high - low) + low)


def uniform(low: float, high: float):
    return lambda tensor, generator: _uniform(tensor, low, high, generator)


def normal(std: float):
    return lambda tensor, generator: _normal(tensor, std, generator)


def _is_norm(name: str) -> bool:
    parent = name.rsplit(".", 2)[-2] if name.count(".") >= 1 else ""
    return name.endswith(".weight") and ("norm" in parent)


@torch.no_grad()
def randomise(model: torch.nn.Module, seed: int, tied: bool, gain: float = 1.0, special: dict | None = None) -> None:
    """Fills every parameter (and every persistent float buffer) of `model` from `seed`.

    `special` maps parts of names to functions (tensor, generator) that override the rules below.
    """
    generator = torch.Generator().manual_seed(seed)
    special = special or {}
    state = {**dict(model.named_parameters()), **_persistent_buffers(model)}
    for name in sorted(state):
        tensor = state[name]
        override = next((rule for part, rule in special.items() if part in name), None)
        if override is not None:
            override(tensor, generator)
        elif _is_norm(name):
            _uniform(tensor, 0.6, 1.6, generator)
        elif "embed_tokens" in name:
            _normal(tensor, 3.0 / math.sqrt(tensor.shape[1]) if tied else 1.0, generator)
        elif "lm_head" in name:
            _normal(tensor, 3.0 / math.sqrt(tensor.shape[1]), generator)
        elif name.endswith("bias") or name.endswith("_proj_bias") or "correction_bias" in name:
            _normal(tensor, 0.3, generator)
        elif name.endswith("sinks"):
            _normal(tensor, 1.0, generator)
        elif "gate.weight" in name or "router" in name:
            _normal(tensor, 2.0 / math.sqrt(tensor.shape[-1]), generator)
        else:
            _normal(tensor, _projection_std(name, tensor, gain), generator)


def _projection_std(name: str, tensor: torch.Tensor, gain: float) -> float:
    inputs = tensor.shape[-1]
    if "experts.gate_up_proj" in name or "experts.down_proj" in name:
        # Packed experts: gpt-oss alone stores [experts, inputs, outputs]; its modules say so by the name's owner,
        # but either choice of fan-in only changes the scale, so the smaller of the two errs on the large side.
        inputs = min(tensor.shape[-1], tensor.shape[-2]) if tensor.dim() == 3 else inputs
    scale = 1.0
    if any(part in name for part in ("o_proj", "down_proj")):
        scale = 1.5 * gain
    elif any(part in name for part in ("q_proj", "k_proj", "qkv_proj", "q_b_proj", "kv_b_proj")):
        scale = 1.4
    return scale / math.sqrt(inputs)


def _persistent_buffers(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    kept = set(model.state_dict().keys())
    return {name: buffer for name, buffer in model.named_buffers() if name in kept and buffer.is_floating_point()}
