"""What is made once for all texts is made before any text needs it on an event loop."""

import importlib
import inspect
import pkgutil
from functools import cache

import pytest

import sisf.text
from sisf.text import once


def _made_once() -> dict[str, object]:
    """Every function of the package that takes nothing and keeps what it returns."""
    found: dict[str, object] = {}
    for module in pkgutil.iter_modules(sisf.text.__path__):
        for name, value in vars(importlib.import_module(f"sisf.text.{module.name}")).items():
            wrapped = getattr(value, "__wrapped__", None)
            if hasattr(value, "cache_info") and wrapped is not None and not inspect.signature(wrapped).parameters:
                found[f"{module.name}.{name}"] = value
    return found


def test_every_table_is_among_those_that_are_made_beforehand() -> None:
    made = _made_once()
    known = {id(each) for each in once._MADE_ONCE}
    assert len(made) > 20
    assert [name for name, each in made.items() if id(each) not in known] == []


def test_all_are_made_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    tables = [cache(lambda name=name: calls.append(name)) for name in "abc"]
    monkeypatch.setattr(once, "_MADE_ONCE", tables)
    once.make_all()
    once.make_all()
    tables[0]()
    assert calls == ["a", "b", "c"]


def test_making_ends_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(once, "_MADE_ONCE", [cache(lambda name=name: calls.append(name)) for name in "abc"])
    once.make_all(lambda: len(calls) < 2)
    assert calls == ["a", "b"]
