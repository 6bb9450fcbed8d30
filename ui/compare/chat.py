"""One message to the base and the tuned model, both replies side by side."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from engine.data.rows import read_rows
from engine.errors import HoneError, RunError
from engine.store.run_dir import RunDir
from ui.context import Context
from ui.handlers import QUIET, Updates, Values, bind, event_text, set_value
from ui.text import escape_html
from ui.theme import button_list, make_button

Turn = dict[str, Any]  # role and content, as Gradio's chatbot holds them
SUGGESTIONS, LONGEST_SUGGESTION = 6, 200  # messages; characters
SAY_SOMETHING = "Say something to both models"
NO_RUN = "No run can reply yet"


class ChatWidgets:
    """One message, both conversations, and how the replies are generated."""

    def __init__(self, run: gr.Dropdown) -> None:
        self.run = run
        with gr.Column(visible=False, elem_id="chat-box") as self.box:
            with gr.Row(equal_height=True, elem_classes="panes") as self.panes:
                self.base = _chat_pane("Base model, before training", "base-pane")
                self.tuned = _chat_pane("Tuned model, after training", "tuned-pane")
            self.suggestions = button_list("chips", ["pick"])
            self._build_message()
            with gr.Accordion("How the replies are made", open=False) as self.how, gr.Row():
                info = "0 always gives the likeliest reply; higher values vary it more."
                self.temperature = gr.Slider(0, 1.5, 0, step=0.05, label="Temperature", info=info)
                info = "Replies are cut off after this many tokens."
                label = "Longest reply (tokens)"
                self.longest = gr.Slider(8, 1024, 128, step=8, label=label, info=info)
        # What a reply depends on, and what it changes.
        self.inputs: set[Component] = {
            self.run, self.message, self.temperature, self.longest, self.base, self.tuned,
        }  # fmt: skip
        self.shown = [self.message, self.base, self.tuned, self.send, self.stop]
        self.parts = [self.box, self.panes, self.how, self.clear, self.suggestions]

    def _build_message(self) -> None:
        small: dict[str, Any] = {"width": 92, "scale": 0}
        with gr.Row(elem_classes="ask", equal_height=True):
            self.message = gr.Textbox(
                label="Message to both models",
                show_label=False,
                placeholder=SAY_SOMETHING,
                lines=1,
                max_lines=6,
                scale=6,
                min_width=180,
                container=False,
                elem_id="message",
            )
            self.send = make_button("Send", variant="primary", **small)
            self.stop = make_button("Stop", "chat-stop", variant="stop", visible=False, **small)
            self.clear = make_button("Clear", **small)


def _chat_pane(label: str, elem_id: str) -> gr.Chatbot:
    return gr.Chatbot(
        label=label,
        height=None,  # grows with the conversation
        min_height=112,
        max_height=440,
        layout="bubble",
        buttons=["copy"],
        feedback_options=None,
        render_markdown=False,  # the reply is shown as the model wrote it
        elem_id=elem_id,
    )


def wire_chat(ctx: Context, chat: ChatWidgets) -> list[Dependency]:
    """Send, stop and clear; returns the events of a conversation that is going on."""
    picked = chat.suggestions.pick(bind(use_suggestion), None, chat.message, **QUIET)
    send = bind(send_message, ctx, chat)
    sent = (chat.message.submit, chat.send.click, picked.success)
    talking = [event(send, chat.inputs, chat.shown, concurrency_limit=4, **QUIET) for event in sent]
    idle, both = bind(send_or_stop, False), [chat.send, chat.stop]
    # Cancelling closes the generator, and with it the model's thread.
    chat.stop.click(idle, None, both, cancels=talking, queue=False, **QUIET)
    for one in talking:
        one.failure(idle, None, both, **QUIET)
    chat.clear.click(bind(set_value, ([], [])), None, [chat.base, chat.tuned], **QUIET)
    return talking


# --- handlers ---


def show_chat(chat: ChatWidgets, run: RunDir | None, writes: bool) -> Updates:
    """The conversation with a run that writes; without any run, a field that says why it is shut.

    Hidden for a run that chooses labels.
    """
    there = run is not None
    return {
        chat.box: gr.update(visible=writes),
        chat.panes: gr.update(visible=there),
        chat.how: gr.update(visible=there),
        chat.clear: gr.update(visible=there),
        chat.message: gr.update(interactive=there, placeholder=SAY_SOMETHING if there else NO_RUN),
        chat.send: gr.update(interactive=there),
        chat.suggestions: suggest_messages(run) if run and writes else "",
    }


def send_message(ctx: Context, chat: ChatWidgets, values: Values) -> Iterator[Updates]:
    """Send one message to both models, each with its own conversation so far."""
    message = values[chat.message]
    if not values[chat.run]:
        raise RunError("There is no run to compare yet. Start one on the Train tab.")
    if not message.strip():
        raise RunError("Type a message first.")
    asked = {"role": "user", "content": message}
    base, tuned = ([*values[pane], asked] for pane in (chat.base, chat.tuned))
    yield {chat.message: "", **_replies(chat, base, tuned), **_buttons(chat, talking=True)}
    how = values[chat.temperature], int(values[chat.longest])
    try:
        messages = as_messages(base), as_messages(tuned)
        run = ctx.engine.store.run(values[chat.run])
        for pair in ctx.engine.desk.chat(run, *messages, *how):
            yield _replies(chat, base, tuned, pair)
    except HoneError:
        given_back = {one: values[one] for one in (chat.message, chat.base, chat.tuned)}
        yield given_back | _buttons(chat, talking=False)
        raise
    yield _buttons(chat, talking=False)


def _replies(
    chat: ChatWidgets, base: list[Turn], tuned: list[Turn], pair: tuple[str, str] = ("", "")
) -> Updates:
    replies = ({"role": "assistant", "content": reply or "…"} for reply in pair)
    turns = ([*asked, reply] for asked, reply in zip((base, tuned), replies, strict=True))
    return dict(zip((chat.base, chat.tuned), turns, strict=True))


def _buttons(chat: ChatWidgets, talking: bool) -> Updates:
    return dict(zip((chat.send, chat.stop), send_or_stop(talking), strict=True))


def send_or_stop(talking: bool) -> tuple[Any, Any]:
    """Send is visible while nobody talks, Stop while somebody does."""
    return gr.update(visible=not talking), gr.update(visible=talking)


def as_messages(turns: list[Turn]) -> list[dict[str, str]]:
    """Messages as the engine takes them: Gradio gives text in parts."""
    return [{"role": turn["role"], "content": _turn_text(turn["content"])} for turn in turns]


def _turn_text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part if isinstance(part, str) else part.get("text", "") for part in content)


def suggest_messages(run: RunDir) -> str:
    """Messages to try: what the run's held-out examples ask."""
    asked: dict[str, None] = {}
    for row in read_rows(run.held_out_file):
        if text := question_of(row):
            asked[text] = None
        if len(asked) == SUGGESTIONS:
            break
    return suggestion_buttons([(text, text) for text in asked])


def suggestion_buttons(choices: list[tuple[str, str]]) -> str:
    """Names and texts as buttons that say their name when they are pressed."""
    if not choices:
        return ""
    buttons = (
        f'<button type="button" class="suggest" data-do="pick" data-name="{escape_html(name)}">'
        f"{escape_html(text)}</button>"
        for name, text in choices
    )
    inside = "".join(buttons)
    return f'<p class="try">Try one that was held out:</p><div class="suggestions">{inside}</div>'


def question_of(row: dict[str, Any]) -> str:
    """What a row asks, if it is short enough to put on a button."""
    if "messages" in row:
        text = next((m["content"] for m in row["messages"] if m["role"] == "user"), "")
    else:
        text = row.get("prompt") or " ".join(row.get("text", "").split()[:8])
    return text.strip() if len(text) <= LONGEST_SUGGESTION else ""


def use_suggestion(event: gr.EventData) -> str:
    """The held-out question that was pressed, which is sent to both models."""
    return event_text(event, "name")
