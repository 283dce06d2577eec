"""What a golden case is: a tiny model, how its checkpoint is written, and which prompts it answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

import torch

DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


@dataclass
class AttentionLayer:
    """One layer's share of class A attention work: heads x (key + value size), and its window (None: full)."""

    heads: int
    sizes: int
    window: int | None = None
    last_row_only: bool = False  # a last-row prefill sends just one query through it (Gemma 4's shared layers)

    def hidden_pairs(self, length: int, last_row: bool) -> int:
        """Query-key pairs that eager attention multiplies although the mask hides them."""
        window = self.window or length
        first = length - 1 if last_row and self.last_row_only else 0
        return sum(length - min(position + 1, window) for position in range(first, length))


@dataclass
class Case:
    """A checkpoint directory to build. Names read FAMILY-what-is-special."""

    name: str
    config: object  # a transformers configuration (or, for our own family, a dict)
    dtype: str = "BF16"
    prompts: tuple[int, ...] = (1, 2, 17, 33)  # prompt lengths
    greedy: tuple[int, ...] = (2,)  # which of them are continued for 64 tokens
    v4_keys: bool = False  # rewrite config.json in the key style of transformers 4
    packed_experts: bool = False
    shard_bytes: int | None = None  # split into several files of at most this size, with an index
    edit_config: Callable[[dict], None] | None = None  # changes config.json after it was written
    edit_tensors: Callable[[dict], dict] | None = None  # changes the stored tensors before they are written
    init: dict[str, Callable] = field(default_factory=dict)  # name part -> function(tensor, generator)
    distinct: int = 12  # different tokens among 64 greedy ones, at least
    gain: float = 1.0  # on what layers write into the residual stream
    model_class: object = None  # default: transformers' AutoModelForCausalLM
    attention: Callable[[object], list[AttentionLayer]] | None = None  # default: grouped_attention
    # Added to torch's count of a last-row prefill, where it does work there that nobody needs: (config, length).
    last_row_correction: Callable[[object, int], int] | None = None
    # The same for a decode step that follows `length` tokens.
    decode_correction: Callable[[object, int], int] | None = None
    # Builds the fp32 model that answers from the stored tensors, where transformers cannot read the file itself.
    reference: Callable[[object, str], object] | None = None
    note: str = ""


def grouped_attention(config) -> list[AttentionLayer]:
    """Layers of a model with ordinary heads; layer_types and sliding_window as transformers 5 resolves them."""
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    types = getattr(config, "layer_types", None)
    window = getattr(config, "sliding_window", None)
    if types is None:
        types = ["sliding_attention" if window else "full_attention"] * config.num_hidden_layers
    return [
        AttentionLayer(heads, 2 * size, window if kind == "sliding_attention" else None) for kind in types
    ]


def to_v4_keys(config: dict) -> None:
    """Rewrites a transformers 5 config.json in place as transformers 4 wrote it (flat RoPE dictionaries only)."""
    rope = dict(config.pop("rope_parameters", None) or {})
    if "rope_theta" in rope:
        config["rope_theta"] = rope.pop("rope_theta")
    if "partial_rotary_factor" in rope:
        config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    kind = rope.pop("rope_type", "default")
    rope.pop("type", None)
    config["rope_scaling"] = None if kind == "default" else {"rope_type": kind, **rope}
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.46.0"
