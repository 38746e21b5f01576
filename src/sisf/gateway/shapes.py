"""What an API may send, as data: which keys and types are known, where text stands, and what nobody can inspect.

A dialect describes its documents with the shapes below, and a `Reader` takes a document along them. Nothing is exempt
by its looks: every string is inspected unless the table names its place as a protocol's word, an id or a seal, and it
is one. What a table does not name is refused in requests, and inspected in answers.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sisf.exchange import Message, Role
from sisf.gateway.expressions import readings
from sisf.gateway.logprobs import logprob_texts
from sisf.gateway.spelled import spelled
from sisf.gateway.texts import data_url, is_opaque_id, is_padding, is_sealed, joined, leaves, with_embedded
from sisf.gateway.wire import Uninspectable
from sisf.pipeline.turn import Image
from sisf.settings import Unseen


@dataclass(frozen=True, slots=True)
class Text:
    """A string that is inspected as a text of its own."""

    json: bool = False
    """It may be JSON, whose escapes hide what it says: it is read decoded, too."""
    short: bool = False
    """A name or a label: read together with the other short strings around it."""
    expression: bool = False
    """A regular expression or a grammar, which is also read as what it has a model write."""


@dataclass(frozen=True, slots=True)
class Word:
    """One of the protocol's own words, which says nothing; any other string is inspected."""

    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class Id:
    """An id that a machine made, inspected unless there is nothing to read in it."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What an upstream encrypted or signed for itself, inspected unless there is nothing to read in it."""

    padding: bool = False
    """Random characters that hide how long a piece is, instead."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number, true, false, or a list or object of numbers (`deep`)."""

    deep: bool = False


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON, all of it inspected, keys included: schemas, arguments, metadata."""


@dataclass(frozen=True, slots=True)
class Closed:
    """What nobody can inspect: refused unless the settings let this kind pass."""

    kind: Unseen


@dataclass(frozen=True, slots=True)
class Logprobs:
    """Log probabilities of the text that stands in the same object under the key `of`."""

    of: str = "text"


@dataclass(frozen=True, slots=True)
class Many:
    """An array."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Record:
    """An object with known keys."""

    keys: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose known keys depend on its `type`."""

    types: Mapping[str, "Shape"]
    default: str = ""
    """What an object without a type is."""
    other: "Shape | None" = None
    """What types that are not listed are; None: unknown."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """A string, an array or an object, each of its own shape; None: unknown."""

    text: "Shape | None" = None
    array: "Shape | None" = None
    object: "Shape | None" = None


@dataclass(frozen=True, slots=True)
class Together:
    """All texts within are inspected as one: a tool with its parameters."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Aside:
    """Texts within are inspected, but are no part of what was said: neither recorded nor judged."""

    of: "Shape"


Shape = (
    Text | Word | Id | Seal | Number | Anything | Closed | Logprobs | Many | Record | Tagged | OneOf | Together | Aside
)


def words(listed: str) -> Word:
    """The words of a string, separated by spaces."""
    return Word(frozenset(listed.split()))


def keys(shape: "Shape", listed: str) -> "dict[str, Shape]":
    """The same shape under each of these keys."""
    return {key: shape for key in listed.split()}  # noqa: C420 - `dict.fromkeys` would have a narrower type


@dataclass(slots=True)
class Reader:
    """Takes documents along their shapes and gathers what they say."""

    lenient: bool = False
    """An upstream's answer: what is unknown is inspected instead of refused."""
    open_kinds: Collection[str] = ()
    """Kinds of what cannot be inspected that pass, by the settings."""
    messages: list[Message] = field(default_factory=list)
    aside: list[Message] = field(default_factory=list)
    """Texts that are inspected and no part of what was said."""
    looks: bool = False
    """Whether images that stand in the document itself are looked at."""
    images: list[Image] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    """Places of what was let through unseen."""
    short: list[str] = field(default_factory=list)
    """Short strings that were met since `collected` began."""

    def read(self, shape: Shape, value: Any, role: Role, place: str) -> None:
        """Gather the texts of `value`. Raises `Uninspectable` for what is neither known nor open."""
        if value is not None:
            _READERS[type(shape)](self, shape, value, role, place)

    @contextmanager
    def collected(self, role: Role, place: str, *, aside: bool = False) -> Iterator[None]:
        """Short strings that are met within become one text."""
        outer, self.short = self.short, []
        try:
            yield
        finally:
            if self.short:
                where = self.aside if aside else self.messages
                where.append(Message(role, "\n".join(self.short), place))
            self.short = outer

    def beside(self) -> list[Message]:
        """What was found beside what was said, short strings that nobody collected among it."""
        left = [Message(Role.ASSISTANT, "\n".join(self.short), "short")] if self.short else []
        return [*self.aside, *left]

    def _text(self, shape: Text, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, str):
            self._misplaced(shape, value, role, place)
        elif shape.short and len(value) <= _SHORT and " " not in value:
            self.short.append(value)
        elif shape.json or shape.expression:
            self.messages += with_embedded(role, value, place) if shape.json else [Message(role, value, place)]
            if shape.expression and (found := readings(value)):
                self.messages.append(Message(role, "\n".join(found), f"{place} (matched)"))
        elif value:
            self.messages.append(Message(role, value, place))

    def _word(self, shape: Word, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, str):
            self._misplaced(shape, value, role, place)
        elif value and value not in shape.words:
            self._odd(value, role, place)

    def _id(self, shape: Id, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, str):
            self._misplaced(shape, value, role, place)
        elif value and not is_opaque_id(value):
            self.aside.append(Message(role, value, place))

    def _seal(self, shape: Seal, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, str):
            self._misplaced(shape, value, role, place)
        elif value and not (is_padding(value) if shape.padding else is_sealed(value)):
            self.aside.append(Message(role, value, place))

    def _number(self, shape: Number, value: Any, role: Role, place: str) -> None:
        if isinstance(value, int | float):
            return
        if isinstance(value, str):
            self.short.append(value)
        elif shape.deep:
            self.aside += joined(role, value, place)
        else:
            self._misplaced(shape, value, role, place)

    def _many(self, shape: Many, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, list):
            self._misplaced(shape, value, role, place)
            return
        for index, item in enumerate(value):
            self.read(shape.of, item, role, f"{place}[{index}]")
        self.spell(value, role, place)

    def spell(self, value: list[Any], role: Role, place: str) -> None:
        """Gather what the numbers of an array say where they are those of characters."""
        self.aside += [Message(role, said, place) for said in spelled(value)]

    def _one_of(self, shape: OneOf, value: Any, role: Role, place: str) -> None:
        chosen = _chosen(shape, value)
        if chosen is None:
            self._misplaced(shape, value, role, place)
        else:
            self.read(chosen, value, role, place)

    def _misplaced(self, _: Shape, value: Any, role: Role, place: str) -> None:
        """What stands where something of another shape belongs."""
        if not isinstance(value, bool):
            self._unknown(value, role, place)

    def _odd(self, value: str, role: Role, place: str) -> None:
        """A string where a word of the protocol was expected."""
        if self.lenient:
            self.aside.append(Message(role, value, place))
        else:
            self.short.append(value)

    def _anything(self, _: Anything, value: Any, role: Role, place: str) -> None:
        if isinstance(value, str):
            self._text(Text(short=True), value, role, place)
        elif not isinstance(value, int | float):
            self.messages += joined(role, value, place)

    def _closed(self, shape: Closed, value: Any, _: Role, place: str) -> None:
        if not value:
            return
        kind = shape.kind
        if kind == "image" and self.looks and (url := data_url(value)):
            self.images.append(Image(place, url))
            return
        if kind not in self.open_kinds:
            raise Uninspectable(kind, place)
        self.unseen.append(place)

    def _record(self, shape: Record, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, dict):
            self._misplaced(shape, value, role, place)
            return
        for key, child in value.items():
            known = shape.keys.get(key)
            if isinstance(known, Logprobs):
                self.aside += logprob_texts(child, str(value.get(known.of) or ""), f"{place}.{key}")
            elif known is not None:
                self.read(known, child, role, f"{place}.{key}" if place else key)
            else:
                self._unknown_key(key, child, role, place)

    def _unknown_key(self, key: str, value: Any, role: Role, place: str) -> None:
        self._odd(key, role, f"{place} (key)")
        if isinstance(value, str | dict | list):
            self._unknown(value, role, f"{place}.{key}" if place else key)

    def _tagged(self, shape: Tagged, value: Any, role: Role, place: str) -> None:
        if not isinstance(value, dict):
            self._misplaced(shape, value, role, place)
            return
        given = value.get("type", shape.default)
        chosen = shape.types.get(given) if isinstance(given, str) else None
        chosen = chosen or (shape.other if isinstance(given, str) and given else None)
        if chosen is None:
            self._unknown(value, role, place)
        elif isinstance(chosen, Record) and "type" not in chosen.keys:
            self._record(chosen, {key: child for key, child in value.items() if key != "type"}, role, place)
        else:
            self.read(chosen, value, role, place)

    def _together(self, shape: Together, value: Any, role: Role, place: str) -> None:
        outer, self.messages = self.messages, []
        try:
            with self.collected(role, place):
                self.read(shape.of, value, role, place)
        finally:
            outer, self.messages = self.messages, outer
        if outer:
            self.messages.append(Message(role, "\n".join(message.content for message in outer), place))

    def _beside(self, shape: Aside, value: Any, role: Role, place: str) -> None:
        outer, self.messages = self.messages, []
        try:
            with self.collected(role, place):
                self.read(shape.of, value, role, place)
        finally:
            found, self.messages = self.messages, outer
        self.aside += found

    def _unknown(self, value: Any, role: Role, place: str) -> None:
        if self.lenient:
            self.messages += leaves(role, value, place)
        elif value != "":
            if "unknown" not in self.open_kinds:
                raise Uninspectable("unknown", place)
            self.unseen.append(place)
            self.messages += joined(role, value, place)


def _chosen(shape: OneOf, value: Any) -> Shape | None:
    if isinstance(value, str):
        return shape.text
    return shape.array if isinstance(value, list) else shape.object if isinstance(value, dict) else None


_SHORT = 64
_READERS: Mapping[type, Callable[[Reader, Any, Any, Role, str], None]] = {
    Text: Reader._text,
    Word: Reader._word,
    Id: Reader._id,
    Seal: Reader._seal,
    Number: Reader._number,
    Anything: Reader._anything,
    Closed: Reader._closed,
    Logprobs: Reader._misplaced,
    Many: Reader._many,
    Record: Reader._record,
    Tagged: Reader._tagged,
    OneOf: Reader._one_of,
    Together: Reader._together,
    Aside: Reader._beside,
}
"""By the type of a shape: a match of classes would try one after the other, for every value of every document."""
