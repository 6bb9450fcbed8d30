"""The order of the packages, circles of imports, and what the documents say about both."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.test_rules import ROOT, imports, name_of, python_files

FIRST = ("errors", "text")
BASE = (*FIRST, "spec")
DISK = (*BASE, "store", "hardware")
FACTS = (*DISK, "data", "model")
ENGINE: Mapping[str, tuple[str, ...]] = {
    "errors": (),
    "text": (),
    "spec": FIRST,
    "store": BASE,
    "hardware": BASE,
    "data": DISK,
    "model": DISK,
    "estimate": FACTS,
    "coach": (*FACTS, "estimate"),
    "process": (*FACTS, "estimate"),
    "runs": (*FACTS, "estimate", "coach", "process"),
    "cli": (*FACTS, "estimate", "coach", "process", "runs"),
    "__main__": (*FACTS, "estimate", "coach", "process", "runs", "cli"),
}
TOOLS = ("memory", "encode", "hub", "compat")
MODEL = (*TOOLS, "kernels", "model")
WORK: Mapping[str, tuple[str, ...]] = {
    "compat": (),
    "memory": ("compat",),
    "encode": ("compat",),
    "hub": ("compat",),
    "kernels": TOOLS,
    "model": (*TOOLS, "kernels"),
    "train": MODEL,
    "evaluate": MODEL,
    "independent_check": (),
    "merge_check": (*MODEL, "independent_check"),
    "merge": (*MODEL, "merge_check"),
    "serve": (),
    "heartbeat": (),
    "spare": (),
    "desk": (*MODEL, "serve"),
    "oneshot": (*MODEL, "serve"),
    "__main__": (
        *MODEL,
        "train",
        "evaluate",
        "merge_check",
        "merge",
        "serve",
        "heartbeat",
        "spare",
        "desk",
        "oneshot",
    ),
}
PAGE = ("text", "access", "handlers", "context", "form")
DRAWN = (*PAGE, "choices", "theme", "charts", "confirm")
UI: Mapping[str, tuple[str, ...]] = {
    "text": (),
    "options": (),
    "gradio_internals": (),
    "gradio_script": (),
    "push": (),
    "access": ("text", "gradio_internals", "push"),
    "handlers": ("text", "access"),
    "context": ("text", "access", "handlers"),
    "form": ("text", "handlers", "context"),
    "choices": PAGE,
    "theme": PAGE,
    "charts": (*PAGE, "theme"),
    "confirm": (*PAGE, "theme"),
    "header": DRAWN,
    "serve": (*DRAWN, "options", "gradio_internals", "gradio_script"),
    "users": ("access",),
    "data": DRAWN,
    "model": DRAWN,
    "compare": DRAWN,
    "export": (*DRAWN, "data", "model", "compare"),
    "runs": (*DRAWN, "data", "model", "compare", "export"),
    "train": (*DRAWN, "data", "model", "compare", "export", "runs"),
}


def against_the_order(root: Path, base: str, order: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Imports of a package that its line in the table does not allow."""
    for path in python_files(base.split(".")[0]):
        inside = path.relative_to(root).with_suffix("").parts[base.count(".") + 1 :]
        if not name_of(path).startswith(base.replace(".", "/") + "/") or inside[0] == "__init__":
            continue
        package = inside[0]
        if package not in order:
            if (base, package) != ("engine", "work"):
                yield f"{name_of(path)}: {base}.{package} is not in the table"
            continue
        for module, line in imports(path):
            target = module.removeprefix(base + ".").split(".")[0]
            if not module.startswith(base + ".") or target in (package, *order[package]):
                continue
            if target in order:
                yield f"{name_of(path)}:{line} imports {module}"


@pytest.mark.parametrize(
    ("base", "order"),
    [("engine", ENGINE), ("engine.work", WORK), ("ui", UI)],
    ids=["engine", "engine.work", "ui"],
)
def test_no_package_imports_to_its_right(base: str, order: Mapping[str, tuple[str, ...]]) -> None:
    assert not list(against_the_order(ROOT, base, order))


def graph() -> dict[str, set[str]]:
    """Each of our modules with those of ours that it imports."""
    files = [*python_files("engine", "ui"), ROOT / "app.py"]
    modules = {name_of(path).removesuffix(".py").replace("/", "."): path for path in files}
    return {
        name.removesuffix(".__init__"): {
            found for found, _ in imports(path) if found in modules and found != name
        }
        for name, path in modules.items()
    }


def test_no_circle_of_imports() -> None:
    try:
        TopologicalSorter(graph()).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_a_folder_holds_about_a_dozen_files() -> None:
    folders: dict[str, int] = {}
    for path in python_files("engine", "ui"):
        folder = name_of(path.parent)
        folders[folder] = folders.get(folder, 0) + (path.name != "__init__.py")
    assert not {name: count for name, count in folders.items() if count > 15}


@pytest.mark.parametrize("source", ["from engine.runs import engine", "import engine.runs.engine"])
def test_the_rule_sees_an_import_to_the_right(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.test_rules.ROOT", tmp_path)
    (tmp_path / "engine" / "data").mkdir(parents=True)
    (tmp_path / "engine" / "data" / "bad.py").write_text(source)
    assert list(against_the_order(tmp_path, "engine", ENGINE))


# --- what the documents say ---


def mentioned(document: str) -> set[str]:
    """Paths of ours that a document names in backticks."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return set(re.findall(r"`((?:engine|ui|tests|scripts|docs|presets)/[\w/.-]+)`", text))


DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/durability.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_name_files_that_exist(document: str) -> None:
    paths = mentioned(document)
    assert paths
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_the_spine_can_be_read_in_an_afternoon() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    spine = text.partition("<!-- spine")[2].partition("<!-- /spine")[0]
    files = re.findall(r"^\| `([\w/.]+)` \|", spine, re.MULTILINE)
    assert len(files) > 10
    lines = sum(len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files)
    assert lines < 4000
