"""Gradio's scripts for the browser, served with some functions made quicker, and one mended.

Gradio 6.31 builds a page twice when it opens; for each component it looks through all events for
those that concern it; for each input and output of each event it walks through its whole tree, and
it asks components for arguments that no event has. With Hone's 440 components and 218 events these
were two thirds of the time for which a page that opens could not be used. What is found is the same
(tests/browser/test_gradio_script.py).
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
QUICK_SEARCH = """let knownPaths = new Map();
function Z(tree, id) {
  const known = follow(tree, knownPaths.get(id));
  if (known?.id === id) return known;
  knownPaths = new Map();
  learnPaths(tree, []);
  return follow(tree, knownPaths.get(id));
}
function follow(node, path) {
  if (!path) return null;
  for (const index of path) if (!(node = node.children?.[index])) return null;
  return node;
}
function learnPaths(node, path) {
  if (!knownPaths.has(node.id)) knownPaths.set(node.id, path);
  const children = node.children ?? [];
  for (let index = 0; index < children.length; index++) {
    learnPaths(children[index], [...path, index]);
  }
}
"""
EVENTS_OF = (
    "find_attached_events(e,t){let n=t.filter(t=>t.targets.find(([t])=>t===e.id)).map(t=>{let "
    "n=t.targets.find(([t])=>t===e.id);return n?n[1]:null}).filter(Boolean);"
    "return e.props.shared_props.attached_events=n,e}"
)
QUICK_EVENTS_OF = """find_attached_events(node, dependencies) {
  let events = knownEvents.get(dependencies);
  if (!events) knownEvents.set(dependencies, events = eventsByTarget(dependencies));
  node.props.shared_props.attached_events = [...(events.get(node.id) ?? [])];
  return node;
}"""
EVENTS_BY_TARGET = """const knownEvents = new WeakMap();
function eventsByTarget(dependencies) {
  const found = new Map();
  for (const { targets } of dependencies) {
    const first = new Map();
    for (const [id, event] of targets) if (!first.has(id)) first.set(id, event);
    for (const [id, event] of first) if (event) found.set(id, [...(found.get(id) ?? []), event]);
  }
  return found;
}
"""
BUILT_TWICE = "le(()=>{v(),oe(()=>{O.reload("
BUILT_ONCE = "le(()=>{v(),oe(()=>{if(!O.built){O.built=true;return}O.reload("
SET_ARGUMENTS = "async set_event_args(e,t){let n={},r="
SET_ARGUMENTS_IF_ANY = (
    "async set_event_args(e,t){if(!Object.keys(t).length)return()=>{};let n={},r="
)
# An event that comes while the one before it is at work: Gradio asks once more with the data of the
# one before, for all that follows from that, and not at all where the one before has failed.
DEFER = "this.queue.add(r.id);continue}"
DEFER_EVENT = "this.queue.add(r.id),(this.deferred??=new Map).set(r.id,e);continue}"
ASK_AGAIN = "this.queue.has(r.id)&&(this.queue.delete(r.id),this.dispatch(e))"
ASK_DEFERRED = (
    "this.queue.delete(r.id)&&this.dispatch({...this.deferred.get(r.id),type:`fn`,fn_index:r.id})"
)
FAILED = "c&&this.clear_submission(r.id,c),o.forEach("
# An event that is stopped before the server has given it a name: Gradio asks to stop none.
CANCEL = "if(e){await e.cancel(),"
CANCEL_NAMED = "if(e){await e.wait_for_id().catch(()=>0),await e.cancel(),"
CHANGES = {
    "core-*.js": {SEARCH: QUICK_SEARCH + EVENTS_BY_TARGET, EVENTS_OF: QUICK_EVENTS_OF},
    "Blocks-*.js": {
        BUILT_TWICE: BUILT_ONCE,
        SET_ARGUMENTS: SET_ARGUMENTS_IF_ANY,
        DEFER: DEFER_EVENT,
        ASK_AGAIN: ASK_DEFERRED,
        CANCEL: CANCEL_NAMED,
        FAILED: FAILED.replace("o.forEach(", f"{ASK_DEFERRED},o.forEach("),
    },
}


class Script(NamedTuple):
    """A script, and the path that Gradio serves it at."""

    path: str
    text: str

    def answer(self) -> Response:
        """It is asked for at each visit: another version of Hone may change it under its name."""
        headers = {"cache-control": "no-cache"}
        return Response(self.text, media_type="text/javascript", headers=headers)


def changed_scripts() -> list[Script]:
    """The scripts with their changes; without those that this version writes in another way."""
    folder = Path(gr.__file__).parent / "templates" / "frontend" / "assets"
    found = []
    for pattern, changes in CHANGES.items():
        for file in folder.glob(pattern):
            text = file.read_text(encoding="utf-8")
            if all(before in text for before in changes):
                for before, after in changes.items():
                    text = text.replace(before, after)
                found.append(Script(f"/assets/{file.name}", text))
    return found
