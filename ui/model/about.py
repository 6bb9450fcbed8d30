"""What a base model is, as the page shows it: figures, its parts and their shares. Pure functions."""

from __future__ import annotations

from engine.model.hub import Origin
from engine.model.info import ModelInfo
from ui.model.lists import amount
from ui.text import card, count, line, safe, share, short, tiles

PARTS = {  # as engine.work.model.describe names them -> as people call them, in the order of the bar
    "attention": "Attention",
    "mlp": "Feed-forward (MLP)",
    "experts": "Experts",
    "router": "Router",
    "embeddings": "Embeddings",
    "output head": "Output head",
    "norms": "Norms",
    "other": "Other",
}
WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2, "float8_e4m3fn": 1}


def about(info: ModelInfo, origin: Origin | None = None) -> str:
    """All there is to know of a base model before training."""
    return (
        card(info.name, line(_what(info)), _traits(info, origin))
        + tiles(_strip(info))
        + _parts(info)
    )


def _what(info: ModelInfo) -> str:
    if not info.writes:
        return f"It can learn to choose labels. It cannot write: it is an encoder (family {info.model_type})."
    also = ", and can learn to choose labels" if "classify" in info.tasks else ""
    return f"It writes texts and answers{also}. It is a causal language model (family {info.model_type})."


def _traits(info: ModelInfo, origin: Origin | None) -> str:
    found = [
        ("Attention", _heads(info)),
        ("Chat", _template(info)),
        ("Embeddings", _embeddings(info)),
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
    rows = "".join(f"<div><dt>{safe(name)}</dt><dd>{safe(text)}</dd></div>" for name, text in found)
    return f'<dl class="facts traits">{rows}</dl>'


def _heads(info: ModelInfo) -> str:
    if info.kv_heads == info.heads:
        return f"{info.heads} heads"
    return f"{info.heads} heads share {info.kv_heads} for keys and values (grouped-query attention)"


def _template(info: ModelInfo) -> str:
    if not info.writes:
        return "none; it reads texts as they are"
    if info.has_template:
        return "it has a template for conversations, so it knows who is speaking"
    return "no template of its own; turns are written as lines that begin with User: and Assistant:"


def _embeddings(info: ModelInfo) -> str:
    known = f"{count(info.vocab_size)} tokens known (vocabulary)"
    return known + ("; input and output share one table (tied)" if info.tied else "")


def _strip(info: ModelInfo) -> list[tuple[str, str, str]]:
    width = WIDTHS.get(info.dtype, 2)
    if info.megabytes:
        size = ("Size on disk", amount(info.megabytes * 1e6), f"stored as {info.dtype}")
    else:
        size = (
            "Size",
            f"about {amount(info.parameters * width)}",
            f"stored as {info.dtype}, not here yet",
        )
    context = (
        (count(info.context), "tokens it reads at once")
        if info.context
        else ("no limit", "of its own")
    )
    return [
        ("Parameters", short(info.parameters), f"{count(info.parameters)} weights"),
        size,
        ("Layers", count(info.layers), f"each {count(info.hidden_size)} wide (hidden size)"),
        ("Context", *context),
    ]


def _parts(info: ModelInfo) -> str:
    """Where the parameters are: a bar, and the same in figures."""
    names = [*PARTS, *(name for name in info.parts if name not in PARTS)]
    found = [(name, info.parts[name]) for name in names if info.parts.get(name)]
    if not found:
        return ""
    bar = "".join(
        f'<i data-part="{safe(name)}" style="flex-grow:{size}"></i>' for name, size in found
    )
    keys = "".join(
        f'<li><i data-part="{safe(name)}"></i>{safe(PARTS.get(name, name))} <b>{safe(short(size))}</b> '
        f"<small>{safe(share(size, info.parameters))}</small></li>"
        for name, size in found
    )
    return card(
        "Where its weights are",
        f'<div class="shares" aria-hidden="true">{bar}</div><ul class="keys">{keys}</ul>',
    )
