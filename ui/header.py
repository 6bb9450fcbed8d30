"""The top of the page: name, machine and theme; in a demo what to expect; who has logged in."""

from __future__ import annotations

import gradio as gr

from engine.spec.limits import Limits
from ui.context import Context
from ui.handlers import QUIET, bind
from ui.text import escape_html, logo
from ui.theme import raw_html

DEMO_TITLE = "This is a public demo"
DEMO_TEXT = (
    "Others use this machine too, so everybody gets a little of it, one after the other. Nobody "
    "else sees what is yours, but put nothing here that is secret: for that, run Hone on your own "
    "machine."
)


# Of the push channel (push.js): what has changed that the page shows, and may have to ask for.
PUSHED = ("choices", "lists", "train", "runs", "compare", "export")


def build_header(ctx: Context, blocks: gr.Blocks) -> gr.HTML:
    """Lay it out, with the switch between light and dark; returns the widget whose events say what
    has changed (``PUSHED``).
    """
    raw_html(
        f'<header class="top">{logo()}<h1>Hone</h1><span class="grow"></span>'
        f'<span class="chip" title="Where training runs">{escape_html(ctx.engine.device.text)}'
        '</span><button type="button" class="mini keys" aria-label="Keyboard '
        'shortcuts">?</button><button type="button" class="mini theme">Theme</button></header>',
        js_on_load="HoneTheme(element.querySelector('.theme')); HoneLoaded(); "
        "HoneKeys(element.querySelector('.keys'))",
        elem_id="top",
    )
    limits = ctx.engine.store.limits
    if limits.mode == "demo":
        raw_html(demo_banner(limits), elem_id="demo")
    if limits.mode == "users":
        who = raw_html(elem_id="who")
        blocks.load(bind(show_visitor, ctx), None, who, **QUIET)
    events = [f"{one}_changed" for one in PUSHED]  # Gradio finds them in the script
    script = f"HonePush.start(); HonePush.follow(element, trigger); {events}"
    return raw_html(js_on_load=script, visible=True, elem_id="push")


def show_visitor(ctx: Context) -> str:
    """Who has logged in, with the button that logs out."""
    name, role = escape_html(ctx.visitor.name), " (administrator)" * ctx.visitor.admin
    return (
        f'<form class="who" method="post" action="logout"><span>Logged in as <b>{name}</b>{role}'
        '</span><button class="mini">Log out</button></form>'
    )


def demo_banner(limits: Limits) -> str:
    """What everybody should know before he begins."""
    items = "".join(f"<li>{escape_html(words)}</li>" for words in limits.in_words)
    return (
        '<section class="status demo" data-tone="info"><span class="dot" aria-hidden="true">'
        f"</span><div><h2>{DEMO_TITLE}</h2><p>{DEMO_TEXT}</p>"
        f"<details><summary>What you can do here</summary><ul>{items}</ul></details>"
        "</div></section>"
    )
