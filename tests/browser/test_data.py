"""The Data tab as a person uses it: messy data is added, corrected, fixed, edited, downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.data import datasets
from engine.process import oneshot
from engine.spec.run import RunSpec
from engine.store.workspace import Store
from tests.browser.conftest import OpenPage, Serve, picture, reload
from ui import form
from ui.choices import FormChoices, change_choices

WAIT = 30_000  # milliseconds
# The titles of all data that the page has shown.
TITLES = """window.titles = []; new MutationObserver(() => {
    const title = document.querySelector('#data-facts h3')?.textContent;
    if (title && title !== window.titles.at(-1)) window.titles.push(title);
}).observe(document, { childList: true, subtree: true, characterData: true });"""

# Windows-1252, semicolons, unknown column names; rows that repeat, one ragged, one empty, one with
# an address.
MESSY = "\n".join(
    [
        "Zwei;Eins;Gruppe",
        *(
            f'"Der Artikel {n} kostet {n * 3} Euro, mit Gruß.";Was kostet Artikel {n}?;A'
            for n in range(40)
        ),
        *['"Der Artikel 3 kostet 9 Euro, mit Gruß.";Was kostet Artikel 3?;A'] * 3,
        "kaputt;zu;viele;Spalten",
        ";Leer?;A",
        "Schreib an anna.berg@mail.example.org.;Wer hilft?;A",
    ]
)


def wait_for_tile(page: Any, words: str) -> None:
    """Wait until the figure "to learn from" says this."""
    page.locator("#data-facts .tile", has_text=words).first.wait_for(timeout=WAIT)


def choose_option(page: Any, field: str, option: str) -> None:
    page.locator(f"{field} input").first.click()
    page.locator("[role=option]", has_text=option).first.click()


def test_a_messy_table_is_made_right(
    open_page: OpenPage, serve: Serve, home: Path, tmp_path: Path
) -> None:
    path = tmp_path / "preise.csv"
    path.write_bytes(MESSY.encode("cp1252"))
    page = open_page(serve(home))
    page.locator("#data-facts .tile").first.wait_for(timeout=WAIT)
    page.locator("#upload input[type=file]").set_input_files(path)
    page.locator("#data-facts", has_text="looks like Windows-1252").wait_for(timeout=WAIT)
    page.locator("#columns", has_text="Which column is which?").wait_for(timeout=WAIT)
    picture(page, "10-messy")
    corrects_the_columns(page)
    fixes_and_undoes(page)
    looks_at_the_worst(page)
    edits_and_saves(page, home)
    takes_the_rows_away(page)


def corrects_the_columns(page: Any) -> None:
    """Each choice shows at once what the model gets; the rest waits until they are right."""
    learned = page.locator("#columns-example .turn[data-learned=true]")
    learned.filter(has_text="Der Artikel 0").wait_for(timeout=WAIT)
    assert page.locator("#columns-table tbody tr").count() == 3
    choose_option(page, "#role-0", "Zwei")
    learned.filter(has_text="Was kostet").wait_for(timeout=WAIT)  # they have changed places
    choose_option(page, "#role-0", "Eins")
    learned.filter(has_text="Der Artikel").wait_for(timeout=WAIT)
    picture(page, "10-columns")
    page.locator("#agree").click()
    page.locator("#columns-change").wait_for(timeout=WAIT)
    assert not page.locator("#columns-table table").is_visible()
    page.locator("#data-facts", has_text="As you chose").wait_for(timeout=WAIT)
    page.locator("#preview .turn[data-learned=true]", has_text="Der Artikel").first.wait_for()
    page.locator("#rows-form label", has_text="tokens").click()
    page.wait_for_function(
        "document.querySelector('#preview .row-card mark')?.textContent.startsWith('Der Artikel')",
        timeout=2 * WAIT,
    )


def fixes_and_undoes(page: Any) -> None:
    page.locator("#fix-unusable", has_text="Leave these 2 out").click()
    page.locator("#fix-unusable", has_text="Undo").wait_for(timeout=WAIT)
    wait_for_tile(page, "of 46 rows, 2 left out")
    page.locator("#fix-duplicates", has_text="Leave these 3 out").click()
    wait_for_tile(page, "of 46 rows, 5 left out")
    page.locator("#fix-personal", has_text="Leave it out").click()
    wait_for_tile(page, "of 46 rows, 6 left out")
    page.locator("#fix-duplicates", has_text="Undo").click()
    wait_for_tile(page, "of 46 rows, 3 left out")
    page.locator("#fix-duplicates", has_text="Leave these 3 out").wait_for(timeout=WAIT)
    page.locator("#data-facts", has_text="a row, longest").wait_for(timeout=WAIT)
    picture(page, "11-fixed")


def looks_at_the_worst(page: Any) -> None:
    choose_option(page, "#order", "Longest first")
    page.locator("#preview", has_text="Longest first: 1 to 3").wait_for(timeout=WAIT)
    choose_option(page, "#order", "Held out")
    page.locator("#preview", has_text="Held out: 1 to 3").wait_for(timeout=WAIT)
    page.locator("#lengths .length-bars").wait_for(timeout=WAIT)


def edits_and_saves(page: Any, home: Path) -> None:
    page.locator("#editor > button").click()
    page.locator("#edit-1 textarea").wait_for(timeout=WAIT)
    first = "document.querySelector('#edit-0 textarea')?.value == 'Was kostet Artikel 0?'"
    page.wait_for_function(first, timeout=WAIT)
    page.locator("#edit-1 textarea").fill("Nichts.")
    page.locator("#edit-keep").click()
    page.locator("#edit-told", has_text="1 row changed. Not saved yet.").wait_for(timeout=WAIT)
    page.locator("#edit-save").click()
    page.locator("#data-facts", has_text="preise.csv (edit 1)").wait_for(timeout=WAIT)
    page.locator("#edit-told", has_text="Nothing is changed yet").wait_for(timeout=WAIT)
    store = Store(home)
    new = next(
        datasets.load_dataset(store, source)
        for source, label in datasets.list_datasets(store)
        if "(edit 1)" in label
    )
    assert {"prompt": "Was kostet Artikel 0?", "completion": "Nichts."} in list(new.read_rows())


def takes_the_rows_away(page: Any) -> None:
    with page.expect_download() as caught:
        page.locator("#take-jsonl").click()
    rows = [
        json.loads(line)
        for line in Path(caught.value.path()).read_text(encoding="utf-8").splitlines()
    ]
    assert len(rows) == 43 and rows[0].keys() == {"prompt", "completion"}


def test_on_a_phone_the_next_step_stays_in_sight(
    open_page: OpenPage, serve: Serve, home: Path
) -> None:
    page = open_page(serve(home), width=390, height=844)
    page.locator("#data-facts .tile").first.wait_for(timeout=WAIT)
    page.locator("#preview .turn").first.wait_for(timeout=WAIT)
    box = page.locator("#data-next").bounding_box()
    assert box and box["y"] + box["height"] <= 844, "without any scrolling"
    page.locator("#preview").scroll_into_view_if_needed()
    assert page.locator("#data-next").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#data-next").click()
    page.locator("#nav [data-tab-id=model][aria-selected=true]").wait_for(timeout=WAIT)


def test_a_page_shows_no_other_data_than_what_is_chosen(
    open_page: OpenPage, serve: Serve, home: Path, tmp_path: Path
) -> None:
    store, file = Store(home), tmp_path / "mine.csv"
    file.write_text("question,answer\n" + "".join(f"{n} + {n}?,{2 * n}.\n" for n in range(40)))
    source = oneshot.add_dataset_files(store, [(file, file.name)])
    values = form.widget_values(RunSpec(), None) | {"data.source": source}
    change_choices(store, form=FormChoices(values, "Recommended", "all"))
    page = open_page(serve(home))
    page.add_init_script(TITLES)
    for _ in range(3):
        reload(page)
        wait_for_tile(page, "36")
        assert page.evaluate("titles") == ["mine.csv"]
    choose_option(page, "#field-data-source", "Pirate")
    wait_for_tile(page, "700")
    assert page.evaluate("titles") == ["mine.csv", "Pirate"]
