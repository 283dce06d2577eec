"""Random configurations of every family, for a search that is not checked in:

    python tests/golden/make_models.py --random 300 --seed 1 --out /tmp/random
    MOE_GOLDEN_MODELS=/tmp/random build/release/bin/test_models --gtest_filter='Models/*'

The same seed gives the same cases. A window of 1 is left out: transformers' cache keeps every key there (a slice from -0 on). Sizes are odd on purpose; every RoPE type, key style, tensor layout, element type and
window that a family has is drawn.
"""

from __future__ import annotations

import random

import cases_alibi
import cases_deepseek
import cases_gemma4
import cases_gpt_oss
import cases_llama_qwen
import cases_moe
import cases_phi_gemma3
from golden_case import Case

SLIDING, FULL = "sliding_attention", "full_attention"


def sizes(r: random.Random) -> dict:
    """Odd sizes; heads x head_dim is rarely the hidden size, but the classes want that to be a multiple of the heads."""
    groups = r.choice([1, 1, 2, 3, 4])
    kv = r.choice([1, 1, 2, 3])
    return dict(
        vocab_size=r.choice([97, 128, 200, 320, 503]), hidden_size=groups * kv * (-(-r.randint(20, 66) // (groups * kv))),
        intermediate_size=r.choice([20, 37, 48, 64, 90]), num_hidden_layers=r.randint(1, 4),
        num_attention_heads=groups * kv, num_key_value_heads=kv, head_dim=r.choice([8, 10, 12, 16, 18, 24, 40]),
        rms_norm_eps=r.choice([1e-5, 1e-6, 1e-3]), tie_word_embeddings=r.random() < 0.4,
        max_position_embeddings=r.choice([32, 64, 256, 512]),
    )


def divided(options: dict) -> dict:
    """The same where a family has no head_dim of its own: the hidden size is cut into heads."""
    head_dim = options.pop("head_dim")
    return dict(options, hidden_size=options["num_attention_heads"] * head_dim)


def long_rope(r: random.Random, pairs: int) -> dict:
    return dict(rope_type="longrope", short_factor=[1 + r.random() * 0.2 for _ in range(pairs)],
                long_factor=[1 + r.random() * 8 for _ in range(pairs)])


def rope(r: random.Random, types=("default", "linear", "dynamic", "llama3", "yarn"), head_dim: int = 0) -> dict:
    """`head_dim`: of a family whose class takes LongRoPE as well."""
    kind = r.choice((*types, "longrope") if head_dim else types)
    out = dict(rope_type=kind, rope_theta=r.choice([1000.0, 10000.0, 150000.0, 1e6]))
    if kind in ("linear", "dynamic"):
        out.update(factor=r.choice([2.0, 3.5, 8.0]))
    if kind == "llama3":
        out.update(factor=r.choice([2.0, 8.0, 32.0]), low_freq_factor=1.0, high_freq_factor=r.choice([2.0, 4.0]),
                   original_max_position_embeddings=r.choice([16, 31]))
    if kind == "longrope":
        out.update(long_rope(r, head_dim // 2), original_max_position_embeddings=r.choice([16, 31, 50]))
    if kind == "yarn":
        out.update(factor=r.choice([2.0, 4.0, 16.0]), original_max_position_embeddings=r.choice([16, 31, 64]))
        for key, values in dict(beta_fast=[8.0, 32.0], beta_slow=[1.0, 2.0], attention_factor=[0.8, 1.3], truncate=[True, False],
                                mscale=[0.707, 1.0], mscale_all_dim=[0.5, 0.707, 1.0]).items():
            if r.random() < 0.35:
                out[key] = r.choice(values)
    return out


def layer_kinds(r: random.Random, layers: int) -> list[str]:
    return [r.choice([SLIDING, FULL]) for _ in range(layers)]


def experts(r: random.Random, count_key: str = "num_experts") -> dict:
    count = r.choice([2, 3, 5, 8, 17])
    return {count_key: count, "num_experts_per_tok": r.randint(1, count)}


def windowed(r: random.Random) -> dict:
    return dict(use_sliding_window=True, sliding_window=r.choice([2, 7, 16, 33]), max_window_layers=r.randint(0, 3)) if r.random() < 0.5 else {}


def llama(r):
    s = sizes(r)
    return cases_llama_qwen.llama(**s, rope_parameters=rope(r, head_dim=s["head_dim"]), attention_bias=r.random() < 0.3, mlp_bias=r.random() < 0.3), {}


def qwen2(r):
    return cases_moe.qwen2(**divided(sizes(r)), rope_parameters=rope(r), **windowed(r)), {}


def qwen3(r):
    s = sizes(r)
    return cases_llama_qwen.qwen3(**s, rope_parameters=rope(r, head_dim=s["head_dim"]), attention_bias=r.random() < 0.3, **windowed(r)), {}


def qwen3_moe(r):
    s = sizes(r)
    step = r.choice([1, 1, 2])
    window = windowed(r)
    window.pop("max_window_layers", None)
    return cases_llama_qwen.qwen3_moe(
        **s, **experts(r), **window, rope_parameters=rope(r), moe_intermediate_size=r.choice([7, 16, 24]), decoder_sparse_step=step,
        mlp_only_layers=[0] if r.random() < 0.3 else [], norm_topk_prob=r.random() < 0.5, attention_bias=r.random() < 0.3), {}


def qwen2_moe(r):
    return cases_moe.qwen2_moe(
        **divided(sizes(r)), **experts(r), **windowed(r), rope_parameters=rope(r), moe_intermediate_size=r.choice([7, 16, 24]),
        shared_expert_intermediate_size=r.choice([9, 32]), norm_topk_prob=r.random() < 0.5, qkv_bias=r.random() < 0.7,
        decoder_sparse_step=r.choice([1, 1, 2]), mlp_only_layers=[0] if r.random() < 0.3 else []), \
        dict(init={"shared_expert_gate": cases_moe.normal(0.3)})


def mixtral(r):
    s = sizes(r)
    return cases_moe.mixtral(**s, **experts(r, "num_local_experts"), rope_parameters=rope(r),
                             sliding_window=r.choice([None, 2, 6, 20])), {}


def olmoe(r):
    return cases_moe.olmoe(**divided(sizes(r)), **experts(r), rope_parameters=rope(r), clip_qkv=r.choice([None, None, 0.9]),
                           norm_topk_prob=r.random() < 0.5, attention_bias=r.random() < 0.3), {}


def phi3(r):
    s = divided(sizes(r))
    head_dim = s["hidden_size"] // s["num_attention_heads"]
    partial = r.choice([1.0, 0.75, 0.5, 0.4])
    rotary = dict(rope_type="default", rope_theta=r.choice([10000.0, 250000.0]), partial_rotary_factor=partial)
    if r.random() < 0.6 and int(head_dim * partial) % 2 == 0:
        pairs = int(head_dim * partial) // 2
        s.update(original_max_position_embeddings=r.choice([16, 32, 50]), max_position_embeddings=r.choice([128, 512]))
        rotary.update(long_rope(r, pairs))
        if r.random() < 0.3:
            rotary.update(factor=4.0)
    return cases_phi_gemma3.phi3(**s, rope_parameters=rotary, sliding_window=r.choice([None, None, 9])), {}


def gemma3(r):
    s = sizes(r)
    kinds = layer_kinds(r, s["num_hidden_layers"])
    tables = {SLIDING: rope(r, ("default",)), FULL: rope(r, ("default", "linear", "llama3", "yarn"))}
    tables[FULL].pop("truncate", None)
    config = cases_phi_gemma3.gemma3(
        **s, layer_types=kinds, rope_parameters=tables, sliding_window=r.choice([2, 5, 16, 40]), attention_bias=r.random() < 0.3,
        query_pre_attn_scalar=r.choice([8, 16, 30]), final_logit_softcapping=r.choice([None, 20.0]))
    return config, dict(init={**cases_phi_gemma3.GEMMA3_INIT, "lm_head": cases_phi_gemma3.normal(0.08)}, nested_rope=True)


def gemma4(r):
    s = sizes(r)
    s["num_hidden_layers"] = layers = r.randint(2, 6)
    kinds = layer_kinds(r, layers - 1) + [FULL]
    width = r.choice([0, 6, 16])
    shared = 0
    if width and len(set(kinds[: layers // 2 + 1])) == 2:
        shared = layers - (layers // 2 + 1)
    options = dict(s, layer_types=kinds, global_head_dim=r.choice([8, 16, 32]), sliding_window=r.choice([2, 5, 16, 40]),
                   hidden_size_per_layer_input=width, vocab_size_per_layer_input=s["vocab_size"], num_kv_shared_layers=shared,
                   use_double_wide_mlp=r.random() < 0.5, final_logit_softcapping=r.choice([None, 15.0]), attention_bias=r.random() < 0.2)
    if r.random() < 0.4:
        options.update(attention_k_eq_v=True, num_global_key_value_heads=1)
    if r.random() < 0.5:
        count = r.choice([2, 5, 9])
        options.update(enable_moe_block=True, num_experts=count, top_k_experts=r.randint(1, count), moe_intermediate_size=r.choice([7, 20]))
    # Gentle q/k norms: scores are not scaled, and deep random models magnify rounding.
    init = {"q_norm": cases_gemma4.uniform(0.3, 0.8), "k_norm": cases_gemma4.uniform(0.3, 0.8), **cases_gemma4.INIT,
            "lm_head": cases_gemma4.normal(0.08)}
    return cases_gemma4.gemma4(**options), dict(init=init, attention=cases_gemma4.attention, nested_rope=True,
                                                last_row_correction=cases_gemma4.unneeded_projections)


def latent_sizes(r, ranks=(9, 20), plain=(5, 12)) -> dict:
    s = sizes(r)
    for key in ("head_dim", "num_key_value_heads"):
        s.pop(key)
    return dict(s, q_lora_rank=r.choice([None, 15, 24]), kv_lora_rank=r.choice(ranks), qk_nope_head_dim=r.choice(plain),
                qk_rope_head_dim=r.choice([4, 8, 14]), v_head_dim=r.choice([7, 10, 16]), n_shared_experts=r.choice([1, 2]),
                first_k_dense_replace=r.randint(0, 2), moe_intermediate_size=r.choice([7, 20]), attention_bias=r.random() < 0.3,
                rope_parameters=rope(r, ("default", "yarn")))


def groups(r, at_least: int) -> dict:
    count, size = r.choice([1, 2, 3, 4]), r.choice([at_least, 3, 4])
    kept = r.randint(1, count)
    return dict(n_routed_experts=count * size, n_group=count, topk_group=kept, num_experts_per_tok=r.randint(1, kept * size),
                routed_scaling_factor=r.choice([1.0, 1.7, 2.5]), norm_topk_prob=r.random() < 0.5)


def deepseek_v2(r):
    # transformers' V2 reads what it rotates as complex numbers, behind an even number of others.
    return cases_deepseek.v2(**latent_sizes(r, (10, 20), (6, 12)), **groups(r, 1), topk_method=r.choice(["greedy", "group_limited_greedy"])), \
        dict(attention=cases_deepseek.attention, decode_correction=cases_deepseek.expansion_of_old_latents)


def deepseek_v3(r):
    return cases_deepseek.v3(**latent_sizes(r), **groups(r, 2), rope_interleave=r.random() < 0.7), \
        dict(attention=cases_deepseek.attention, decode_correction=cases_deepseek.expansion_of_old_latents,
             init={"correction_bias": cases_deepseek.normal(0.4)})


def gpt_oss(r):
    s = sizes(r)
    fp4 = r.random() < 0.4
    if fp4:
        s.update(hidden_size=r.choice([32, 64, 96]), intermediate_size=r.choice([32, 64]))
    config = cases_gpt_oss.gpt_oss(
        **s, **experts(r, "num_local_experts"), rope_parameters=rope(r), sliding_window=r.choice([2, 8, 20]),
        layer_types=layer_kinds(r, s["num_hidden_layers"]), attention_bias=r.random() < 0.7, swiglu_limit=r.choice([0.9, 7.0]))
    extra = dict(init={"gate_up_proj_bias": cases_gpt_oss.normal(1.0)})
    if fp4:
        extra.update(edit_config=cases_gpt_oss.mxfp4_config, edit_tensors=cases_gpt_oss.mxfp4_tensors)
    return config, extra


def moe_alibi(r):
    s = sizes(r)
    reference = cases_alibi.AlibiMoeForCausalLM
    config = cases_alibi.alibi(**s, **experts(r), moe_intermediate_size=r.choice([7, 16]), first_k_dense_replace=r.randint(0, 2),
                               shared_expert_intermediate_size=r.choice([None, 9, 32]), norm_topk_prob=r.random() < 0.5)
    return config, dict(model_class=reference, reference=lambda case, directory: reference.from_directory(directory))


FAMILIES = (llama, qwen2, qwen3, qwen3_moe, qwen2_moe, mixtral, olmoe, phi3, gemma3, gemma4, deepseek_v2, deepseek_v3, gpt_oss, moe_alibi)
WITH_EXPERT_TENSORS = (qwen3_moe, qwen2_moe, mixtral, olmoe, deepseek_v2, deepseek_v3)


def edge_of(config) -> int:
    """A length at which something changes: a window is full, LongRoPE takes its other factors."""
    rotation = getattr(config, "rope_parameters", None) or {}
    if rotation.get("rope_type") == "longrope":
        return rotation["original_max_position_embeddings"]
    return getattr(config, "sliding_window", None) or 12


def random_cases(count: int, seed: int, family: str = "") -> list[Case]:
    chosen = [make for make in FAMILIES if family in ("", make.__name__)]
    cases = []
    for index in range(count):
        r = random.Random(f"{seed} {index}")
        make = chosen[index % len(chosen)]
        config, extra = make(r)
        nested = extra.pop("nested_rope", False)
        edge = edge_of(config)
        prompts = sorted({1, max(1, edge - 1), edge, edge + 1, r.randint(2, 70)})
        cases.append(Case(
            f"{make.__name__}-{seed}-{index}", config, r.choice(["F32", "F16", "BF16"]), prompts=tuple(prompts),
            distinct=1, greedy=(0, r.randrange(len(prompts))), v4_keys=not nested and make is not moe_alibi and r.random() < 0.5,
            packed_experts=make in WITH_EXPERT_TENSORS and r.random() < 0.4, shard_bytes=r.choice([None, None, 50_000]) if "edit_tensors" not in extra and make is not moe_alibi else None,
            **extra))
    return cases
