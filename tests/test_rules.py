"""Rules that a machine can check: who imports torch, what is never called, pins, lint, types."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = {"torch", "transformers", "peft", "trl", "datasets", "accelerate", "bitsandbytes"}
FROM_PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve"}
REMOTE_CODE, SHELL = "trust_remote_code", "shell"


def python_files(*folders: str) -> list[Path]:
    """Our own Python files, as git sees them: tracked, or new and not ignored."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.py"]
    try:
        names = subprocess.run(
            command, cwd=ROOT, capture_output=True, check=True, text=True
        ).stdout.split("\0")
        files = [ROOT / name for name in names if name]
    except (OSError, subprocess.CalledProcessError):  # no git, or a copy without its history
        aside = {".venv", "workspace", "making", "__pycache__"}
        files = [
            path for path in ROOT.rglob("*.py") if not aside & set(path.relative_to(ROOT).parts)
        ]
    files = [path for path in files if path.exists()]
    if folders:
        files = [path for path in files if path.relative_to(ROOT).parts[0] in folders]
    assert files, f"no Python file under {folders or ROOT}"
    return files


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    gc.disable()  # Python 3.11 loses count where it collects within (python/cpython#106905)
    try:
        return ast.parse(path.read_text(encoding="utf-8"), name_of(path))
    finally:
        gc.enable()


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, in functions too, with its line.

    ``from a import b`` gives a and a.b.
    """
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            first = node.args[0] if node.args else None
            if called in ("__import__", "import_module") and isinstance(first, ast.Constant):
                yield str(first.value), node.lineno


def offences(files: list[Path], forbidden: set[str]) -> list[str]:
    """Where a file imports a forbidden module or one inside it."""
    return [
        f"{name_of(path)}:{line} imports {module}"
        for path in files
        for module, line in imports(path)
        if any(module == name or module.startswith(name + ".") for name in forbidden)
    ]


def front() -> list[Path]:
    """All that runs in the app's process: not the workers, makers of presets, and tests."""
    work = ROOT / "engine" / "work"
    files = [path for path in python_files("engine", "ui") if work not in path.parents]
    return [*files, ROOT / "app.py", ROOT / "start.py"]


# Who may import whom: app -> ui -> engine, and torch in engine/work alone


def test_engine_knows_no_page() -> None:
    assert not offences(python_files("engine"), {"gradio", "gradio_client", "ui", "app"})


def test_page_never_reaches_into_a_worker() -> None:
    assert not offences(python_files("ui"), {"engine.work", "app"})
    assert not offences([ROOT / "app.py"], {"engine.work"})


def test_only_workers_import_torch() -> None:
    assert not offences(front(), HEAVY)


def test_front_of_the_engine_never_imports_the_work() -> None:
    assert not offences(front(), {"engine.work"})


def test_start_needs_the_standard_library_alone() -> None:
    used = {module.split(".")[0] for module, _ in imports(ROOT / "start.py")}
    assert used <= sys.stdlib_module_names


# What is never called


def dangers(path: Path) -> Iterator[str]:
    """Calls that can run somebody else's code."""
    for node in ast.walk(tree_of(path)):
        where = f"{name_of(path)}:{getattr(node, 'lineno', 0)}"
        if (
            isinstance(node, ast.keyword)
            and node.arg in (REMOTE_CODE, SHELL)
            and not is_false(node.value)
        ):
            yield f"{where} passes {node.arg}"
        elif isinstance(node, ast.Dict):
            named = {
                key.value: value
                for key, value in zip(node.keys, node.values, strict=True)
                if is_text(key)
            }
            if REMOTE_CODE in named and not is_false(named[REMOTE_CODE]):
                yield f"{where} holds {REMOTE_CODE}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) == "torch.load":
            yield f"{where} uses torch.load; use safetensors"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.system", "os.popen"):
            yield f"{where} uses {ast.unparse(node)}; use subprocess with a list"
        elif is_text(node) and f"{REMOTE_CODE}=True" in node.value:
            yield f"{where} writes {REMOTE_CODE} into a text"


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def is_text(node: ast.AST | None) -> TypeGuard[ast.Constant]:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


ALLOWED = {
    "tests/engine/model/test_local.py",  # shows that a config with it is refused
    # Opens the states of a run's own checkpoints, as plain tensors (weights_only).
    "engine/work/train/checkpoint_check.py",
    # Reads the state that it wrote itself, as plain tensors (weights_only).
    "presets/pocket/training.py",
}


@pytest.mark.slow
def test_nothing_runs_the_code_of_others() -> None:
    files = [path for path in python_files() if name_of(path) not in ALLOWED]
    assert not [danger for path in files for danger in dangers(path)]


def test_nothing_is_unpickled() -> None:
    assert not offences(python_files(), FROM_PICKLES)


@pytest.mark.parametrize(
    "source",
    [
        f"load(x, {REMOTE_CODE}=True)",
        f"load(x, {REMOTE_CODE}=choice)",
        f"load(x, **{{'{REMOTE_CODE}': True}})",
        f"SCRIPT = 'load(x, {REMOTE_CODE}=True)'",
        "import subprocess\nsubprocess.run('ls', shell=True)",
        "import torch\ntorch.load(path, weights_only=True)",
        "import os\nos.system('ls')",
    ],
)
def test_the_rule_sees_what_it_forbids(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "bad.py").write_text(source)
    assert list(dangers(tmp_path / "bad.py"))


@pytest.mark.parametrize(
    ("source", "module"),
    [
        ("import torch.nn as nn", "torch.nn"),
        ("def f():\n    from trl import SFTTrainer", "trl"),
        ("import importlib\nimportlib.import_module('peft')", "peft"),
        ("from engine import work", "engine.work"),
        ("from .work import train", "engine.work.train"),
    ],
)
def test_the_rule_sees_every_kind_of_import(
    source: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "bad.py").write_text(source)
    assert module in {found for found, _ in imports(tmp_path / "engine" / "bad.py")}


# Requirements, lint, types


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-test.txt"])
def test_every_requirement_is_pinned_and_has_a_reason(file: str) -> None:
    lines = [
        line
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines()
        if line and line[0] != "#"
    ]
    assert lines
    assert not [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+ +# \S.+", line)
    ]
    names = [line.split("==")[0].lower() for line in lines]
    assert len(names) == len(set(names))


def test_readme_names_the_same_gradio() -> None:
    version = re.search(
        r"^gradio==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert version
    assert f"sdk_version: {version[1]}\n" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_what_the_readme_points_to_is_there() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert "docs/screenshot.png" in links
    headings = {
        "#" + re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in text.splitlines()
    }
    assert not [link for link in links if link not in headings and not (ROOT / link).is_file()]


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("tool", [["ruff", "check", "."], ["mypy"]], ids=["ruff", "mypy"])
def test_lint_and_types(tool: list[str]) -> None:
    pytest.importorskip(tool[0])
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
