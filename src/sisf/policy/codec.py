"""Policies as plain data and back: JSON for the store, YAML for people and for git. A closed schema with clear errors.

A policy is written as a mapping of its fields; its condition carries a `form` (`pattern`, `prototypes`, `probe`,
`substitution`). Bytes are base64, times are ISO 8601. Whatever the schema does not name is refused.
"""

import dataclasses
import json
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, get_type_hints

import msgspec
import yaml

from sisf.errors import PolicyError, quoted, reason
from sisf.policy.evidence import Evidence, GateReport, Provenance
from sisf.policy.model import Condition, Pattern, Policy, Probe, Prototypes, Substitution

_FORMS: Mapping[str, type[Pattern] | type[Prototypes] | type[Probe] | type[Substitution]] = {
    "pattern": Pattern,
    "prototypes": Prototypes,
    "probe": Probe,
    "substitution": Substitution,
}
_NAMES = {form: name for name, form in _FORMS.items()}
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,63}")
_DESCRIPTION_LIMIT = 2_000


def condition_to_dict(condition: Condition) -> dict[str, Any]:
    """A condition as plain data, with its `form`."""
    data: dict[str, Any] = _builtins(condition, "condition")
    return {"form": _NAMES[type(condition)], **data}


def condition_from_dict(data: object, where: str = "condition") -> Condition:
    """The inverse of `condition_to_dict`. Raises `PolicyError` that says what is wrong and where."""
    fields = _mapping(data, where)
    form = fields.pop("form", None)
    if not isinstance(form, str) or form not in _FORMS:
        raise PolicyError(f"{where}.form: must be one of {', '.join(_FORMS)}, not {quoted(form)}")
    cls = _FORMS[form]
    return cls(**_convert(cls, fields, where))


def to_dict(policy: Policy) -> dict[str, Any]:
    """A policy as plain data, most telling fields first."""
    data = {f.name: getattr(policy, f.name) for f in dataclasses.fields(policy)}
    condition = condition_to_dict(data.pop("condition"))
    head = {name: data.pop(name) for name in ("id", "description", "status", "action", "direction")}
    tail: dict[str, Any] = _builtins({**head, **data}, f"policy {policy.id}")
    return {**{name: tail.pop(name) for name in head}, "condition": condition, **tail}


def from_dict(data: object, where: str = "policy", *, condition: Condition | None = None) -> Policy:
    """The inverse of `to_dict`, validated. Fields with a default may be left out.

    `condition` stands for one that is kept apart from the rest. Raises `PolicyError` that says what is wrong and where.
    """
    fields = _mapping(data, where)
    if condition is None:
        if "condition" not in fields:
            raise PolicyError(f"{where}: `condition` is missing")
        condition = condition_from_dict(fields.pop("condition"), f"{where}.condition")
    policy = Policy(condition=condition, **_convert(Policy, fields, where, given=("condition",)))
    validate(policy, where)
    return policy


def to_json(policy: Policy) -> str:
    """Compact JSON, pure ASCII."""
    return json.dumps(to_dict(policy), separators=(",", ":"))


def from_json(text: str) -> Policy:
    """The inverse of `to_json`."""
    try:
        return from_dict(json.loads(text), "policy")
    except ValueError as error:
        raise PolicyError(f"policy: is not JSON: {error}") from None


def to_yaml(value: object) -> str:
    """Plain data as reviewable YAML: block style, fields in the given order."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    return text


def from_yaml(text: str, where: str) -> object:
    """YAML as plain data. Raises `PolicyError` when it is not YAML."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PolicyError(f"{where}: is not valid YAML: {reason(error)}") from None


def validate(policy: Policy, where: str = "policy") -> None:
    """Check what types cannot say. Raises `PolicyError`."""
    if not _ID.fullmatch(policy.id):
        raise PolicyError(f"{where}.id: must be 1 to 64 letters, digits, `_`, `.` or `-`, not {quoted(policy.id, 80)}")
    if not policy.description.strip() or len(policy.description) > _DESCRIPTION_LIMIT:
        raise PolicyError(f"{where}.description: must say in 1 to {_DESCRIPTION_LIMIT} characters what it is for")
    if policy.action.value == "allow":
        raise PolicyError(f"{where}.action: a policy cannot `allow`; use block, flag or rewrite")
    _validate_condition(policy.condition, f"{where}.condition")


def _validate_condition(condition: Condition, where: str) -> None:
    match condition:
        case Prototypes():
            _floats(condition.vectors, condition.dimensions, f"{where}.vectors")
            _finite(condition.threshold, f"{where}.threshold")
        case Probe():
            if _floats(condition.weights, condition.dimensions, f"{where}.weights") != 1:
                raise PolicyError(f"{where}.weights: must be one vector of {condition.dimensions} numbers")
            _finite(condition.bias, f"{where}.bias")
            _finite(condition.threshold, f"{where}.threshold")
            for ngram, weight in condition.ngrams.items():
                _finite(weight, f"{where}.ngrams[{quoted(ngram)}]")
        case Pattern() | Substitution():
            if not condition.pattern:
                raise PolicyError(f"{where}.pattern: is empty: it would match every text")


def _floats(packed: bytes, dimensions: int, where: str) -> int:
    count, rest = divmod(len(packed), 4 * dimensions) if dimensions > 0 else (0, 0)
    if count == 0 or rest:
        raise PolicyError(f"{where}: must hold n × {dimensions} float32 numbers, but has {len(packed)} bytes")
    if any(not math.isfinite(number) for (number,) in struct.iter_unpack("<f", packed)):
        raise PolicyError(f"{where}: holds a number that is not finite")
    return count


def _finite(number: float, where: str) -> None:
    if not math.isfinite(number):
        raise PolicyError(f"{where}: must be a finite number")


def _mapping(data: object, where: str) -> dict[str, Any]:
    if not isinstance(data, Mapping) or any(not isinstance(key, str) for key in data):
        raise PolicyError(f"{where}: must be a mapping of names to values, not {type(data).__name__}")
    return dict(data)


def _builtins(value: object, where: str) -> Any:
    try:
        return msgspec.to_builtins(value)
    except (TypeError, ValueError, UnicodeError) as error:
        raise PolicyError(f"{where}: cannot be written as data: {error}") from None


def _convert(cls: type, data: Mapping[str, Any], where: str, given: Sequence[str] = ()) -> dict[str, Any]:
    fields = {f.name: f for f in dataclasses.fields(cls) if f.name not in given}
    for name in data:
        if name not in fields:
            raise PolicyError(f"{where}: unknown key {quoted(name)}; known are {', '.join(sorted(fields))}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in data:
            raise PolicyError(f"{where}: {quoted(name)} is missing")
    hints = _hints(cls)
    return {name: _value(value, hints[name], f"{where}.{name}") for name, value in data.items()}


def _value(value: object, hint: Any, where: str) -> Any:
    nested = _NESTED.get(hint)
    if nested is not None and value is not None:
        return nested(**_convert(nested, _mapping(value, where), where))
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        raise PolicyError(f"{where}: {str(error).replace('$', '').replace(' - at ``', '')}") from None


_NESTED: Mapping[Any, type[Provenance] | type[Evidence] | type[GateReport]] = {
    Provenance: Provenance,
    Evidence: Evidence,
    GateReport | None: GateReport,
}
_HINTS: dict[type, dict[str, Any]] = {}


def _hints(cls: type) -> dict[str, Any]:
    if cls not in _HINTS:
        _HINTS[cls] = get_type_hints(cls)
    return _HINTS[cls]


class _Dumper(yaml.SafeDumper):
    """Writes each policy by itself, and every character so that it comes back as it was."""

    def ignore_aliases(self, _data: object) -> bool:
        """Never write anchors: each policy reads by itself."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Only double quotes bring unusual line breaks and control characters back unchanged.
    unusual = not all(character.isprintable() or character == "\n" for character in text)
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if unusual else None)


_Dumper.add_representer(str, _represent_text)


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys and leaves times as text, which the schema then reads."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping; a key that stands twice is an error, not a silent choice."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        doubles = {str(key) for key in keys if keys.count(key) > 1}
        if doubles:
            raise yaml.YAMLError(f"key {quoted(sorted(doubles)[0])} stands twice, line {node.start_mark.line + 1}")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in rules if tag != "tag:yaml.org,2002:timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
