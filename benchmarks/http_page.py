"""A page of Hone by plain HTTP: its config, its events, its polls. Knows nothing of Hone's code."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx

API = "/gradio_api"


class Page:
    """One opened page, by its config alone."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=120, trust_env=False)
        self.http.headers["Origin"] = url
        self.session = secrets.token_hex(8)
        entered = self.http.get("/", headers={"Sec-Fetch-Site": "none"})
        assert entered.status_code == 200, entered.text[:200]
        self.config: dict[str, Any] = self.http.get("/config").json()
        self.widgets = {one["id"]: one for one in self.config["components"]}
        self.named = {one["props"].get("elem_id"): one["id"] for one in self.config["components"]}

    def events_of(self, elem_id: str | None, event: str) -> list[dict[str, Any]]:
        """The events of a widget; of the page itself where no widget is named."""
        wanted = self.named[elem_id] if elem_id else None
        return [
            one
            for one in self.config["dependencies"]
            if any(name == event and wanted in (None, target) for target, name in one["targets"])
            and one["backend_fn"]
        ]

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

    def ask_live(self, run: str) -> httpx.Response:
        """One poll of the live panel."""
        body = {"component_id": self.named["live"], "fn_name": "poll_run", "data": {"run": run}}
        return self.http.post(
            f"{API}/component_server/", json=body | {"session_hash": self.session}
        )
