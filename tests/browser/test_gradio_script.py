"""What is quicker in Gradio's script finds what Gradio's own functions find."""

from __future__ import annotations

from typing import Any

from ui.gradio_script import EVENTS_BY_TARGET, EVENTS_OF, QUICK_EVENTS_OF, QUICK_SEARCH, SEARCH

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


# Events of random targets, some of them twice or without a name, asked for by each component.
COMPARE_EVENTS = """([own, quick, before]) => {
    let seed = 1, compared = 0;
    const draw = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const target = () => [draw(30), draw(4) ? `event ${draw(9)}` : null];
    const attached = (text, id, events) => {
        const node = { id, props: { shared_props: {} } };
        new Function(`${before} return ({ ${text} });`)().find_attached_events(node, events);
        return JSON.stringify(node.props.shared_props.attached_events);
    };
    for (let round = 0; round < 50; round++) {
        const events = Array.from({ length: draw(60) }, () =>
            ({ targets: Array.from({ length: draw(4) }, target) }));
        for (let id = 0; id < 32; id++) {
            const [one, other] = [own, quick].map((text) => attached(text, id, events));
            if (one !== other) return `${one} is not ${other}`;
            compared += one !== '[]';
        }
    }
    return compared;
}"""


def test_a_component_gets_the_events_that_gradio_gives_it(browser: Any) -> None:
    page = browser.new_page()
    given = [EVENTS_OF, QUICK_EVENTS_OF, EVENTS_BY_TARGET]
    assert page.evaluate(COMPARE_EVENTS, given) > 500
    page.close()
