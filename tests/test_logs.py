"""Log events are stable keys that one can alert on: snake_case, literal, and listed in the documentation."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def _events() -> Iterator[tuple[str, ast.expr]]:
    """Where something is logged, and the event."""
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            logger = ast.unparse(node.func.value)
            if node.func.attr in _LEVELS and (logger in ("log", "_log") or "get_logger" in logger):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0]


def test_every_event_is_a_key_that_the_documentation_explains() -> None:
    written = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = list(_events())
    assert len(found) > 20
    for where, event in found:
        key = ast.literal_eval(event)  # raises where the event is not literal
        assert isinstance(key, str), where
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", key), f"{where}: {key!r} is no key"
        assert f"`{key}`" in written, f"{where}: docs/operations.md does not explain {key!r}"
