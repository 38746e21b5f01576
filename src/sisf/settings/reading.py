"""Reads `sisf.yaml`, the environment and what the command line says into one `Settings`."""

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import platformdirs
import yaml
from pydantic import BaseModel, ValidationError

from sisf.errors import ConfigurationError, quoted, reason
from sisf.settings.model import Settings
from sisf.settings.removed import REMOVED

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")
_PREFIX = "SISF_"
_MERGE = "tag:yaml.org,2002:merge"
_EXAMPLES = """'["a", "b"]' or '{"key": "value"}'"""
_MOST_TOLD = 8
"""Wrong keys that are named at a time; a file that is no configuration at all has as many as it has lines."""
_BETWEEN = re.compile(r"[._\s-]+")
_NOT_SETTINGS = {"SISF_DATA_DIR", "SISF_CACHE_DIR", "SISF_CONFIG"}
_OF_TESTS = ("SISF_TEST_", "SISF_SOAK_")
"""What the project's own tests are told by the environment, which the programs that they start inherit."""
_WISHES = {
    "model_type": "a section with keys of its own",
    "dict_type": "a section with keys of its own",
    "tuple_type": "a list",
    "list_type": "a list",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "a text (in YAML, put it in quotes)",
    "invalid_key": "the name of a setting (in YAML, put it in quotes)",
}
"""What pydantic's kinds of error ask for."""
_A: dict[type, str] = {list: "a list", str: "a text"}


def cache_dir() -> Path:
    """The user's cache for converted models and fetched data (`SISF_CACHE_DIR` overrides)."""
    return Path(os.environ.get("SISF_CACHE_DIR") or platformdirs.user_cache_dir("sisf"))


def load(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Read, interpolate, merge and validate. `overrides` maps dotted keys to values and wins over everything.

    Raises `ConfigurationError` that names every wrong key and where it stands.
    """
    data: dict[str, Any] = _read(path, environment) if path else {}
    for name, value in environment.items():
        if _is_setting(name):
            keys = name[len(_PREFIX) :].lower().split("__")
            _assign(data, keys, _from_text(keys, value, where=name), where=name)
    for key, value in (overrides or {}).items():
        _assign(data, key.split("."), value, where=key)
    try:
        return Settings.model_validate(data)
    except ValidationError as error:
        found = _origins(path, overrides or {}, environment)
        told = _problems(error.errors(), data, found, path)
        more = [f"and {len(told) - _MOST_TOLD} more"] if len(told) > _MOST_TOLD else []
        raise ConfigurationError("; ".join(told[:_MOST_TOLD] + more)) from None


def _is_setting(name: str) -> bool:
    """Whether a variable of the environment is a setting."""
    return name.startswith(_PREFIX) and name not in _NOT_SETTINGS and not name.startswith(_OF_TESTS)


def origins(path: Path | None = None, *, overrides: Mapping[str, Any] | None = None) -> Mapping[str, str]:
    """Where each setting that is given comes from, by its dotted key: the last one that says it counts."""
    return _origins(path, overrides or {}, os.environ)


def _origins(path: Path | None, overrides: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, str]:
    found = {key: str(path) for key in _dotted(_read(path, environment) if path else {})}
    for name in environment:
        if _is_setting(name):
            found[name[len(_PREFIX) :].lower().replace("__", ".")] = name
    return found | dict.fromkeys(overrides, "command line")


def _dotted(data: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for name, value in data.items():
        keys += _dotted(value, f"{prefix}{name}.") if isinstance(value, dict) and value else [f"{prefix}{name}"]
    return keys


def _from_text(keys: list[str], value: str, *, where: str) -> Any:
    """A list, a map or a section stands in a variable as JSON; everything else as it is.

    Where a setting is either a word or one of those, what begins as JSON does is JSON.
    """
    kinds = _kinds(keys)
    if not any(map(_is_whole, kinds)) or (not all(map(_is_whole, kinds)) and not value.lstrip().startswith(("{", "["))):
        return value
    try:
        found = json.loads(value)
    except ValueError as error:
        if sections := [kind for kind in kinds if _is_section(kind)]:
            each = f"{where}__{next(iter(sections[0].model_fields)).upper()}"
            raise ConfigurationError(f"{where}: is a section; set its keys, such as {each}") from None
        raise ConfigurationError(f"{where}: must be JSON, such as {_EXAMPLES}: {error}") from None
    if not isinstance(found, list | dict):
        raise ConfigurationError(f"{where}: must be a JSON list or object, such as {_EXAMPLES}")
    return found


def _kinds(keys: list[str]) -> list[Any]:
    """What the setting may be; nothing where there is no such setting: that is said when all are validated."""
    kinds: list[Any] = [Settings]
    for key in keys:
        kinds = [inner for kind in kinds for inner in _within(kind, key)]
    return kinds


def _within(kind: Any, key: str) -> list[Any]:
    if _is_section(kind):
        field = kind.model_fields.get(key)
        return [] if field is None else _members(field.annotation)
    return _members(get_args(kind)[1]) if get_origin(kind) is dict else []


def _members(kind: Any) -> list[Any]:
    return list(get_args(kind)) if get_origin(kind) in (Union, UnionType) else [kind]


def _is_whole(kind: Any) -> bool:
    """Whether it is a list, a map or a section."""
    return get_origin(kind) in (dict, tuple, list) or _is_section(kind)


def _is_section(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _problems(
    wrong: Sequence["ErrorDetails"], data: Mapping[str, Any], found: Mapping[str, str], path: Path | None
) -> list[str]:
    """What is wrong with each key, once. Where a setting may be of several kinds, what is wrong within the one that was
    given, or else what it may be."""
    places = [_place(each, data) for each in wrong]
    made: dict[tuple[str, ...], str] = {}
    for each, place in zip(wrong, places, strict=True):
        if any(other[: len(place)] == place and other != place for other in places):
            continue
        if place not in made:
            made[place] = _problem(each, place, found, path)
        elif (more := wish(each).removeprefix("must be ")) not in made[place]:
            made[place] += f", or {more}"
    return list(made.values())


def _place(wrong: "ErrorDetails", given: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys that lead to what is wrong, without the kinds that a setting may be of: pydantic names them, too."""
    place: list[str] = []
    data: Any = given
    for part in wrong["loc"]:
        inner: Any = dict(enumerate(data)) if isinstance(data, list) else data
        if isinstance(inner, dict) and part in inner:
            data = inner[part]
            place.append(str(part))
    if wrong["type"] == "missing":
        place.append(str(wrong["loc"][-1]))
    return tuple(place)


def _problem(wrong: "ErrorDetails", place: tuple[str, ...], found: Mapping[str, str], path: Path | None) -> str:
    """What is wrong with one key, after where it was said: in the file, a variable or an option."""
    key = ".".join(place)
    near = (where for name, where in found.items() if f"{name}.".startswith(f"{key}.") or key.startswith(f"{name}."))
    where = found.get(key) or next(near, None) or str(path or "configuration")
    if wrong["type"] != "extra_forbidden":
        return f"{where}: {quoted(key)}: {wish(wrong)}"
    if key in REMOVED:
        return f"{where}: {quoted(key)} was removed: {REMOVED[key]}; delete it"
    meant = _meant(place)
    if meant and where.startswith(_PREFIX):
        meant = _PREFIX + meant.upper().replace(".", "__")
    elif meant == key:
        return f"{where}: unknown key {quoted(key)}: write {quoted(place[-1].rpartition('.')[2])} below its section"
    return f"{where}: unknown key {quoted(key)}" + (f"; did you mean {quoted(meant)}?" if meant else "")


def _meant(place: tuple[str, ...]) -> str:
    """The setting that an unknown key may have meant, empty where there is none: the same words with other signs
    between them, or else what is spelled nearly like it in its section."""
    words = _words(".".join(place)).removeprefix(_PREFIX.lower())
    for name in every_setting():
        if _words(name) == words:
            return name
    *above, name = place
    known = [field for kind in _kinds(above) if _is_section(kind) for field in kind.model_fields]
    near = difflib.get_close_matches(name, known, 1)
    return ".".join([*above, *near]) if near else ""


def _words(name: str) -> str:
    return _BETWEEN.sub("_", name.lower())


def every_setting(section: type[BaseModel] = Settings, prefix: str = "") -> Iterator[str]:
    """Every setting and section, by its dotted key."""
    for name, field in section.model_fields.items():
        inner = [kind for kind in _members(field.annotation) if _is_section(kind)]
        yield f"{prefix}{name}"
        for kind in inner:
            yield from every_setting(kind, f"{prefix}{name}.")


def wish(wrong: "ErrorDetails") -> str:
    """What a value should have been, in words for who wrote it. Never shows the value: it may be a secret."""
    if wrong["type"] in _WISHES:
        return f"must be {_WISHES[wrong['type']]}"
    if wrong["type"] in ("literal_error", "enum"):
        return f"must be {wrong['ctx']['expected'].replace(chr(39), '`')}"
    said = wrong["msg"].removeprefix("Value error, ")
    return said.replace("Input should be", "must be", 1).replace("Input should", "must", 1)


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice: the first one would silently count for nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As it is, once each key is known to stand there once."""
        seen = set[str]()
        for key, _ in node.value:
            if not isinstance(key.value, str) or key.tag == _MERGE:
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{quoted(key.value)} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _read(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        loaded = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader
        if loaded is None:
            return {}
        if not isinstance(loaded, dict):
            raise ConfigurationError(
                f"{path}: must be settings, each a `key: value`, not {_A.get(type(loaded), 'a value')}"
            )
        whole = _without_empty(loaded, [])
        return {key: _interpolate(value, environment, str(path)) for key, value in whole.items()}
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not valid YAML: {reason(error)}") from None


def _without_empty(data: dict[Any, Any], above: list[str]) -> dict[Any, Any]:
    """Without the sections, lists and maps below which nothing stands, as where every line of one is commented out."""
    kept = {}
    for key, value in data.items():
        keys = [*above, str(key)]
        kinds = _kinds(keys)
        if value is None and any(map(_is_whole, kinds)) and type(None) not in kinds:
            continue
        kept[key] = _without_empty(value, keys) if isinstance(value, dict) else value
    return kept


def _interpolate(value: Any, environment: Mapping[str, str], where: str) -> Any:
    if isinstance(value, dict):
        return {key: _interpolate(item, environment, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_interpolate(item, environment, where) for item in value]
    if not isinstance(value, str):
        return value

    def replace(found: re.Match[str]) -> str:
        name, default = found.group(1), found.group(2)
        if name in environment:
            return environment[name]
        if default is None:
            raise ConfigurationError(f"{where}: ${{{name}}} is not set in the environment and has no default")
        return default

    return _VARIABLE.sub(replace, value)


def _assign(data: dict[str, Any], keys: list[str], value: Any, *, where: str) -> None:
    for key in keys[:-1]:
        child = data.setdefault(key, {})
        if not isinstance(child, dict):
            raise ConfigurationError(f"{where}: {quoted(key)} is a value, not a section")
        data = child
    data[keys[-1]] = value
