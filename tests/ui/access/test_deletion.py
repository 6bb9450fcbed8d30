"""What a question named is what goes, whatever is picked before the answer comes."""

from __future__ import annotations

import re

from engine.store.workspace import Store
from tests.conftest import idle, wait_for
from tests.ui.access.conftest import Place, come_in, start_run
from tests.ui.access.site import UNTIDY, Stranger, file_data

pytestmark = UNTIDY


def add_data(visitor: Stranger, name: str) -> str:
    rows = "prompt,completion\n" + "".join(f"What is {at}?,{name} {at}\n" for at in range(9))
    upload = visitor.upload(f"{name}.csv", rows.encode()).json()[0]
    added = visitor.call("add_files", [file_data(upload)])
    return re.search(r"dataset:[0-9a-f]{16}", added.text).group()  # type: ignore[union-attr]


def trained_run(visitor: Stranger, store: Store) -> str:
    run = store.run(start_run(visitor, "sample:pirate"))
    wait_for(run, lambda run: run.view().ended is not None and idle(run), 30)
    return run.id


def test_the_run_that_the_question_named_goes(demo_place: Place) -> None:
    visitor = come_in(demo_place.served)
    store = demo_place.served.ctx.engine.for_owner(visitor.owner).store
    asked, other = (trained_run(visitor, store) for _ in range(2))
    visitor.call("choose_run", event={"name": asked})
    assert "This frees" in visitor.call("ask_picked").text
    # Both answers are under way at once: the question may come after the other card.
    visitor.call("choose_run", event={"name": other})
    assert visitor.call("delete_asked").ok
    assert [run.id for run in store.all_runs()] == [other]


def test_the_data_that_the_question_named_goes(demo_place: Place) -> None:
    visitor = come_in(demo_place.served)
    store = demo_place.served.ctx.engine.for_owner(visitor.owner).store
    asked, other = (add_data(visitor, name) for name in ("zinc", "lead"))
    assert "zinc.csv" in visitor.call("ask_removal", asked).text
    visitor.call("offer_removal", other)
    assert visitor.call("remove_data", other, False).ok
    assert [f"dataset:{path.name}" for path in store.datasets.glob("[!.]*")] == [other]
