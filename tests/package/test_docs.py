"""What the documents name is there: tests, paths, links, targets of make; and each planted bug can still be planted."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
FOLDERS = "tests|lambda|constructs|docs|local_cloud|benchmarks|demo"
PATH = re.compile(rf"(?<!\.com/)\b(?:{FOLDERS})/[\w./*-]*[\w*]")
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# `test_…` or `test_…*`, but not the name of a file.
TEST = re.compile(r"\b(test_\w+)(\*?)(?![\w*]|\.py)")
IN_FILE = re.compile(r"`(test_\w+)(\*?)` in `(tests/[\w/]+\.py)`")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
TARGET = re.compile(r"`make ([a-z][a-z-]*)|^make ([a-z][a-z-]*)", re.MULTILINE)


@cache
def names_in(path: Path) -> frozenset[str]:
    """Name the tests in a file."""
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))


@cache
def all_tests() -> frozenset[str]:
    """Name the tests of every file."""
    return frozenset().union(*map(names_in, (ROOT / "tests").rglob("test_*.py")))


def is_found(name: str, *, is_beginning: bool, tests: frozenset[str]) -> bool:
    """Tell whether a test is named so, or begins so."""
    return any(test.startswith(name) for test in tests) if is_beginning else name in tests


@cache
def anchors(document: Path) -> frozenset[str]:
    """Give the anchors of the headings of a document, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text("utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    """A reader who follows a name finds what it stands for."""
    text = document.read_text("utf-8")
    prose = CODE.sub("", text)
    missing = [path for path in PATH.findall(text) if not list(ROOT.glob(path))]
    missing += [
        name + star
        for name, star in TEST.findall(prose)
        if not is_found(name, is_beginning=bool(star), tests=all_tests())
    ]
    missing += [
        f"{name} in {path}"
        for name, star, path in IN_FILE.findall(text)
        if not is_found(name, is_beginning=bool(star), tests=names_in(ROOT / path))
    ]
    for link, anchor in LINK.findall(text):
        if not link.startswith("http"):
            target = document.parent / link if link else document
            if not target.exists() or (anchor and anchor not in anchors(target)):
                missing.append(f"({link}#{anchor})")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    missing += [f"make {one or other}" for one, other in TARGET.findall(text) if (one or other) not in targets]
    assert missing == []


def test_what_the_makefile_runs_is_there() -> None:
    """A target that names a file that has gone fails only when somebody needs it."""
    paths = PATH.findall((ROOT / "Makefile").read_text("utf-8"))
    assert paths
    assert [path for path in paths if not list(ROOT.glob(path))] == []


def test_each_planted_bug_can_be_planted() -> None:
    """`make mutants` takes hours; that the code it changes is still so takes none."""
    planted = tomllib.loads((ROOT / "tests/mutants/planted.toml").read_text("utf-8"))["mutant"]
    assert planted
    gone = [
        mutant["name"]
        for mutant in planted
        if (ROOT / "lambda" / mutant["module"]).read_text("utf-8").count(mutant["before"]) != 1
        or not all((ROOT / folder).exists() for folder in mutant["tests"])
    ]
    assert gone == []
    reliability = (ROOT / "docs/reliability.md").read_text("utf-8")
    assert f"| {len(planted)} in `tests/mutants/planted.toml`" in reliability
