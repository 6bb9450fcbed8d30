"""The Dockerfiles, as far as they can be tried without Docker: what each command means."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path

import pytest

import start
from engine.store.files import PROJECT_FOLDER
from ui.options import read_options
from ui.users import USERS_FILE

FILES = ("Dockerfile", "Dockerfile.cpu")


def read(name: str) -> str:
    return (PROJECT_FOLDER / name).read_text(encoding="utf-8")


def commands(name: str) -> list[tuple[str, str]]:
    """(instruction, the rest) of each command; continued lines are one."""
    text = read(name).replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def one(name: str, instruction: str) -> str:
    found = [rest for given, rest in commands(name) if given == instruction]
    assert len(found) == 1, (name, instruction, found)
    return found[0]


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_is_there_and_is_all_that_runs(name: str) -> None:
    copied = [shlex.split(rest) for given, rest in commands(name) if given == "COPY"]
    sources = {word for words in copied for word in words[:-1]}
    assert all((PROJECT_FOLDER / source).exists() for source in sources)
    assert {"app.py", "start.py", "requirements.txt", "engine", "ui", "presets"} <= sources


@pytest.mark.parametrize("name", FILES)
def test_packages_are_those_of_the_requirements(name: str, monkeypatch, tmp_path: Path) -> None:
    installed: list[str] = []

    def install(files: list[str]) -> None:
        installed.extend(files)

    monkeypatch.setattr(start, "PYTHON", str(tmp_path / "python"))
    monkeypatch.setattr(start, "STAMP", str(tmp_path / "stamp"))
    monkeypatch.setattr(start, "make_venv", lambda: None)
    monkeypatch.setattr(start, "install_packages", install)
    runs = [rest for given, rest in commands(name) if given == "RUN"]
    made = re.search(r'python -c "(.*?)"', runs[0])
    assert made
    with pytest.raises(SystemExit) as ended:
        exec(made[1], {"sys": sys})
    assert ended.value.code is None and installed == ["requirements.txt"]


@pytest.mark.parametrize("name", FILES)
def test_it_starts_the_page_for_users_who_log_in(name: str) -> None:
    entry, words = json.loads(one(name, "ENTRYPOINT")), json.loads(one(name, "CMD"))
    assert entry == ["python", "start.py"]
    command = start.command_for(words)
    assert Path(command[1]).name == "app.py"
    options = read_options(command[2:])
    assert options.mode == "users" and options.host == "0.0.0.0" and options.no_browser
    # What users and commands mean without further words is the volume.
    volume = Path(one(name, "VOLUME"))
    assert volume == Path(one(name, "WORKDIR")) / "workspace"
    assert options.home == PROJECT_FOLDER / "workspace"
    assert options.users and PROJECT_FOLDER / options.users == USERS_FILE
    assert options.users.parent.name == volume.name
    assert str(options.port) == one(name, "EXPOSE")


@pytest.mark.parametrize("name", FILES)
def test_it_is_nobody_in_particular_and_says_whether_it_is_well(name: str) -> None:
    given = [instruction for instruction, _ in commands(name)]
    assert one(name, "USER") == "hone" and given.index("USER") < given.index("CMD")
    check = re.search(r'python -c "(.*)"$', one(name, "HEALTHCHECK"))
    assert check and "127.0.0.1:7860/login" in check[1]
    compile(check[1], name, "exec")
    version = re.fullmatch(r"python:(\d+)\.(\d+)-slim", one(name, "FROM"))
    assert version and start.version_problem((int(version[1]), int(version[2])), "python") is None


def test_the_two_differ_in_where_torch_comes_from() -> None:
    cuda, cpu = (commands(name) for name in FILES)
    differ = [(first, second) for first, second in zip(cuda, cpu, strict=True) if first != second]
    assert len(differ) == 1
    assert "NVIDIA_VISIBLE_DEVICES" in differ[0][0][1]
    assert "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu" in differ[0][1][1]


def test_the_readme_names_the_torch_of_the_requirements_for_a_space() -> None:
    pinned = re.search(r"^torch==(\S+)", read("requirements.txt"), re.MULTILINE)
    told = re.search(r"torch==(\S+)\+cpu", read("README.md"))
    assert pinned and told and told[1] == pinned[1]
    assert re.search(r"^app_file: app\.py$", read("README.md"), re.MULTILINE)
