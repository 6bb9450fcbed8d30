"""A base model as the page shows it: figures, parts and their shares. Pure functions."""

from __future__ import annotations

from engine.model.hub import ModelOrigin
from engine.model.info import ModelInfo
from engine.text import format_count, format_hub_bytes, format_large_number, format_share
from ui.text import Tile, card, definition_row, escape_html, line, tile_strip

# As engine.work.model.describe names them -> as the page does, in the order of the bar.
PART_NAMES = {
    "attention": "Attention",
    "mlp": "Feed-forward (MLP)",
    "experts": "Experts",
    "router": "Router",
    "embeddings": "Embeddings",
    "output head": "Output head",
    "norms": "Norms",
    "other": "Other",
}
BYTES_BY_DTYPE = {"float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1}


def model_cards(info: ModelInfo, origin: ModelOrigin | None = None) -> str:
    """All there is to know of a base model before training."""
    head = card(info.name, line(_task_text(info)), _trait_list(info, origin))
    return head + tile_strip(_size_tiles(info)) + _parts_card(info)


def _task_text(info: ModelInfo) -> str:
    family = f"(family {info.model_type})"
    if not info.writes:
        return f"It can learn to choose labels. It cannot write: it is an encoder {family}."
    also = ", and can learn to choose labels" if "classify" in info.tasks else ""
    return f"It writes text and answers{also}. It is a causal language model {family}."


def _trait_list(info: ModelInfo, origin: ModelOrigin | None) -> str:
    traits = [("Attention", _attention_text(info))]
    if info.experts:
        active = info.experts_active or "some"
        traits.append(("Experts", f"{info.experts} in each layer, {active} for each token"))
    traits += [("Chat", _template_text(info)), ("Embeddings", _embeddings_text(info))]
    if origin:
        fetched = f"licence {origin.licence}, downloaded {origin.date[:10]}"
        traits.append(("From", f"Hugging Face Hub, {fetched}"))
    rows = "".join(definition_row(name, escape_html(text)) for name, text in traits)
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
    text = f"it knows {format_count(info.vocab_size)} tokens (vocabulary)"
    return f"{text}; input and output share one table (tied)" if info.tied else text


def _size_tiles(info: ModelInfo) -> list[Tile]:
    context = ("Context", "no limit", "of its own")
    if info.context:
        context = ("Context", format_count(info.context), "tokens it reads at once")
    weights = f"{format_count(info.parameters)} weights"
    width = f"each {format_count(info.hidden_size)} wide (hidden size)"
    return [
        ("Parameters", format_large_number(info.parameters), weights),
        _disk_tile(info),
        ("Layers", format_count(info.layers), width),
        context,
    ]


def _disk_tile(info: ModelInfo) -> Tile:
    if info.megabytes:
        return "Size on disk", format_hub_bytes(info.megabytes * 1e6), f"stored as {info.dtype}"
    size = info.parameters * BYTES_BY_DTYPE.get(info.dtype, 2)
    return "Size", f"about {format_hub_bytes(size)}", f"stored as {info.dtype}, not here yet"


def _parts_card(info: ModelInfo) -> str:
    """Where the parameters are: a bar, and the same in figures."""
    names = [*PART_NAMES, *(name for name in info.parts if name not in PART_NAMES)]
    found = [(name, info.parts[name]) for name in names if info.parts.get(name)]
    if not found:
        return ""
    bar = "".join(
        f'<i data-part="{escape_html(name)}" style="flex-grow:{size}"></i>' for name, size in found
    )
    keys = "".join(_part_key(name, size, info.parameters) for name, size in found)
    html = f'<div class="shares" aria-hidden="true">{bar}</div><ul class="keys">{keys}</ul>'
    return card("Where its weights are", html)


def _part_key(name: str, size: int, total: int) -> str:
    label = escape_html(PART_NAMES.get(name, name))
    share = escape_html(format_share(size, total))
    return (
        f'<li><i data-part="{escape_html(name)}"></i>{label} '
        f"<b>{escape_html(format_large_number(size))}</b> <small>{share}</small></li>"
    )
