"""The Model tab as a person uses it: models found, downloaded, used, removed; parts chosen.

The Hub is a stand-in of the tests.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.spec.presets import POCKET_MODEL
from tests.browser.conftest import OpenPage, Serve, go, picture, unfold
from tests.engine.work.hub.hub_models import about, fill_models
from tests.engine.work.hub.hub_server import Hub

WAIT = 60_000  # milliseconds
WEIGHTS = ".safetensors"
SHOWN = "document.querySelector('#field-model-source input').value"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A Hub with models of every sort; one can be trained and takes some seconds to download."""
    hub = Hub()
    fill_models(hub)
    files = {path.name: path.read_bytes() for path in POCKET_MODEL.iterdir() if path.is_file()}
    page = about(650, 4_000_000, "license:apache-2.0")
    hub.add(
        "models",
        "hone/real",
        files,
        more=page,
        large=WEIGHTS,
        card={"license": "apache-2.0"},
        slow=0.03,
    )
    with hub.running():
        yield hub


@pytest.fixture
def online_page(open_page: OpenPage, serve: Serve, home: Path, hub: Hub, tmp_path: Path) -> Any:
    """A page of an app for which that is the Hub, and which has no token."""
    env = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "nobody"), "HF_TOKEN": ""}
    return open_page(serve(home, env=env))


def choose_option(page: Any, field: str, option: str) -> None:
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=option).first.click()


def first_number(text: str) -> int:
    """The first number of a text."""
    return int(re.search(r"[\d,]+", text)[0].replace(",", ""))  # type: ignore[index]


def wait_for_model(page: Any, name: str) -> None:
    """Wait until a model is the chosen one, and is described with all that belongs to it."""
    page.wait_for_function(f"(name) => {SHOWN} === name", arg=name, timeout=WAIT)
    page.locator("#model-about h3", has_text=re.sub(r" \(.*", "", name)).wait_for(timeout=WAIT)
    page.locator("#model-memory .bars").wait_for(timeout=WAIT)


# --- the Hub ---


def test_a_model_is_found_brought_used_and_removed(
    online_page: Any, home: Path, hub: Hub, tmp_path: Path
) -> None:
    page = online_page
    go(page, "Model")
    page.locator("#search-box > button").click()
    searches_with_filters(page)
    sees_what_cannot_be_used(page, hub)
    looks_before_it_comes(page, hub)
    downloads_and_watches(page)
    uses_it(page)
    removes_it(page, home)
    opens_folders(page, tmp_path)


def search(page: Any, words: str, first: str) -> list[str]:
    """The names that are found; the first of them is known."""
    page.locator("#hub-query :is(input, textarea)").fill(words)
    page.locator("#hub-search").click()
    page.wait_for_function(
        "(name) => document.querySelector('#hub-found .pick b')?.textContent === name",
        arg=first,
        timeout=WAIT,
    )
    return page.locator("#hub-found .pick b").all_inner_texts()


def searches_with_filters(page: Any) -> None:
    assert search(page, "hone/", "hone/small")[1:] == [
        "hone/large",
        "hone/half",
        "hone/real",
        "hone/gated",
    ]
    fits = page.locator("#hub-found .pick", has_text="hone/half")
    assert (
        "Likely fits" in fits.inner_text() and "500 M weights · 2.0 GB · mit" in fits.inner_text()
    )
    picture(page, "model-1-search")
    choose_option(page, "#hub-licence", "MIT")
    assert search(page, "hone/", "hone/half") == ["hone/half"]
    choose_option(page, "#hub-licence", "Any")
    choose_option(page, "#hub-task", "Encode text")
    assert search(page, "hone/", "hone/encoder") == ["hone/encoder"]
    choose_option(page, "#hub-task", "Write text")
    choose_option(page, "#hub-size", "Up to 1 B")
    assert "hone/large" not in search(page, "hone/", "hone/small")
    choose_option(page, "#hub-size", "Any")


def sees_what_cannot_be_used(page: Any, hub: Hub) -> None:
    search(page, "unfit/pickles", "unfit/pickles")
    assert "harmful" in page.locator("#hub-found .pick.off").inner_text()
    search(page, "hone/gated", "hone/gated")
    # The second time it is looked up again: the terms may have been accepted meanwhile.
    for _ in range(2):
        page.locator("#hub-found [data-name='hone/gated']").click()
        page.locator("#model-told .status", has_text="cannot be used yet").wait_for(timeout=WAIT)
        page.locator("#model-told a").wait_for()
    told = page.locator("#model-told")
    told.filter(has_text="its owner has terms").filter(has_text="HF_TOKEN").wait_for(timeout=WAIT)
    assert told.locator("a").get_attribute("href") == f"{hub.url}/hone/gated"
    assert page.evaluate(SHOWN).startswith("Pocket model"), "what was chosen stays so"
    picture(page, "model-2-gated")


def looks_before_it_comes(page: Any, hub: Hub) -> None:
    search(page, "hone/real", "hone/real")
    page.locator("#hub-found [data-name='hone/real']").click()
    wait_for_model(page, "hone/real (not downloaded)")
    page.locator("#get-about", has_text="8.8 MB to download").wait_for(timeout=WAIT)
    assert "Licence: apache-2.0" in page.locator("#get-about").inner_text()
    assert "4,262,144 weights" in page.locator("#model-about").inner_text()
    assert not page.locator("#model-told .status").is_visible()
    assert page.locator("#model-map .part").count() == 7 and not hub.sent(WEIGHTS)
    picture(page, "model-3-looked-at")
    go(page, "Train")
    page.locator("#train-facts", has_text="not downloaded yet").wait_for(timeout=WAIT)
    go(page, "Model")


def downloads_and_watches(page: Any) -> None:
    page.locator("#here-box > button").click()
    page.locator("#get-it").click()
    at = "+document.querySelector('#get-about [role=progressbar]')?.getAttribute('aria-valuenow')"
    page.wait_for_function(f"{at} > 0 && {at} < 100", timeout=WAIT)
    assert "of 8.8 MB" in page.locator("#get-about").inner_text()
    assert page.locator("#get-stop").is_visible()
    picture(page, "model-4-download")
    page.locator("#here-models .kept", has_text="Use it").wait_for(timeout=WAIT)
    assert "8.8 MB · apache-2.0" in page.locator("#here-models").inner_text()
    wait_for_model(page, "hone/real")
    page.locator("#get-model").wait_for(state="hidden")


def uses_it(page: Any) -> None:
    choose_option(page, "#field-model-source", "Pocket model")
    wait_for_model(page, "Pocket model (ships with Hone)")
    page.locator("#here-models [data-do=choose]").click()
    wait_for_model(page, "hone/real")
    page.locator("#model-about", has_text="Hugging Face Hub, licence apache-2.0").wait_for(
        timeout=WAIT
    )
    picture(page, "model-5-here")
    go(page, "Train")
    page.locator("#train-facts", has_text="weights").wait_for(timeout=WAIT)
    go(page, "Model")


def removes_it(page: Any, home: Path) -> None:
    page.locator("#here-models [data-do=discard]").click()
    page.locator("#remove-model-sure", has_text="This frees 8.8 MB").wait_for()
    page.locator("#remove-model-yes").click()
    page.locator("#here-models", has_text="Nothing is downloaded yet").wait_for(timeout=WAIT)
    wait_for_model(page, "Pocket model (ships with Hone)")
    assert not list((home / "models").glob("hone--*"))


# --- a folder ---


def opens_folders(page: Any, tmp_path: Path) -> None:
    shutil.copytree(POCKET_MODEL, tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    page.locator("#folder-box > button").click()
    for folder, words in (
        ("", "Type the folder's path first."),
        (tmp_path / "empty", "config.json"),
    ):
        use_folder(page, folder)
        page.locator("#folder-problem .line", has_text=words).wait_for(timeout=WAIT)
    picture(page, "model-6-folder")
    use_folder(page, tmp_path / "mine")
    wait_for_model(page, "mine")
    page.locator("#folder-problem").wait_for(state="hidden")
    choose_option(page, "#field-model-source", "Pocket model")
    wait_for_model(page, "Pocket model (ships with Hone)")
    choose_option(page, "#field-model-source", "mine")
    wait_for_model(page, "mine")


def use_folder(page: Any, folder: object) -> None:
    page.locator("#model-folder :is(input, textarea)").fill(str(folder))
    page.locator("#use-folder").click()


# --- which parts learn ---


def test_parts_are_chosen_in_the_drawing_and_on_the_train_tab(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    page = open_page(serve(home))
    go(page, "Train")
    page.locator("#train-facts", has_text="weights").wait_for(timeout=WAIT)
    go(page, "Model")
    wait_for_model(page, "Pocket model (ships with Hone)")
    presses_a_part(page)
    takes_groups(page)
    changes_what_stands_under_more(page)


def trained_weights(page: Any) -> int:
    """That train, by the drawing."""
    return first_number(page.locator("#model-map .sum-count").text_content())


def adapter_memory(page: Any) -> str:
    """Its memory."""
    return page.locator("#model-memory .keys li", has_text="Adapter").locator("b").text_content()


def wait_for_weights(page: Any, count: int) -> None:
    """Wait until this many weights train, on both tabs."""
    for place in ("#model-map .sum-count", "#train-facts .facts"):
        page.wait_for_function(
            f"(text) => document.querySelector('{place}').textContent.includes(text)",
            arg=f"{count:,}",
            timeout=WAIT,
        )


def presses_a_part(page: Any) -> None:
    whole, memory = trained_weights(page), adapter_memory(page)
    part = page.locator("#model-map .part", has_text="down_proj")
    least = first_number(part.locator(".part-adapter").inner_text())
    part.click()
    wait_for_weights(page, whole - least)
    assert part.get_attribute("aria-pressed") == "false"
    page.wait_for_function(
        "(old) => [...document.querySelectorAll('#model-memory .keys li')].some("
        "e => e.textContent.startsWith('Adapter') && !e.textContent.includes(old))",
        arg=memory,
    )
    picture(page, "model-7-parts")
    go(page, "Train")
    unfold(page, "#more")
    unfold(page, "#more-adapter")
    assert not page.locator("#field-method-targets input[name=down_proj]").is_checked()
    assert page.locator("#field-method-targets input:checked").count() == 6
    assert page.locator("#group input:checked").get_attribute("value") == "own"
    page.locator("#recipe-note", has_text="Your own settings").wait_for(timeout=WAIT)
    page.locator("#field-method-targets input[name=down_proj]").check()
    wait_for_weights(page, whole)
    go(page, "Model")
    assert part.get_attribute("aria-pressed") == "true"


def takes_groups(page: Any) -> None:
    counts = []
    for group, label in (
        ("fewest", "Fewest"),
        ("attention", "Attention"),
        ("all", "All linear layers"),
    ):
        page.locator(f"#model-map [data-group={group}]").click()
        page.wait_for_function(
            f"document.querySelector('[data-group={group}]').ariaPressed === 'true'", timeout=WAIT
        )
        counts.append(trained_weights(page))
        wait_for_weights(page, counts[-1])
        page.locator("#group label.selected", has_text=label).wait_for(
            state="attached", timeout=WAIT
        )
    assert counts == sorted(set(counts))


def changes_what_stands_under_more(page: Any) -> None:
    """Each changes how many weights train, at once; the drawing counts the same."""
    go(page, "Train")
    unfold(page, "#more")
    unfold(page, "#more-adapter")
    page.locator("#field-method-layers").wait_for()
    counts = [trained_weights(page)]

    def changed(more: bool) -> None:
        page.wait_for_function(
            "(old) => !document.querySelector('#train-facts .facts')?.textContent.includes(old)",
            arg=f"{counts[-1]:,} of",
            timeout=WAIT,
        )
        counts.append(first_number(page.locator("#train-facts .facts dd").first.inner_text()))
        assert (counts[-1] > counts[-2]) == more
        wait_for_weights(page, counts[-1])

    page.locator("#field-method-layers :is(input, textarea)").fill("0-1")
    changed(more=False)
    page.locator("#field-method-ranks textarea").fill("q_proj: 32")
    changed(more=True)
    page.locator("#field-method-save :is(input, textarea)").fill("embed_tokens")
    changed(more=True)
    picture(page, "train-more")
