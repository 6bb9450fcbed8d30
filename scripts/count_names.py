"""Count what makes code hard to navigate: names with two meanings, one-word names, long lines.

    python3 scripts/count_names.py [FOLDER] [--list]

Counts engine/, ui/, app.py and start.py below FOLDER (this project by default); ``--list`` names
what was counted. Needs the standard library alone, so it also counts an older checkout.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

WIDTH = 100
PRIVATE_WORDS = re.compile(r"told|foretold", re.IGNORECASE)


def sources(root: Path) -> Iterator[Path]:
    """The Python files that run when Hone runs."""
    for folder in ("engine", "ui"):
        yield from sorted((root / folder).rglob("*.py"))
    yield from (path for path in (root / "app.py", root / "start.py") if path.exists())


def top_level_names(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and constants of a module; not those that every module has."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def functions(tree: ast.Module) -> Iterator[str]:
    """Names of functions and methods, without dunders."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name[:2] != "__":
            yield node.name


def all_names(tree: ast.Module) -> Iterator[str]:
    """Every name that the code itself gives: definitions, variables, parameters, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg | ast.keyword) and node.arg:
            yield node.arg
        elif isinstance(node, ast.Attribute):
            yield node.attr


def conditionals(tree: ast.Module) -> tuple[int, int, int]:
    """Conditional expressions: all, those inside another, and lines that hold more than one."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.IfExp)]
    nested = sum(
        any(isinstance(inner, ast.IfExp) for inner in ast.walk(node) if inner is not node)
        for node in found
    )
    lines = Counter(node.lineno for node in found)
    return len(found), nested, sum(count > 1 for count in lines.values())


def is_one_word(name: str) -> bool:
    return "_" not in name.strip("_")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parent.parent)
    parser.add_argument("--list", action="store_true", help="name what was counted")
    options = parser.parse_args()
    where: defaultdict[str, list[str]] = defaultdict(list)
    words: list[str] = []
    total = code_lines = wide = ternaries = nested = crowded = 0
    private: set[str] = set()
    for path in sources(options.folder):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        name = path.relative_to(options.folder).as_posix()
        for defined in set(top_level_names(tree)):
            where[defined].append(name)
        words += functions(tree)
        private |= {f"{name}: {one}" for one in all_names(tree) if PRIVATE_WORDS.search(one)}
        counts = conditionals(tree)
        ternaries, nested, crowded = (
            ternaries + counts[0],
            nested + counts[1],
            crowded + counts[2],
        )
        lines = text.splitlines()
        total += len(lines)
        code_lines += sum(bool(line.strip()) for line in lines)
        wide += sum(len(line) > WIDTH for line in lines)
    several = {name: files for name, files in where.items() if len(files) > 1}
    single = Counter(name for name in words if is_one_word(name))
    of = len(words)
    print(f"lines                                      {total:,} ({code_lines:,} not blank)")
    print(
        f"names defined in more than one module      {100 * len(several) / len(where):.1f} %"
        f" ({len(several)} of {len(where)})"
    )
    print(
        f"functions with a name of one word          {100 * single.total() / of:.1f} %"
        f" ({single.total()} of {of})"
    )
    print(
        f"conditional expressions per 1,000 lines    {1000 * ternaries / total:.1f}"
        f" ({ternaries}; nested {nested}; lines with more than one {crowded})"
    )
    print(f"lines over {WIDTH} characters                   {100 * wide / total:.1f} % ({wide})")
    print(f"names with told or foretold                {len(private)}")
    if options.list:
        for name, files in sorted(several.items(), key=lambda item: -len(item[1])):
            print(f"{name}: {', '.join(files)}")
        print(f"of one word: {dict(single.most_common())}")
        print("\n".join(sorted(private)))


if __name__ == "__main__":
    main()
