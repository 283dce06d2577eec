"""Golden cases of Mixtral, OLMoE, Qwen2 and Qwen2-MoE."""

from __future__ import annotations

from transformers import MixtralConfig, OlmoeConfig, Qwen2Config, Qwen2MoeConfig

from golden_case import Case
from golden_weights import normal

BASE = dict(
    vocab_size=320, hidden_size=48, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=512,
    bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False,
)


def mixtral(**options) -> MixtralConfig:
    settings = dict(BASE, intermediate_size=24, num_key_value_heads=2, num_local_experts=6, num_experts_per_tok=2)
    return MixtralConfig(**{**settings, **options})


def olmoe(**options) -> OlmoeConfig:
    settings = dict(BASE, intermediate_size=20, num_key_value_heads=4, num_experts=8, num_experts_per_tok=3)
    return OlmoeConfig(**{**settings, **options})


def qwen2(**options) -> Qwen2Config:
    settings = dict(BASE, intermediate_size=80, num_key_value_heads=2)
    return Qwen2Config(**{**settings, **options})


def qwen2_moe(**options) -> Qwen2MoeConfig:
    settings = dict(BASE, intermediate_size=60, moe_intermediate_size=20, shared_expert_intermediate_size=36,
                    num_key_value_heads=4, num_experts=6, num_experts_per_tok=3)
    return Qwen2MoeConfig(**{**settings, **options})


def without(*keys: str):
    def edit(config: dict) -> None:
        for key in keys:
            config.pop(key, None)

    return edit


def cases() -> list[Case]:
    shared_gate = {"shared_expert_gate": normal(0.3)}
    return [
        Case("mixtral-f32", mixtral(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4), note="block_sparse_moe names"),
        Case("mixtral-v4-bf16", mixtral(num_local_experts=8, num_experts_per_tok=3), v4_keys=True, prompts=(1, 2, 17, 127),
             edit_config=without("rope_theta", "rms_norm_eps", "head_dim"), greedy=(2, 3),
             note="class defaults of theta and epsilon"),
        Case("mixtral-packed", mixtral(head_dim=24, num_attention_heads=3, num_key_value_heads=1, hidden_size=42, vocab_size=1003,
             tie_word_embeddings=True), packed_experts=True, prompts=(1, 2, 17, 33), greedy=(2,),
             note="packed experts and mlp.gate, odd sizes, tied"),
        Case("mixtral-window-one", mixtral(sliding_window=10, num_experts_per_tok=1), "F16", v4_keys=True,
             prompts=(1, 9, 10, 11, 64), greedy=(0, 2, 4), note="a window on every layer; one expert a token has weight one"),
        Case("mixtral-many-experts", mixtral(num_local_experts=96, num_experts_per_tok=12, intermediate_size=4, num_hidden_layers=2),
             note="96 experts, 12 chosen"),
        Case("olmoe-f32", olmoe(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4),
             note="q/k norms over whole projections, raw weights"),
        Case("olmoe-clip-bf16", olmoe(clip_qkv=1.1, num_key_value_heads=2, num_experts_per_tok=8), v4_keys=True,
             prompts=(1, 2, 17, 64), greedy=(2, 3), note="clip_qkv that bites, grouped kv heads, k = E"),
        Case("olmoe-normalised-biases", olmoe(norm_topk_prob=True, attention_bias=True, tie_word_embeddings=True), "F16",
             note="weights renormalised, biases before the norms, tied"),
        Case("olmoe-packed", olmoe(num_experts=16, num_experts_per_tok=4, intermediate_size=12, vocab_size=503), packed_experts=True,
             prompts=(2, 33), greedy=(1,), note="packed experts"),
        Case("qwen2-f32", qwen2(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4), note="biases on q, k and v"),
        Case("qwen2-tied-v4", qwen2(tie_word_embeddings=True, vocab_size=503), v4_keys=True, prompts=(1, 2, 17, 127), greedy=(2, 3),
             edit_config=without("layer_types"), note="tied, v4 keys; the window's flag is off"),
        Case("qwen2-window-v4", qwen2(use_sliding_window=True, sliding_window=12, max_window_layers=1, num_hidden_layers=3), "F16",
             v4_keys=True, edit_config=without("layer_types"), prompts=(1, 11, 12, 13, 64), greedy=(0, 2, 4),
             note="layers from max_window_layers on slide"),
        Case("qwen2_moe-f32", qwen2_moe(), "F32", prompts=(1, 2, 17, 33, 300), greedy=(0, 2, 4), init=shared_gate,
             note="gated shared expert, biases, raw weights"),
        Case("qwen2_moe-dense-layers-v4", qwen2_moe(num_hidden_layers=4, mlp_only_layers=[1], decoder_sparse_step=2, norm_topk_prob=True,
             num_key_value_heads=2), v4_keys=True, edit_config=without("qkv_bias", "layer_types"), prompts=(1, 2, 17, 64),
             greedy=(2, 3), init=shared_gate, note="dense layers without a shared expert, class default of qkv_bias"),
        Case("qwen2_moe-no-bias-packed", qwen2_moe(qkv_bias=False, num_experts_per_tok=6), "F16", packed_experts=True,
             init=shared_gate, note="qkv_bias false, packed, k = E"),
        Case("qwen2_moe-window", qwen2_moe(use_sliding_window=True, sliding_window=8, max_window_layers=3, num_hidden_layers=4),
             prompts=(1, 7, 8, 9, 33), greedy=(0, 2, 4), init=shared_gate, note="even layers below max_window_layers slide"),
    ]
