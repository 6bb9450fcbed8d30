"""The quicker search finds what Gradio's own finds, whatever happens to the tree in between."""

from __future__ import annotations

from typing import Any

from ui.gradio_internals import QUICK_SEARCH, SEARCH

# Random trees, searched for every id while branches are moved, replaced, removed and added.
COMPARE = """([own, quick]) => {
    let seed = 1, id = 0, compared = 0;
    const draw = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const grow = (depth) => {
        const children = depth ? Array.from({ length: draw(5) }, () => grow(depth - 1)) : [];
        return { id: id++, children };
    };
    const all = (node) => [node, ...(node.children ?? []).flatMap(all)];
    const both = [own, quick].map((text) => new Function(`${text}; return Z;`)());
    for (let round = 0; round < 60; round++) {
        let tree = grow(5);
        for (let change = 0; change < 20; change++) {
            for (let asked = 0; asked < id + 2; asked++) {
                const [one, other] = both.map((search) => search(tree, asked));
                if (one !== other) return `id ${asked}, round ${round}, change ${change}`;
                compared += one !== null;
            }
            const nodes = all(tree), node = nodes[draw(nodes.length)];
            [
                () => { tree = structuredClone(tree); },
                () => { node.children = (node.children ?? []).slice().reverse(); },
                () => { node.children = undefined; },
                () => { node.children = [grow(2), ...(node.children ?? [])]; },
            ][draw(4)]();
        }
        id = 0;
    }
    return compared;
}"""


def test_it_finds_what_gradio_s_own_search_finds(browser: Any) -> None:
    page = browser.new_page()
    assert page.evaluate(COMPARE, [SEARCH, QUICK_SEARCH]) > 10_000
    page.close()
