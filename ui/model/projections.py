"""The usual names of a model's projections, and what each does in a layer."""

from __future__ import annotations

from engine.model.info import LinearModule

OUTSIDE = (-1,)  # the layers of a module that stands outside them
# Names, in lower case, of what writes the output of attention and of the feed-forward block.
ATTENTION_OUTPUTS = {
    "o_proj", "out_proj", "out_lin", "dense", "c_proj", "wo", "o", "o_attn", "output",
    "out_project", "to_out",
}  # fmt: skip
MLP_OUTPUTS = {
    "down_proj", "c_proj", "fc2", "lin2", "dense_4h_to_h", "wo", "ffn_output", "w2", "fc_out",
    "linear2",
}  # fmt: skip
FUSED = "query, key, value in one"
PROJECTION_WORDS = {
    "q": "query", "k": "key", "v": "value", "o": "output", "query": "query", "key": "key",
    "value": "value", "out": "output", "gate": "gate", "up": "up", "down": "down",
    "gate_up": "gate and up in one", "qkv": FUSED, "query_key_value": FUSED, "wqkv": FUSED,
    "c_attn": FUSED, "dense_h_to_4h": "up", "dense_4h_to_h": "down", "c_fc": "up", "fc1": "up",
    "fc2": "down", "lin1": "up", "lin2": "down", "wi": "gate and up in one", "ffn": "up",
    "ffn_output": "down",
}  # fmt: skip


def projection_word(module: LinearModule) -> str:
    """What a projection does, in a word; empty where its name does not say."""
    stem = module.name.lower()
    if stem in ("dense", "c_proj", "wo"):
        return _output_word(module)
    for end in ("_proj", "_lin"):
        stem = stem.removesuffix(end)
    return PROJECTION_WORDS.get(stem, "")


def _output_word(module: LinearModule) -> str:
    """For names that attention and feed-forward blocks share."""
    if module.layers == OUTSIDE:  # of a pooler, say
        return ""
    if module.part == "attention":
        return "output"
    return "down" if module.ins > module.outs else "up"


def writes_block_output(module: LinearModule) -> bool:
    """Whether a projection comes last in its block: attention or feed-forward."""
    name = module.name.lower()
    if module.part == "attention":
        return name in ATTENTION_OUTPUTS or ".output." in module.path
    return module.ins > module.outs or (module.ins == module.outs and name in MLP_OUTPUTS)
