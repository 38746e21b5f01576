"""One record of a data set: what was sent, what is known about it, and strict reading of one JSONL line."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sisf.errors import DataError, quoted
from sisf.exchange import Exchange, Message, Role, Sender

Label = Literal["harmful", "benign"]
HumanLabel = Literal["breach", "safe"]

_EXPORTED = "record"
"""What an exported exchange carries besides: nobody may have judged it."""
_KNOWN = frozenset({"id", "text", "messages", "label", "category", "source", "attack", "response", "human_label"})
_OPTIONAL_TEXT = ("category", "source", "attack", "response")
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Record:
    """One line of a data set."""

    id: str
    messages: tuple[Message, ...]
    label: Label | None
    """What kind of prompt it is; None where only the answer was labelled, or an export was judged by nobody."""
    category: str = ""
    source: str = ""
    attack: str = ""
    """Name of the attack technique or strategy, where the data set has one."""
    response: str | None = None
    """A recorded answer; None where there is none."""
    human_label: HumanLabel | None = None
    """A person's verdict on the recorded answer."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Every other key of the line, as it stood."""

    @property
    def prompt(self) -> str:
        """The last user turn."""
        return Exchange(self.messages).prompt

    def exchange(self, response: str | None, *, dataset: str = "", principal: str = "") -> Exchange:
        """The exchange of this record with the answer that was really given; each record is a client of its own."""
        client = principal or f"client-{self.id}"
        return Exchange(self.messages, response, id=exchange_id(dataset, self.id), sender=Sender(principal=client))


def exchange_id(dataset: str, record_id: str) -> str:
    """Ids are unique within a data set; experiments may use several."""
    return f"{dataset}/{record_id}" if dataset else record_id


def parse_line(line: bytes, where: str) -> Record:
    """Read one line. `where` (`file:line`) starts every message. Raises `DataError`."""
    try:
        data = json.loads(line)
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: is not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    except ValueError as error:
        raise DataError(f"{where}: is not valid JSON ({error}); every line must be one JSON object") from None
    except RecursionError:
        raise DataError(f"{where}: is nested too deeply; every line must be one flat JSON object") from None
    if not isinstance(data, dict):
        raise DataError(f"{where}: is a JSON {_kind(data)}; every line must be one JSON object")
    return _record(data, where)


def _record(data: Mapping[str, Any], where: str) -> Record:
    identifier = data.get("id")
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        identifier = str(identifier)
    if not isinstance(identifier, str) or not identifier:
        raise DataError(f"{where}: `id` must be a non-empty string, found {_shown(data, 'id')}")
    label = _one_of(data, "label", ("harmful", "benign"), where)
    human = _one_of(data, "human_label", ("breach", "safe"), where)
    if label is None and human is None and _EXPORTED not in data:
        raise DataError(f"{where}: `label` is missing; write `harmful` or `benign` (or `human_label` for an answer)")
    optional = {key: _text(data, key, where) for key in _OPTIONAL_TEXT}
    response = optional.pop("response")
    return Record(
        id=identifier,
        messages=_messages(data, where),
        label=label,  # type: ignore[arg-type]
        response=response if response and response.strip() else None,
        human_label=human,  # type: ignore[arg-type]
        extra={key: value for key, value in data.items() if key not in _KNOWN},
        **{key: value or "" for key, value in optional.items()},
    )


def _messages(data: Mapping[str, Any], where: str) -> tuple[Message, ...]:
    text, messages = data.get("text"), data.get("messages")
    if messages is None:
        if not isinstance(text, str) or not text:
            raise DataError(
                f"{where}: `text` must be a non-empty string (or give `messages`), found {_shown(data, 'text')}"
            )
        return (Message(Role.USER, text),)
    if text is not None:
        raise DataError(f"{where}: has both `text` and `messages`; keep one of them")
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise DataError(f"{where}: `messages` must be a non-empty list of objects with `role` and `content`")
    return tuple(_message(item, f"{where}: messages[{i}]") for i, item in enumerate(messages))


def _message(item: object, where: str) -> Message:
    if not isinstance(item, Mapping):
        raise DataError(f"{where} must be an object with `role` and `content`, found a {_kind(item)}")
    role, content = item.get("role"), item.get("content")
    if role not in tuple(Role):
        raise DataError(f"{where}.role must be one of {', '.join(Role)}, found {_shown(item, 'role')}")
    if not isinstance(content, str):
        raise DataError(f"{where}.content must be a string, found {_shown(item, 'content')}")
    return Message(Role(role), content)


def _one_of(data: Mapping[str, Any], key: str, allowed: Sequence[str], where: str) -> str | None:
    value = data.get(key)
    if value is None:
        return None
    if value not in allowed:
        raise DataError(
            f"{where}: {quoted(key)} must be {' or '.join(map(quoted, allowed))}, found {_shown(data, key)}"
        )
    return str(value)


def _text(data: Mapping[str, Any], key: str, where: str) -> str | None:
    value = data.get(key)
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"{where}: {quoted(key)} must be a string, found {_shown(data, key)}")


def _shown(data: Mapping[str, Any], key: str) -> str:
    if key not in data:
        return "nothing"
    shown = json.dumps(data[key], ensure_ascii=True)
    return shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"


def _kind(value: object) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
