"""Runs a reference model over a case's prompts and writes what the engine must reproduce.

Files beside the checkpoint:
  golden.json   prompts, greedy tokens, class A work, parameters, which rows and columns the arrays hold
  rows.npy      [stored rows, vocab] float32: whole logit rows at chosen prompt positions
  columns.npy   [all prompt positions, then all greedy steps; len(columns)] float32: a few ids' logits at every position
"""

from __future__ import annotations

import json
import os

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from golden_case import Case, grouped_attention

GREEDY_STEPS = 64
COLUMNS = 8
MIN_GREEDY_GAP = 2.5e-4  # of the logits' range: more than twice the tolerance of the comparison
MIN_ROUTER_GAP = 3e-5  # of the largest score


def good_enough(case: Case, quality: dict) -> bool:
    """Whether no choice of a checkpoint is so close that rounding could turn it."""
    return (
        quality["greedy_gap"] >= MIN_GREEDY_GAP
        and quality["router_gap"] >= MIN_ROUTER_GAP
        and quality["distinct"] >= case.distinct
    )


class TopkGap(TorchFunctionMode):
    """Smallest relative distance between the last chosen and the first dropped value of any top-k."""

    def __init__(self):
        super().__init__()
        self.gap = float("inf")

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func in (torch.topk, torch.Tensor.topk):
            values = args[0]
            k = args[1] if len(args) > 1 else kwargs["k"]
            if k < values.shape[-1] and values.is_floating_point():
                best = values.detach().sort(dim=-1, descending=True).values
                distance = (best[..., k - 1] - best[..., k]) / best[..., 0].abs().clamp_min(1e-30)
                distance = distance[torch.isfinite(distance)]
                if distance.numel():
                    self.gap = min(self.gap, distance.min().item())
        return func(*args, **kwargs)


def stored_rows(length: int) -> list[int]:
    """Positions of a prompt whose whole logit rows are kept."""
    if length <= 4:
        return list(range(length))
    return sorted({0, 1, length // 2, length - 2, length - 1})


def spread(rows: list[torch.Tensor]) -> float:
    """Distance between the largest and the smallest of all logits."""
    return max(part.max().item() for part in rows) - min(part.min().item() for part in rows)


def make_prompts(case: Case, vocab: int, seed: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1000 + seed)
    return [torch.randint(0, vocab, (length,), generator=generator).tolist() for length in case.prompts]


def forget_lengths(model) -> None:
    """Dynamic RoPE modules remember the longest sequence they saw; every run here starts as in a fresh process."""
    for module in model.modules():
        if getattr(module, "rope_type", None) == "dynamic":
            module.max_seq_len_cached = module.original_max_seq_len
            module.inv_freq = module.original_inv_freq.clone()


@torch.no_grad()
def forward(model, ids: list[int], **options):
    forget_lengths(model)
    return model(input_ids=torch.tensor([ids]), **options)


def crosses_at(config) -> int | None:
    """The length behind which Phi computes everything again, with LongRoPE's other frequencies."""
    rope = getattr(config, "rope_parameters", None) or {}
    return config.original_max_position_embeddings if config.model_type == "phi3" and rope.get("rope_type") == "longrope" else None


@torch.no_grad()
def prefill_class_a(model, case: Case, config, ids: list[int], last_row: bool) -> int:
    with FlopCounterMode(display=False) as counter:
        forward(model, ids, use_cache=False, **({"logits_to_keep": 1} if last_row else {}))
    count = counter.get_total_flops()
    for layer in (case.attention or grouped_attention)(config):
        count -= 2 * layer.heads * layer.sizes * layer.hidden_pairs(len(ids), last_row)
    if last_row and case.last_row_correction:
        count += case.last_row_correction(config, len(ids))
    return count


@torch.no_grad()
def class_a(model, case: Case, config, ids: list[int]) -> dict[str, int]:
    """Class A work of a prefill (all rows; last row only) and of the first decode step behind it.

    torch counts the whole square of query-key pairs; the pairs that the mask hides are taken off.
    """
    length = len(ids)
    counts = {"prefill_all_rows": prefill_class_a(model, case, config, ids, last_row=False),
              "prefill_last_row": prefill_class_a(model, case, config, ids, last_row=True)}
    if length == crosses_at(config):  # LongRoPE computes everything again in this step
        counts["decode_step"] = prefill_class_a(model, case, config, ids + ids[:1], last_row=True)
        return counts
    cache = forward(model, ids, use_cache=True).past_key_values
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.tensor([[ids[0]]]), past_key_values=cache, use_cache=True)
    counts["decode_step"] = counter.get_total_flops()
    if case.decode_correction:
        counts["decode_step"] += case.decode_correction(config, length)
    return counts


@torch.no_grad()
def greedy(model, ids: list[int]) -> tuple[list[int], torch.Tensor]:
    """64 greedy tokens after a prompt, as generate() gives them, and the logits [64, vocab] that chose them."""
    forget_lengths(model)
    out = model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=GREEDY_STEPS,
        min_new_tokens=GREEDY_STEPS,
        eos_token_id=None,
        pad_token_id=0,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return out.sequences[0, len(ids):].tolist(), torch.cat(out.logits).float()


def run(case: Case, model, config, directory: str, seed: int, versions: dict) -> dict:
    """Computes and writes the expectations, unless some choice is too close; returns figures about that."""
    vocab = config.vocab_size
    columns = sorted(torch.randperm(vocab, generator=torch.Generator().manual_seed(7))[: COLUMNS - 2].tolist() + [0, vocab - 1])
    prompts, rows, selected, steps, distances = [], [], [], [], []
    quality = {"greedy_gap": float("inf"), "router_gap": float("inf"), "distinct": GREEDY_STEPS, "range": 0.0}
    with TopkGap() as topk:
        for index, ids in enumerate(make_prompts(case, vocab, seed)):
            logits = forward(model, ids, use_cache=False).logits[0].float()
            if not torch.isfinite(logits).all():
                raise ValueError(f"{case.name}: logits are not finite")
            kept = stored_rows(len(ids))
            rows.append(logits[kept])
            selected.append(logits[:, columns])
            prompts.append({"ids": ids, "rows": kept})
            quality["range"] = spread(rows)
            if index in case.greedy:
                prompts[-1]["greedy"], chosen_by = greedy(model, ids)
                steps.append(chosen_by[:, columns])
                best = chosen_by.sort(dim=-1, descending=True).values
                distances.append((best[:, 0] - best[:, 1]).min().item())
                quality["distinct"] = min(quality["distinct"], len(set(prompts[-1]["greedy"])))
            quality["router_gap"] = topk.gap
            quality["greedy_gap"] = min(distances, default=float("inf")) / quality["range"]
            if not good_enough(case, quality):
                return quality
    for prompt in prompts:
        prompt["class_a"] = class_a(model, case, config, prompt["ids"])
    selected += steps
    all_rows = torch.cat(rows)
    logit_range = quality["range"]

    golden = {
        "case": case.name,
        "family": config.model_type,
        "dtype": case.dtype,
        "note": case.note,
        "reference": versions,
        "vocab": vocab,
        "parameters": count_parameters(model),
        "logit_range": logit_range,
        "columns": columns,
        "prompts": prompts,
    }
    np.save(os.path.join(directory, "rows.npy"), all_rows.numpy().astype("<f4"))
    np.save(os.path.join(directory, "columns.npy"), torch.cat(selected).numpy().astype("<f4"))
    with open(os.path.join(directory, "golden.json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")
    return quality


def count_parameters(model) -> int:
    """Parameters of the text model, each counted once, with those that torch keeps as buffers."""
    skipped = ("vision_tower", "audio_tower", "embed_vision", "embed_audio", "multi_modal_projector")
    total = sum(
        parameter.numel() for name, parameter in model.named_parameters() if not any(part in name for part in skipped)
    )
    kept = set(model.state_dict().keys())
    total += sum(b.numel() for name, b in model.named_buffers() if name in kept and name.endswith(("correction_bias", "layer_scalar")))
    return total
