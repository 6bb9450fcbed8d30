"""An adapter made elsewhere, added on the Runs tab: refused first, then asked beside its base."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.browser.conftest import OpenPage, Serve, go, picture, unfold
from tests.ui.runs.test_add_adapter import made


def test_it_is_added_and_asked(
    open_page: OpenPage, serve: Serve, home: Path, tmp_path: Path
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    other = shutil.make_archive(
        str(tmp_path / "other"), "zip", made(tmp_path / "b", width=512, layers=4)
    )
    mine = shutil.make_archive(str(tmp_path / "mine"), "zip", made(tmp_path / "a", layers=4))
    url = serve(home)
    page = open_page(url)
    go(page, "Runs")
    unfold(page, "#add-adapter")
    for file, then in ((other, "#adapter-problem .status"), (mine, "#run-card")):
        page.set_input_files("#adapter-files input[type=file]", file)
        page.locator("#adapter-files .file-preview").get_by_text(Path(file).stem).wait_for()
        page.locator("#add-adapter-go").click()
        page.locator(then).filter(has_text="for another model" if file is other else "").wait_for()
    page.locator("#run-report").get_by_text("Added from outside").wait_for()
    assert page.locator("#open-run").is_hidden() and page.locator("#train-on").is_visible()
    assert not Axe().run(page).response["violations"]
    picture(page, "adapter-1280-light")
    go(page, "Compare")
    page.locator("#message textarea").fill("Where do fish live?")
    page.get_by_role("button", name="Send").click()
    # Its matrices are zeros, so both say the same.
    said = [page.locator(f"#{pane}-pane .bot").last for pane in ("base", "tuned")]
    said[1].get_by_text("water").wait_for(timeout=60_000)
    assert said[0].inner_text() == said[1].inner_text()
    phone = open_page(url, 390, 844, dark=True)
    go(phone, "Runs")
    unfold(phone, "#add-adapter")
    assert not phone.evaluate("document.documentElement.scrollWidth > innerWidth")
    assert not Axe().run(phone).response["violations"]
    picture(phone, "adapter-390-dark")
