"""start.py: what an old Python is told, when it installs, what failures say, what it starts."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from engine.__main__ import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
SUCCESS = [
    "Collecting six==1.17.0 (from -r requirements.txt)",
    "Installing collected packages: six, tzdata",
]
NO_BUILD = [
    "Collecting torch==2.13.0 (from -r requirements.txt)",
    "ERROR: Could not find a version that satisfies the requirement torch==2.13.0"
    " (from versions: none)",
    "ERROR: No matching distribution found for torch==2.13.0",
]
OFFLINE = [
    "WARNING: Retrying (total=0) after connection broken by 'NewConnectionError(...)'",
    *NO_BUILD,
]
DISK_FULL = [
    "Collecting plotly==7.1.0",
    "  Downloading https://example.org/torch-2.13.0-cp311-cp311-linux_x86_64.whl (888.1 MB)",
    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
]
BAD_BUILD = [
    "Collecting trl==1.16.0",
    "  Building wheel for trl: finished with status 'error'",
    "  ERROR: Failed building wheel for trl",
]


class FakePip:
    """Stands in for pip: prints the lines it is given, and counts its calls."""

    def __init__(self) -> None:
        self.lines, self.code, self.calls, self.compiled = SUCCESS, 0, 0, 0
        self.command: list[str] = []

    def __call__(self, command: list[str], **_: Any) -> FakePip:
        self.calls, self.command = self.calls + 1, command
        self.stdout = [line.encode() + b"\n" for line in self.lines]
        return self

    def wait(self) -> int:
        return self.code

    def compile(self) -> None:
        self.compiled += 1


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """start.py as a module whose root is an empty folder."""
    spec = importlib.util.spec_from_file_location("start_under_test", ROOT / "start.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ROOT = str(tmp_path)
    for name in ("VENV", "PYTHON", "INSTALL_LOG", "STAMP", "UNFINISHED"):
        setattr(module, name, getattr(module, name).replace(str(ROOT), str(tmp_path)))
    (tmp_path / "requirements.txt").write_text("# what and why\nsix==1.17.0  # a reason\n")
    (tmp_path / "requirements-test.txt").write_text("pytest==9.2.0  # runs the tests\n")
    monkeypatch.setenv("PYTHONPATH", "")
    return module


@pytest.fixture
def venv(start: ModuleType) -> Path:
    """A virtual environment that seems whole."""
    python = Path(start.PYTHON)
    python.parent.mkdir(parents=True)
    python.touch()
    start.venv_works = lambda: python.exists() and not Path(start.UNFINISHED).exists()
    return Path(start.VENV)


@pytest.fixture
def pip(start: ModuleType, venv: Path, monkeypatch: pytest.MonkeyPatch) -> FakePip:
    fake = FakePip()
    start.compile_packages = fake.compile
    monkeypatch.setattr(subprocess, "Popen", fake)
    return fake


@pytest.fixture
def started(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that start.py became."""
    commands: list[list[str]] = []
    monkeypatch.setattr(start, "run_command", lambda command: commands.append(command) or 0)
    return commands


# The sentence for a Python that will not do


@pytest.mark.parametrize("version", [(2, 7, 18), (3, 6, 15), (3, 10, 13), (3, 14, 0)])
def test_wrong_python_gets_one_sentence(start: ModuleType, version: tuple[int, ...]) -> None:
    sentence = start.version_problem(version, "/usr/bin/python3")
    assert "3.11, 3.12 or 3.13" in sentence and ".".join(map(str, version)) in sentence
    assert "https://www.python.org/downloads/" in sentence and "\n" not in sentence


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 12, 1, "final", 0), (3, 13, 9)])
def test_right_python_is_taken(start: ModuleType, version: tuple[Any, ...]) -> None:
    assert start.version_problem(version, "python3") is None


def test_nothing_is_made_for_a_wrong_python(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert start.main([]) == 1
    assert "Hone needs Python" in capsys.readouterr().err
    assert not Path(start.VENV).exists()


def test_old_pythons_can_parse_it() -> None:
    source = (ROOT / "start.py").read_bytes()
    assert source.isascii(), "Python 2 refuses other letters without a coding line"
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # 3.13 says that feature_version below 3.7 is not supported any more
        tree = ast.parse(source, feature_version=(3, 4))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.Nonlocal | ast.NamedExpr), (
            ast.dump(node)
        )
        if isinstance(node, ast.FunctionDef):
            assert (
                not node.returns
                and not node.args.kwonlyargs
                and not any(a.annotation for a in node.args.args)
            )
        if isinstance(node, ast.List | ast.Tuple | ast.Dict):
            assert not any(isinstance(part, ast.Starred) for part in getattr(node, "elts", []))


# When it installs


def test_first_start_installs_once(
    start: ModuleType, pip: FakePip, started: list[list[str]]
) -> None:
    assert start.main([]) == 0 and start.main([]) == 0
    assert pip.calls == pip.compiled == 1 and len(started) == 2 and "--no-compile" in pip.command
    assert pip.command[:4] == [start.PYTHON, "-m", "pip", "install"]
    assert pip.command[-2:] == ["-r", os.path.join(start.ROOT, "requirements.txt")]
    assert Path(start.INSTALL_LOG).read_text().splitlines() == SUCCESS


def test_what_is_installed_is_compiled(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    packages, bad = Path(start.VENV, "lib", "python3", "site-packages"), "this is no Python"
    left = ("good/tests", "good/deep/test", "pip", "plotly/deep", "transformers/models/llama")
    for folder in ("good", "testing", "transformers", "sentence/models", *left):
        (packages / folder).mkdir(parents=True, exist_ok=True)
        (packages / folder / "some.py").write_text("x = 1\n")
    (packages / "good" / "bad.py").write_text(bad)
    start.PYTHON = sys.executable
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # as images of containers set it
    start.compile_packages()
    compiled = {str(file.parent.parent.relative_to(packages)) for file in packages.rglob("*.pyc")}
    assert compiled == {"good", "testing", "transformers", str(Path("sentence", "models"))}
    assert bad not in "".join(capfd.readouterr())


def test_changed_requirements_are_installed(
    start: ModuleType, pip: FakePip, started: list[list[str]]
) -> None:
    start.main([])
    (Path(start.ROOT) / "requirements.txt").write_text("six==1.16.0  # another\n")
    start.main([])
    assert pip.calls == 2


def test_another_python_is_another_stamp(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = start.requirements_digest("requirements.txt")
    monkeypatch.setattr(sys, "version_info", (3, sys.version_info[1] + 1, 0))
    assert start.requirements_digest("requirements.txt") != before


def test_tests_add_their_requirements_in_one_call_and_are_remembered(
    start: ModuleType, pip: FakePip, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "provide_browser", lambda: None)
    start.main([])
    start.main(["test"])
    assert pip.calls == 2 and pip.command.count("-r") == 2
    start.main([])
    start.main(["test"])
    assert pip.calls == 2


def test_failed_install_is_tried_again(
    start: ModuleType, pip: FakePip, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    pip.lines, pip.code = NO_BUILD, 1
    assert start.main([]) == 1
    assert not started and not Path(start.STAMP).exists() and not pip.compiled
    assert "could not install torch" in capsys.readouterr().err
    pip.lines, pip.code = SUCCESS, 0
    assert start.main([]) == 0
    assert pip.calls == 2 and len(started) == 1


def test_cut_off_while_writing_makes_the_venv_anew(
    start: ModuleType, pip: FakePip, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    start.main([])
    Path(
        start.UNFINISHED
    ).touch()  # what a killed pip leaves behind, with the stamp of an earlier install
    made: list[list[str]] = []

    def make(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        made.append(command)
        Path(start.UNFINISHED).unlink()
        return subprocess.CompletedProcess(command, 0, b"")

    monkeypatch.setattr(subprocess, "run", make)
    assert start.main([]) == 0
    assert made == [[sys.executable, "-m", "venv", "--clear", start.VENV]]
    assert pip.calls == 2 and not Path(start.UNFINISHED).exists()


def test_half_made_venv_is_seen(start: ModuleType) -> None:
    assert not start.venv_works()
    Path(start.PYTHON).parent.mkdir(parents=True)
    Path(start.PYTHON).write_bytes(b"")  # cut off while it was copied
    Path(start.PYTHON).chmod(0o755)
    assert not start.venv_works()


def test_missing_ensurepip_names_the_debian_package(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "ensurepip" else find(name)
    )
    assert start.main([]) == 1
    assert "apt install python3-venv" in capsys.readouterr().err


def test_folder_that_may_not_be_written_is_said(
    start: ModuleType,
    pip: FakePip,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", start.INSTALL_LOG)

    monkeypatch.setattr(start, "install_packages", refuse)
    assert start.main([]) == 1
    assert "Permission denied" in capsys.readouterr().err


# What it says


@pytest.mark.parametrize(
    ("lines", "package", "advice"),
    [
        (NO_BUILD, "torch", "64-bit Python"),
        (OFFLINE, "torch", "network"),
        (DISK_FULL, "torch", "disk is full"),
        (BAD_BUILD, "trl", "log says why"),
        ([], "its packages", "log says why"),
    ],
)
def test_failure_names_the_package_and_the_next_step(
    start: ModuleType, lines: list[str], package: str, advice: str
) -> None:
    said = start.explain_failure("\n".join(lines))
    assert f"could not install {package}." in said and advice in said and start.INSTALL_LOG in said


def test_progress_counts_our_own_packages(start: ModuleType) -> None:
    seen: list[str] = []
    lines = [
        "Collecting gradio==6.31.0 (from -r requirements.txt (line 6))",
        "Collecting numpy<3 (from gradio==6.31.0->-r requirements.txt (line 6))",
        "  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.2 MB)",
        "  Downloading idna-3.20-py3-none-any.whl (68 kB)",
        "Processing /opt/wheels/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl"
        " (from -r requirements.txt (line 14))",
        "Requirement already satisfied: PyYAML==6.0.3 in ./.venv/lib"
        " (from -r requirements.txt (line 11)) (6.0.3)",
        "Collecting gradio==6.31.0 (from -r requirements.txt (line 6))",
        "Installing collected packages: numpy, torch, gradio",
    ]
    said = [start.summarise_pip_line(line, ["gradio", "torch", "pyyaml"], seen) for line in lines]
    assert [words for words in said if words] == [
        "Installing gradio (1 of 3) ...",
        "    downloading numpy, 16.2 MB",
        "Installing torch (2 of 3) ...",
        "Installing pyyaml (3 of 3) ...",
        "Writing the packages to the disk (3) ...",
    ]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("types-PyYAML==6.0.12  # types", "types-pyyaml"),
        ("gradio[oauth]==6.31.0", "gradio"),
        ("https://example.org/a/nvidia_cudnn_cu13-9.1-py3-none-any.whl", "nvidia-cudnn-cu13"),
        ("C:\\wheels\\torch-2.13.0+cpu-cp311-cp311-win_amd64.whl", "torch"),
    ],
)
def test_package_names(start: ModuleType, text: str, name: str) -> None:
    assert start.package_name(text) == name


# What it starts


def test_routes(start: ModuleType) -> None:
    app = [start.PYTHON, os.path.join(start.ROOT, "app.py")]
    assert start.command_for([]) == app
    assert start.command_for(["--port", "7861"]) == [*app, "--port", "7861"]
    users = [start.PYTHON, "-P", "-m", "ui.users"]
    assert start.command_for(["user", "add", "anna"]) == [*users, "add", "anna"]
    engine = [start.PYTHON, "-P", "-m", "engine"]
    assert start.command_for(["train", "a.yaml"]) == [*engine, "train", "a.yaml"]
    assert start.command_for(["reply", "last", "--prompt", "Hi"]) == [
        *engine,
        "reply",
        "last",
        "--prompt",
        "Hi",
    ]


def test_tests_run_whole_unless_a_file_is_named(start: ModuleType) -> None:
    command = start.command_for(["test", "-k", "spec"])
    assert command[1:4] == ["-P", "-m", "pytest"]
    assert command[-3:] == ["-k", "spec", os.path.join(start.ROOT, "tests")]
    named = f"{__file__}::test_routes"
    assert start.command_for(["test", named])[-1] == named


def test_every_command_of_the_engine_is_routed(start: ModuleType) -> None:
    assert set(start.COMMANDS) == set(COMMANDS)


def test_exit_code_and_working_folder_are_kept(start: ModuleType, tmp_path: Path) -> None:
    """For real: a process of its own, on a root with an app.py and a .venv that is this Python."""
    (tmp_path / "app.py").write_text(
        "import os, sys\nprint(os.getcwd(), os.environ['PYTHONPATH'])\nsys.exit(7)\n"
    )
    (tmp_path / "start.py").write_bytes((ROOT / "start.py").read_bytes())
    python = Path(start.PYTHON)
    python.parent.mkdir(parents=True)
    if os.name == "nt":
        pytest.skip("a virtual environment's python cannot be a link on Windows")
    python.symlink_to(sys.executable)
    start.write_stamp([f"{start.requirements_digest('requirements.txt')}  requirements.txt"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, str(tmp_path / "start.py")],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.split() == [str(elsewhere), str(tmp_path)]


def test_windows_waits_and_passes_the_exit_code_on(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Child:
        def __init__(self, command: list[str]) -> None:
            self.answers: list[Callable[[], int]] = [self.interrupt, lambda: 5]

        def interrupt(self) -> int:
            raise KeyboardInterrupt

        def wait(self) -> int:
            return self.answers.pop(0)()

    monkeypatch.setattr(start.os, "name", "nt")
    monkeypatch.setattr(subprocess, "Popen", Child)
    assert start.run_command(["python", "app.py"]) == 5


def test_help_installs_nothing(start: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert start.main(["--help"]) == 0
    assert "start.py test" in capsys.readouterr().out and not Path(start.VENV).exists()


# The browser for the tests


@pytest.mark.skipif(os.name != "posix", reason="apt-get is for Debian")
def test_chromium_is_installed_where_it_can_be(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[list[str]] = []
    monkeypatch.setattr(
        start, "find_browser", lambda: "/usr/bin/chromium" if len(called) == 2 else None
    )
    monkeypatch.setattr(
        start.shutil, "which", lambda name: "/usr/bin/apt-get" if name == "apt-get" else None
    )
    monkeypatch.setattr(start.os, "geteuid", lambda: 0)
    monkeypatch.setattr(subprocess, "call", lambda command, **_: called.append(command) or 0)
    start.provide_browser()
    assert called == [
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "-y", "chromium-headless-shell"],
    ]


def test_missing_browser_is_said_and_stops_nothing(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(start.shutil, "which", lambda _: None)
    start.provide_browser()
    assert "browser tests are skipped" in capsys.readouterr().out
