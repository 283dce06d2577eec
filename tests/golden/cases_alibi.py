"""Golden cases of our own moe_alibi family; the reference is alibi_moe.py."""

from __future__ import annotations

from alibi_moe import AlibiMoeConfig, AlibiMoeForCausalLM
from golden_case import Case


def alibi(**options) -> AlibiMoeConfig:
    settings = dict(
        vocab_size=320, hidden_size=48, intermediate_size=80, num_hidden_layers=3, num_attention_heads=4, head_dim=12,
        num_experts=8, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=32,
        max_position_embeddings=512, bos_token_id=1, eos_token_id=2,
    )
    return AlibiMoeConfig(**{**settings, **options})


def without(*keys: str):
    def edit(config: dict) -> None:
        for key in keys:
            config.pop(key, None)

    return edit


def cases() -> list[Case]:
    common = dict(model_class=AlibiMoeForCausalLM, reference=lambda case, directory: AlibiMoeForCausalLM.from_directory(directory))
    return [
        Case("moe_alibi-f32", alibi(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4),
             note="four heads, raw top-2 weights, dense first layer, shared expert", **common),
        Case("moe_alibi-six-heads", alibi(num_attention_heads=6, head_dim=24, hidden_size=40, vocab_size=503, tie_word_embeddings=True,
             num_experts_per_tok=3), prompts=(1, 2, 17, 127), greedy=(2, 3),
             note="a number of heads that is no power of two, heads x size != hidden, tied", **common),
        Case("moe_alibi-grouped-normalised", alibi(num_attention_heads=12, num_key_value_heads=3, head_dim=8, norm_topk_prob=True,
             first_k_dense_replace=2, num_hidden_layers=4, num_experts=5, num_experts_per_tok=5), "F16", prompts=(2, 33), greedy=(1,),
             note="twelve heads in three groups, two dense layers, k = E, renormalised", **common),
        Case("moe_alibi-defaults", alibi(shared_expert_intermediate_size=None, num_experts_per_tok=1, num_key_value_heads=None),
             edit_config=without("first_k_dense_replace", "norm_topk_prob", "rms_norm_eps", "tie_word_embeddings",
                                 "shared_expert_intermediate_size", "num_key_value_heads", "head_dim"),
             prompts=(1, 17, 64), greedy=(1, 2), note="keys left out, no shared expert, one expert a token", **common),
    ]
