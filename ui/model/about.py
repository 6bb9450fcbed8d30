"""What a base model is, as the page shows it: figures, its parts and their shares. Pure functions."""

from __future__ import annotations

from engine.model.hub import ModelOrigin
from engine.model.info import ModelInfo
from engine.text import format_count, format_hub_bytes, format_large_number, format_share
from ui.text import card, escape_html, line, tile_strip

PART_NAMES = {  # as engine.work.model.describe names them -> as people call them, in the order of the bar
    "attention": "Attention",
    "mlp": "Feed-forward (MLP)",
    "experts": "Experts",
    "router": "Router",
    "embeddings": "Embeddings",
    "output head": "Output head",
    "norms": "Norms",
    "other": "Other",
}
BYTES_PER_WEIGHT = {"float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1}


def model_cards(info: ModelInfo, origin: ModelOrigin | None = None) -> str:
    """All there is to know of a base model before training."""
    return (
        card(info.name, line(_task_text(info)), _trait_list(info, origin))
        + tile_strip(_size_tiles(info))
        + _parts_card(info)
    )


def _task_text(info: ModelInfo) -> str:
    if not info.writes:
        return f"It can learn to choose labels. It cannot write: it is an encoder (family {info.model_type})."
    also = ", and can learn to choose labels" if "classify" in info.tasks else ""
    return f"It writes texts and answers{also}. It is a causal language model (family {info.model_type})."


def _trait_list(info: ModelInfo, origin: ModelOrigin | None) -> str:
    found = [
        ("Attention", _attention_text(info)),
        ("Chat", _template_text(info)),
        ("Embeddings", _embeddings_text(info)),
    ]
    if info.experts:
        found.insert(
            1,
            (
                "Experts",
                f"{info.experts} in each layer, {info.experts_active or 'some'} for each token",
            ),
        )
    if origin:
        found.append(
            ("From", f"Hugging Face Hub, licence {origin.licence}, fetched {origin.date[:10]}")
        )
    rows = "".join(
        f"<div><dt>{escape_html(name)}</dt><dd>{escape_html(text)}</dd></div>"
        for name, text in found
    )
    return f'<dl class="facts traits">{rows}</dl>'


def _attention_text(info: ModelInfo) -> str:
    if info.kv_heads == info.heads:
        return f"{info.heads} heads"
    return f"{info.heads} heads share {info.kv_heads} for keys and values (grouped-query attention)"


def _template_text(info: ModelInfo) -> str:
    if not info.writes:
        return "none; it reads texts as they are"
    if info.has_template:
        return "it has a template for conversations, so it knows who is speaking"
    return "no template of its own; turns are written as lines that begin with User: and Assistant:"


def _embeddings_text(info: ModelInfo) -> str:
    known = f"{format_count(info.vocab_size)} tokens known (vocabulary)"
    return known + ("; input and output share one table (tied)" if info.tied else "")


def _size_tiles(info: ModelInfo) -> list[tuple[str, str, str]]:
    width = BYTES_PER_WEIGHT.get(info.dtype, 2)
    if info.megabytes:
        size = ("Size on disk", format_hub_bytes(info.megabytes * 1e6), f"stored as {info.dtype}")
    else:
        size = (
            "Size",
            f"about {format_hub_bytes(info.parameters * width)}",
            f"stored as {info.dtype}, not here yet",
        )
    context = (
        (format_count(info.context), "tokens it reads at once")
        if info.context
        else ("no limit", "of its own")
    )
    return [
        (
            "Parameters",
            format_large_number(info.parameters),
            f"{format_count(info.parameters)} weights",
        ),
        size,
        (
            "Layers",
            format_count(info.layers),
            f"each {format_count(info.hidden_size)} wide (hidden size)",
        ),
        ("Context", *context),
    ]


def _parts_card(info: ModelInfo) -> str:
    """Where the parameters are: a bar, and the same in figures."""
    names = [*PART_NAMES, *(name for name in info.parts if name not in PART_NAMES)]
    found = [(name, info.parts[name]) for name in names if info.parts.get(name)]
    if not found:
        return ""
    bar = "".join(
        f'<i data-part="{escape_html(name)}" style="flex-grow:{size}"></i>' for name, size in found
    )
    keys = "".join(
        f'<li><i data-part="{escape_html(name)}"></i>{escape_html(PART_NAMES.get(name, name))} <b>{escape_html(format_large_number(size))}</b> '
        f"<small>{escape_html(format_share(size, info.parameters))}</small></li>"
        for name, size in found
    )
    return card(
        "Where its weights are",
        f'<div class="shares" aria-hidden="true">{bar}</div><ul class="keys">{keys}</ul>',
    )
