"""The examples and the snippets of docs/in-process.md do what they show."""

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from sisf.testing import ScriptedServer
from tests.documents import WITH_FEW

ROOT = Path(__file__).resolve().parents[2]
_NEEDS = {"langchain_agent": ("langchain", "langchain_openai"), "openai_agents": ("agents",), "in_process": ()}
_FRAMEWORKS = ("langchain", "langchain_openai", "agents")


def _missing(names: tuple[str, ...]) -> str:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed: `make test-integrations` installs it" if absent else ""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", sorted(_NEEDS))
def test_an_example_learns_and_blocks(name: str, tmp_path: Path) -> None:
    if reason := _missing(_NEEDS[name]):
        pytest.skip(reason)
    done = subprocess.run(
        [sys.executable, "-c", WITH_FEW, str(ROOT / "examples" / f"{name}.py")],
        cwd=tmp_path,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    assert done.returncode == 0, done.stderr
    said = dict(line.split(":", 1) for line in done.stdout.splitlines())
    assert "Sure, here is" in said["before"]
    assert "blocked" in said["after"] or "can't help" in said["after"]
    assert "Sure, here is" in said["honest"]
    assert list(tmp_path.iterdir()) == []


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the snippets share: a name space, and a server where OpenAI's would be."""
    made: dict[str, Any] = {}
    with ScriptedServer() as server:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield made
        for name in ("client", "polite"):
            if name in made:
                made[name].close()
        if "guard" in made:
            made["guard"].close()
    structlog.reset_defaults()


@pytest.mark.usefixtures("few_documents")
def test_the_snippets_of_the_page_run(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "in-process.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.+?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(snippets) >= 8
    ran = 0
    for snippet in snippets:
        needed = tuple(name for name in _FRAMEWORKS if re.search(rf"^from {name}\b", snippet, re.MULTILINE))
        if not _missing(needed):
            exec(compile(snippet, "docs/in-process.md", "exec"), names)
            ran += 1
    assert ran >= 5
    assert "A scripted answer." in capsys.readouterr().out
    assert names["answer"] == "An answer."
