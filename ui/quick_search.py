"""Gradio's script with a quicker search for components.

For each input and each output of each event, Gradio 6.31 walks through its whole tree of components
until it meets the one with that id. With Hone's fifty fields this was a fifth of what a browser did
for a page that opens, and a quarter while it was used. The quicker search remembers the path to
each component, and walks through the tree where it is not there any more.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gradio as gr
from starlette.responses import Response

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
