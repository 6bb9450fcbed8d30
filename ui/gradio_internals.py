"""What Hone changes in Gradio that has no public door: its queue, and the search in its script.

The search: for each input and each output of each event, Gradio 6.31 walks through its whole tree
of components until it meets the one with that id. With Hone's fifty fields this was a fifth of what
a browser did for a page that opens, and a quarter while it was used. The quicker search remembers
the path to each component, and walks through the tree where it is not there any more.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from starlette.responses import Response

# Seconds between two looks of an idle queue. Gradio's own are 0.001 and 0.01, which cost 5 % of a
# core in an app that nobody uses; on Windows it takes 0.05 itself.
EVENTS_PAUSE = 0.05
PROGRESS_PAUSE = 1.0  # Hone has no progress bars of Gradio's
SEARCH = (
    "function Z(e,t){if(e.id===t)return e;if(e.children)for(let n of e.children)"
    "{let e=Z(n,t);if(e)return e}return null}"
)
QUICK_SEARCH = """const knownPaths = new Map();
function Z(tree, id) {
  let path = knownPaths.get(id), node = tree;
  if (path) {
    for (const index of path) if (!(node = node.children?.[index])) break;
    if (node?.id === id) return node;
  }
  node = walkTree(tree, id, path = []);
  if (node) knownPaths.set(id, path);
  return node;
}
function walkTree(node, id, path) {
  if (node.id === id) return node;
  const children = node.children ?? [];
  for (let index = 0; index < children.length; index++) {
    path.push(index);
    const found = walkTree(children[index], id, path);
    if (found) return found;
    path.pop();
  }
  return null;
}
"""


def spare_processor(blocks: gr.Blocks) -> None:
    """Leave out what a page that is not served yet would do for nobody.

    For its monitoring page, which Hone does not serve, Gradio sums up the last 10,000 events after
    each event: a third of what a page costs, and more the longer the app runs.
    """
    queue = blocks._queue
    queue.sleep_when_free = EVENTS_PAUSE
    queue.progress_update_sleep_when_free = PROGRESS_PAUSE
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, sys.maxsize


def waiting_requests(blocks: gr.Blocks) -> list[Any]:
    """The requests of all events that are in the queue and have not begun."""
    queues = blocks._queue.event_queue_per_concurrency_id.values()
    return [event.request for one in queues for event in one.queue]


class Script(NamedTuple):
    """A script, and the path that Gradio serves it at."""

    path: str
    text: str

    def answer(self) -> Response:
        """It is asked for at each visit: another version of Hone may change it under its name."""
        headers = {"cache-control": "no-cache"}
        return Response(self.text, media_type="text/javascript", headers=headers)


def quick_script() -> Script | None:
    """Gradio's script with the quicker search; None where this version searches in another way."""
    folder = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
    for file in folder.glob("core-*.js"):
        text = file.read_text(encoding="utf-8")
        if text.count(SEARCH) == 1:
            return Script(f"/assets/{file.name}", text.replace(SEARCH, QUICK_SEARCH))
    return None
