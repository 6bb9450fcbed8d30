"""A page of Hone by plain HTTP: its config, its events, its polls. Knows nothing of Hone's code."""

from __future__ import annotations

import html
import json
import re
import secrets
from typing import Any

import httpx

API = "/gradio_api"
CONFIG = "window.gradio_config = "  # stands before it in the page
TAG = re.compile(r"<[^>]*>")


class Page:
    """One opened page, by its config alone; with another's cookies that of the same visitor."""

    def __init__(self, url: str, cookies: httpx.Cookies | None = None) -> None:
        self.http = httpx.Client(base_url=url, timeout=120, trust_env=False, cookies=cookies)
        self.http.headers["Origin"] = url
        self.session = secrets.token_hex(8)
        self.sent = ""  # the path of the file that was uploaded last
        entered = self.http.get("/", headers={"Sec-Fetch-Site": "none"})
        assert entered.status_code == 200, entered.text[:200]
        begins = entered.text.index(CONFIG) + len(CONFIG)
        found, _ = json.JSONDecoder().raw_decode(entered.text, begins)
        self.config: dict[str, Any] = found
        self.widgets = {one["id"]: one for one in self.config["components"]}
        self.named = {one["props"].get("elem_id"): one["id"] for one in self.config["components"]}

    def events_of(self, elem_id: str | None, event: str, output: str = "") -> list[dict[str, Any]]:
        """The events of a widget; of the page itself where no widget is named.

        ``output``: only those that change this widget.
        """
        wanted = self.named[elem_id] if elem_id else None
        return [
            one
            for one in self.config["dependencies"]
            if any(name == event and wanted in (None, target) for target, name in one["targets"])
            and one["backend_fn"]
            and (not output or self.named[output] in one["outputs"])
        ]

    def opening_events(self) -> list[dict[str, Any]]:
        """The events of a page that opens, which selects the Data tab."""
        return self.events_of(None, "load") + self.events_of(None, "select", "data-facts")

    def run_event(self, event: dict[str, Any], given: dict[str, Any]) -> tuple[bool, str]:
        """Ask for an event and wait for its end; values by the widget's elem_id."""
        return self.run_events([event], given)[0]

    def run_events(
        self, events: list[dict[str, Any]], given: dict[str, Any]
    ) -> list[tuple[bool, str]]:
        """Ask for events at once, as a page does, and wait for their ends: success and answers."""
        ended: dict[str, bool] = {}
        texts: dict[str, list[str]] = {}
        for event in events:
            data = [self._value_of(number, given) for number in event["inputs"]]
            body = {"fn_index": event["id"], "data": data, "session_hash": self.session}
            joined = self.http.post(f"{API}/queue/join", json=body | {"trigger_id": None})
            if joined.status_code != 200:
                return [(False, joined.text)]
            texts[joined.json()["event_id"]] = []
        asked = {"session_hash": self.session}
        with self.http.stream("GET", f"{API}/queue/data", params=asked) as lines:
            for line in lines.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if (number := message.get("event_id")) not in texts:
                    continue
                texts[number].append(json.dumps(message.get("output")))
                if message["msg"] == "process_completed":
                    ended[number] = bool(message["success"])
                if ended.keys() == texts.keys():
                    break
        return [(ended.get(number, False), "\n".join(said)) for number, said in texts.items()]

    def _value_of(self, number: int, given: dict[str, Any]) -> Any:
        props = self.widgets[number]["props"]
        return given.get(props.get("elem_id"), props.get("value"))

    def upload(self, name: str, content: bytes) -> httpx.Response:
        """Send a file, which no widget holds yet."""
        return self.http.post(f"{API}/upload", files={"files": (name, content)})

    def add_file(self, widget: str, name: str, content: bytes) -> tuple[bool, str]:
        """Send a file and give it to a widget: success and answers."""
        sent = self.upload(name, content)
        if sent.status_code != 200:
            return False, sent.text
        self.sent = sent.json()[0]
        file = {"path": self.sent, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        several = self.widgets[self.named[widget]]["props"].get("file_count") == "multiple"
        event = self.events_of(widget, "upload")[0]
        return self.run_event(event, {widget: [file] if several else file})

    def ask_live(self, run: str) -> httpx.Response:
        """One poll of the live panel."""
        body = {"component_id": self.named["live"], "fn_name": "poll_run", "data": {"run": run}}
        return self.http.post(
            f"{API}/component_server/", json=body | {"session_hash": self.session}
        )


def sentence_with(said: str, words: str) -> str:
    """The sentence in an answer that holds these words, word for word; empty where none does."""
    texts: list[str] = []
    for line in said.splitlines():
        try:
            waiting = [json.loads(line)]
        except ValueError:  # a plain text
            waiting = [line]
        while waiting:
            one = waiting.pop()
            if isinstance(one, str):
                texts += map(html.unescape, TAG.split(one))
            elif isinstance(one, dict | list):
                waiting += one.values() if isinstance(one, dict) else one
    return next((text.strip() for text in texts if words in text), "")
