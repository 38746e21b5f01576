"""Write docs/configuration.md from `sisf.settings`: every key with its default and its meaning.

Run it after a setting has changed; `tests/test_docs.py` fails until then, and on a setting without a docstring.
"""

import ast
import inspect
import types
import typing
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from sisf import settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
HEAD = """\
# Configuration

Written by `python scripts/configuration.py` from `src/sisf/settings`.

Everything is one file, `sisf.yaml`, named by `--config`, by `SISF_CONFIG`, or found in the working folder. It is
validated before anything starts, and unknown keys are refused. `${VAR}` and `${VAR:default}` in it are taken from the
environment. Every key is also an environment variable: `SISF_LISTEN__PORT=9000` sets `listen.port`. Lists, maps
and whole sections are JSON there: `SISF_ADJUDICATION__FALLBACK='["local"]'`, `SISF_UPSTREAMS='{"b": {"url": "http://b/v1"}}'`.
Command-line options win over the environment, which wins over the file.

```yaml
upstream: {url: "http://127.0.0.1:8000/v1", api_key: "${UPSTREAM_KEY:}"}
adjudication: {mode: inline}
store: {url: "sqlite:///sisf.db"}
```

Three more variables are no settings: `SISF_CONFIG` (above), `SISF_CACHE_DIR` (where converted models and fetched data
are kept) and `SISF_DATA_DIR` (where named data sets are found).
"""


def page() -> str:
    """The whole page. Raises `ValueError` that names every setting without a docstring."""
    writer = _Writer()
    defaults = settings.Settings()
    top: list[str] = []
    sections: list[str] = []
    for name in settings.Settings.model_fields:
        value = getattr(defaults, name)
        if isinstance(value, BaseModel):
            about = inspect.cleandoc(type(value).__doc__ or "")
            sections.append(f"\n## `{name}`\n\n{about}\n\n{_table(writer.rows(f'{name}.', value))}")
        else:
            top.append(writer.row("", defaults, name))
    if writer.missing:
        raise ValueError(f"no docstring in src/sisf/settings: {', '.join(writer.missing)}")
    return HEAD + "\n" + _table(top) + "".join(sections)


class _Writer:
    """Turns sections into rows of tables, and keeps what has no docstring."""

    def __init__(self) -> None:
        self._docs = _docstrings()
        self.missing: list[str] = []

    def rows(self, prefix: str, section: BaseModel) -> list[str]:
        found: list[str] = []
        for name in type(section).model_fields:
            value = getattr(section, name)
            found.append(self.row(prefix, section, name))
            if isinstance(value, BaseModel):
                found += self.rows(f"{prefix}{name}.", value)
        return found

    def row(self, prefix: str, section: BaseModel, name: str) -> str:
        field = type(section).model_fields[name]
        meaning = _choices(field) + self._meaning(section, name, prefix)
        return f"| `{prefix}{name}` | {_default(getattr(section, name))} | {meaning} |"

    def _meaning(self, section: BaseModel, name: str, prefix: str) -> str:
        for cls in type(section).__mro__:
            if found := self._docs.get(f"{cls.__name__}.{name}"):
                return " ".join(found.split()).replace("|", "\\|")
        self.missing.append(f"{prefix}{name} ({type(section).__name__}.{name})")
        return ""


def _default(value: Any) -> str:
    shown = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(shown, tuple):
        shown = f"[{', '.join(shown)}]" if shown else ""
    if shown is None or shown in ("", {}) or isinstance(shown, BaseModel):
        return ""
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


def _choices(field: FieldInfo) -> str:
    kinds: tuple[Any, ...] = (field.annotation,)
    if typing.get_origin(field.annotation) in (types.UnionType, typing.Union, tuple):
        kinds = typing.get_args(field.annotation)
    found = [choice for kind in kinds if typing.get_origin(kind) is Literal for choice in typing.get_args(kind)]
    return f"{', '.join(f'`{choice}`' for choice in found)}. " if found else ""


def _table(rows: list[str]) -> str:
    return "\n".join(["| key | default | |", "|---|---|---|", *rows]) + "\n"


def _docstrings() -> dict[str, str]:
    """`Class.field` to the docstring under it."""
    found: dict[str, str] = {}
    files = sorted(Path(settings.__path__[0]).glob("*.py"))
    for cls in chain.from_iterable(ast.parse(file.read_text(encoding="utf-8")).body for file in files):
        if not isinstance(cls, ast.ClassDef):
            continue
        for statement, after in zip(cls.body, cls.body[1:], strict=False):
            if (
                isinstance(statement, ast.AnnAssign)
                and isinstance(statement.target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
            ):
                found[f"{cls.name}.{statement.target.id}"] = str(after.value.value)
    return found


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.name}: {page().count(chr(10))} lines")
