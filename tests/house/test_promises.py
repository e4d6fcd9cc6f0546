"""Every promise of the threat model names a test, and the test exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "security.md"
ROW = re.compile(r"^\| ([A-Z]\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
PROMISES = ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_the_page_promises_something_and_numbers_it_once() -> None:
    numbers = [number for number, _, _ in PROMISES]

    assert len(numbers) >= 15
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(("number", "promise", "shown"), PROMISES, ids=lambda one: one[:3])
def test_a_promise_is_shown_by_tests_that_exist(number: str, promise: str, shown: str) -> None:
    named = re.findall(r"`([^`]+)`", shown)

    assert named, f"{number} names no test: {promise}"
    assert [one for one in named if not _exists(one)] == []


def _exists(named: str) -> bool:
    path, _, test = named.partition("::")
    file = ROOT / path
    if not path.startswith("tests/") or not file.is_file():
        return False
    if not test:
        return True
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == test
        for node in tree.body
    )
