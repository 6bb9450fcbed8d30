"""Start Hone: make its virtual environment, install what it needs, run it.

    python3 start.py [--port 7861] [--home DIR] [--no-browser]
                                            the page, in your browser
    python3 start.py train SPEC.yaml        the same without a browser; also check, inspect, runs,
                                            show, stop, continue, reply, merge, score and more
                                            (add --help to any)
    python3 start.py user add NAME [--admin]
                                            users who log in, for --users FILE; also list, remove
    python3 start.py test [--fast] [pytest arguments]
                                            the tests; --fast: without worker, browser and torch

Needs Python and nothing else. Everything it installs is in .venv beside this file; delete that
folder to undo it. Knows nothing about models or pages: it becomes app.py, the engine or pytest,
and exits with their exit code.

The syntax is that of Python 2.7, so that an old Python can say what is wrong: no annotations, no
f-strings, ASCII only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = (
    os.path.join(VENV, "Scripts", "python.exe")
    if os.name == "nt"
    else os.path.join(VENV, "bin", "python")
)
INSTALL_LOG = os.path.join(VENV, "install.log")
STAMP = os.path.join(
    VENV, "hone-requirements.sha256"
)  # which requirements are installed; written after success
UNFINISHED = os.path.join(
    VENV, "hone-unfinished"
)  # exists while pip writes packages; left behind if it is cut off

DOWNLOADS = "https://www.python.org/downloads/"
COMMANDS = ("check", "inspect", "train", "runs", "show", "queue", "move")
COMMANDS += ("stop", "pause", "continue", "extend", "again", "reply", "merge", "score")
COMMANDS += ("import-adapter", "data", "delete", "delete-data", "delete-all")
# The shell is Chromium without its windows, which saves a third of a page's processor time.
HEADLESS_SHELL = "chromium-headless-shell"
BROWSERS = (
    HEADLESS_SHELL,
    "/usr/bin/chromium",
    "chromium",
    "google-chrome",
    "chromium-browser",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
)

# Folders of packages that take half of the time to compile, and of which a run imports little.
UNCOMPILED = (
    r"site-packages[/\\](?:.*[/\\])?"
    r"(?:tests?|pip|setuptools|phonenumbers|plotly|pygments|transformers[/\\]models)[/\\]"
)

# What pip's log shows, and what to do about it. The first that is found counts.
FAILURE_CAUSES = (
    (
        "No space left|not enough space on the disk",
        "The disk is full. Free some space, then start again.",
    ),
    (
        "NewConnectionError|ConnectTimeout|ReadTimeout|Read timed out|Max retries"
        "|ProxyError|SSLError|name resolution"
        "|getaddrinfo|Network is unreachable|Connection(?:Reset|Aborted)Error|IncompleteRead",
        "The network failed. Check the connection (and the proxy, if there is one), then start "
        "again.",
    ),
    (
        "No matching distribution|requires a different Python",
        "There is no build of it for this computer and Python {}. Use a 64-bit Python 3.11, 3.12 "
        "or 3.13 from {}, then start again.".format(sys.version.split()[0], DOWNLOADS),
    ),
    (
        "Permission denied|Access is denied",
        "A file could not be written. Close Hone if it runs, then start again.",
    ),
    ("", "The log says why; check the network and the disk space, then start again."),
)


def main(arguments):
    """Check, install, run; the exit code."""
    problem = version_problem(sys.version_info, sys.executable)
    if problem:
        return fail_with(problem)
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    testing = arguments[:1] == ["test"]
    in_browser = testing and "--fast" not in arguments
    browser = threading.Thread(target=provide_browser)  # beside pip, which waits for the network
    browser.daemon = True
    try:
        if in_browser:
            browser.start()
        problem = update_environment(
            ["requirements.txt"] + (["requirements-test.txt"] if testing else [])
        )
        if problem:
            return fail_with(problem)
        if in_browser:
            browser.join()
        return run_command(command_for(arguments))
    except KeyboardInterrupt:
        return fail_with("Interrupted. The next start goes on from here.", 130)
    except OSError as error:  # a full disk, a folder that may not be written
        return fail_with(
            "Hone could not be set up: {}. Check the disk space and who owns {}.".format(
                error, ROOT
            )
        )


def fail_with(text, code=1):
    """Say what is wrong; the exit code."""
    sys.stderr.write(text + "\n")
    return code


def version_problem(version, executable):
    """One sentence if this Python cannot run Hone."""
    if (3, 11) <= tuple(version[:2]) <= (3, 13):
        return None
    sentence = (
        "Hone needs Python 3.11, 3.12 or 3.13, and {} is Python {}: get one from {} and start "
        "Hone with it."
    )
    return sentence.format(executable, ".".join(map(str, version[:3])), DOWNLOADS)


def command_for(arguments):
    """The command line for these arguments.

    -P: a module in the user's folder must not hide one of Hone's.
    """
    if arguments[:1] == ["test"]:
        config = os.path.join(ROOT, "pyproject.toml")
        named = any(os.path.exists(argument.split("::")[0]) for argument in arguments[1:])
        tests = [] if named else [os.path.join(ROOT, "tests")]
        return (
            [PYTHON, "-P", "-m", "pytest", "-c", config, "--rootdir", ROOT] + arguments[1:] + tests
        )
    if arguments[:1] == ["user"]:
        return [PYTHON, "-P", "-m", "ui.users"] + arguments[1:]
    if arguments and arguments[0] in COMMANDS:
        return [PYTHON, "-P", "-m", "engine"] + arguments
    return [PYTHON, os.path.join(ROOT, "app.py")] + arguments


def run_command(command):
    """Become the command; on Windows, which cannot, wait for it. The exit code."""
    # PYTHONPATH and not another working folder: relative paths on the command line stay the user's.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    child = subprocess.Popen(command)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            pass  # Ctrl-C is the child's to answer


def update_environment(files):
    """Bring .venv up to date with these requirement files; a sentence if that failed."""
    wanted = [requirements_digest(name) + "  " + name for name in files]
    if (
        os.path.exists(PYTHON)
        and not os.path.exists(UNFINISHED)
        and set(wanted) <= set(read_stamp())
    ):
        return None
    return make_venv() or install_packages(files) or write_stamp(wanted)


def requirements_digest(name):
    """A hash of a requirement file and the Python version: the stamp of what is installed."""
    with open(os.path.join(ROOT, name), "rb") as file:
        return hashlib.sha256(("%d.%d\n" % sys.version_info[:2]).encode() + file.read()).hexdigest()


def read_stamp():
    """What the stamp says is installed, a line per requirement file."""
    if not os.path.exists(STAMP):
        return []
    with open(STAMP, encoding="utf-8") as file:
        return file.read().splitlines()


def write_stamp(wanted):
    """Note what is installed now, beside what other requirement files had brought."""
    names = [line.split()[1] for line in wanted]
    kept = [line for line in read_stamp() if line.split()[1:] and line.split()[1] not in names]
    with open(STAMP + ".new", "w", encoding="utf-8") as file:
        file.write("\n".join(kept + wanted) + "\n")
    os.replace(STAMP + ".new", STAMP)


def make_venv():
    """Make .venv where it is missing, incomplete or of another Python; a sentence on failure."""
    import importlib.util  # not in old Pythons, which never come here

    if venv_works():
        return None
    if not all(importlib.util.find_spec(name) for name in ("venv", "ensurepip")):
        return (
            "This Python cannot make virtual environments. On Debian or Ubuntu: "
            "apt install python3-venv."
        )
    print("Making a virtual environment in {} ...".format(VENV))
    sys.stdout.flush()
    command = [sys.executable, "-m", "venv", "--clear", VENV]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if made.returncode == 0:
        return None
    sentence = (
        "{} could not be made. Check the disk space and delete that folder, then start again. "
        "Python says:\n{}"
    )
    return sentence.format(VENV, made.stdout.decode("utf-8", "replace").strip())


def venv_works():
    """Whether .venv is whole, has pip, and is of this Python version."""
    if os.path.exists(UNFINISHED) or not os.path.exists(PYTHON):
        return False
    ask = [PYTHON, "-c", "import sys, pip; print('%d.%d' % sys.version_info[:2])"]
    try:
        answer = subprocess.run(ask, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:  # cut off while it was copied
        return False
    return answer.stdout.decode().strip() == "%d.%d" % sys.version_info[:2]


def install_packages(files):
    """Install the requirement files in one call of pip, which resolves them together.

    Returns a sentence if that failed.
    """
    print(
        "Installing what Hone needs into {}. This happens once and can take some minutes.".format(
            VENV
        )
    )
    names = [name for file in files for name in requirement_names(file)]
    command = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--progress-bar",
        "off",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
    ]
    for file in files:
        command += ["-r", os.path.join(ROOT, file)]
    environment = dict(os.environ, PYTHONUNBUFFERED="1", PYTHONUTF8="1")
    pip = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    seen, text = [], []
    with open(INSTALL_LOG, "w", encoding="utf-8") as log:
        for line in (raw.decode("utf-8", "replace") for raw in pip.stdout):
            text.append(line)
            log.write(line)
            log.flush()
            if line.startswith("Installing collected packages"):
                open(UNFINISHED, "w").close()
            words = summarise_pip_line(line, names, seen)
            if words:
                print(words)
                sys.stdout.flush()
    if pip.wait() != 0:
        return explain_failure("".join(text))
    compile_packages()
    if os.path.exists(UNFINISHED):
        os.remove(UNFINISHED)
    return None


def compile_packages():
    """Compile what was installed on all cores: pip would take one.

    Large folders of which little is imported are left to that import.
    """
    print("Compiling the packages ...")
    sys.stdout.flush()
    options = ["-q", "-q", "-j", "0", "-x", UNCOMPILED]
    with open(os.devnull, "w") as nowhere:
        command = [PYTHON, "-m", "compileall"] + options + [os.path.join(VENV, "lib")]
        subprocess.call(command, stdout=nowhere, stderr=nowhere)


def requirement_names(file):
    """The names of the packages in a requirement file, in its order."""
    with open(os.path.join(ROOT, file), encoding="utf-8") as lines:
        return [package_name(line) for line in lines if re.match("[A-Za-z0-9]", line)]


def package_name(text):
    """The package in a requirement (torch==2.13.0) or a file name (wheels/torch-2.13.0-...whl)."""
    return re.split(r"[=<>!~;,\[\s]|-\d", re.split(r"[/\\]", text)[-1])[0].lower().replace("_", "-")


def summarise_pip_line(line, names, seen):
    """A line of pip's output in a few words, or None; adds each new package to ``seen``."""
    step = re.match(r"\s*(?:Collecting|Processing|Requirement already satisfied:) (\S+)", line)
    if step and package_name(step.group(1)) in set(names) - set(seen):
        seen.append(package_name(step.group(1)))
        return "Installing {} ({} of {}) ...".format(seen[-1], len(seen), len(names))
    large = re.match(r"\s*Downloading (\S+) \(([\d.]+ [MG]B)\)", line)
    if large:
        return "    downloading {}, {}".format(package_name(large.group(1)), large.group(2))
    if line.startswith("Installing collected packages"):
        return "Writing the packages to the disk ({}) ...".format(line.count(",") + 1)
    return None


def explain_failure(log):
    """Which package could not be installed, why, and what to do next."""
    blamed = re.findall(r"(?:No matching distribution found|Failed building wheel) for (\S+)", log)
    at_work = re.findall(r"^\s*(?:Collecting|Processing|Downloading) (\S+)", log, re.MULTILINE)
    names = [package_name(name) for name in blamed + at_work[-1:]]
    advice = next(advice for pattern, advice in FAILURE_CAUSES if re.search(pattern, log))
    return "Hone could not install {}. {}\nThe full log: {}".format(
        names[0] if names else "its packages", advice, INSTALL_LOG
    )


def find_browser():
    """A Chromium or Chrome for the browser tests, or None."""
    return next((found for found in map(shutil.which, BROWSERS) if found), None)


def provide_browser():
    """Install Chromium where one command does it; elsewhere say how: those tests are skipped."""
    if shutil.which(HEADLESS_SHELL):
        return
    if os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests ...")
        sys.stdout.flush()
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        for words in (["update"], ["install", "-y", HEADLESS_SHELL]):
            subprocess.call(["apt-get", "-qq"] + words, env=quiet, stdout=subprocess.DEVNULL)
    if not find_browser():
        print("No Chromium or Chrome is installed, so the browser tests are skipped. To run them,")
        print("install one (Debian: apt install chromium; else https://www.google.com/chrome/).")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
