"""One way to show a name or a value in a message."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sisf
from sisf.errors import counted, quoted

NOT_SHOWN = {"gateway/siblings.py"}
"""Writes figures for machines."""


@given(st.text(), st.integers(1, 50))
def test_whatever_is_quoted_is_one_line_that_a_terminal_only_shows(text: str, most: int) -> None:
    shown = quoted(text, most)
    assert shown.isprintable()
    assert shown.encode("utf-8")
    assert (shown[0], shown[-1]) == ("`", "`")
    assert len(shown) <= 10 * most + 3


def test_what_can_be_shown_is_shown_as_it_is() -> None:
    assert quoted(r"\bnaïve “x”") == r"`\bnaïve “x”`"
    assert quoted("a\nb\x1b[2J") == r"`a\nb\x1b[2J`"
    assert quoted("abc", 2) == "`ab…`"
    assert quoted("abc" * 100, None) == f"`{'abc' * 100}`"


@pytest.mark.parametrize(
    ("number", "what", "said"),
    [
        (0, "exchange", "0 exchanges"),
        (1, "policy", "1 policy"),
        (2_000, "policy", "2,000 policies"),
        (1, "breach", "1 breach"),
        (2, "breach", "2 breaches"),
        (3, "key", "3 keys"),
    ],
)
def test_one_of_something_is_not_several(number: int, what: str, said: str) -> None:
    assert counted(number, what) == said


def test_no_message_shows_a_value_in_another_way() -> None:
    root = Path(sisf.__file__).parent
    for path in root.rglob("*.py"):
        if str(path.relative_to(root)) in NOT_SHOWN:
            continue
        for raised in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Raise)):
            for part in ast.walk(raised):
                if isinstance(part, ast.JoinedStr):
                    where = f"{path}:{part.lineno}"
                    values = [each for each in part.values if isinstance(each, ast.FormattedValue)]
                    shown = [
                        each for each in values if not (isinstance(each.value, ast.Name) and each.value.id == "error")
                    ]
                    assert not any(each.conversion == ord("r") for each in shown if not _is_module(each)), where
                    assert "`" not in _before_values(part), where


def _is_module(value: ast.FormattedValue) -> bool:
    """Python's own words for a missing attribute of a module."""
    return isinstance(value.value, ast.Name) and value.value.id in {"__name__", "name"}


def _before_values(part: ast.JoinedStr) -> str:
    """The character before each value where the one behind it is a backtick."""
    ends = []
    for one, value, other in zip(part.values, part.values[1:], part.values[2:], strict=False):
        if isinstance(value, ast.FormattedValue) and isinstance(one, ast.Constant) and isinstance(other, ast.Constant):
            before, behind = str(one.value)[-1:], str(other.value)[:1]
            ends += ["`"] if before == behind == "`" else []
    return "".join(ends)
