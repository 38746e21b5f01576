"""What requests of all APIs have in common."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sisf.errors import HttpFailure, LimitExceeded, quoted
from sisf.exchange import APART, UNTOLD, Message, Role
from sisf.gateway.shapes import Reader, Record
from sisf.gateway.wire import Uninspectable
from sisf.pipeline.turn import Inspected
from sisf.settings import Limits, Unseen


def read_request(
    tree: dict[str, Any],
    shape: Record,
    said: Callable[[Reader], None],
    *apart: str,
    opaque: Collection[Unseen],
    looks: bool = False,
    answered: bool = True,
) -> Inspected:
    """All texts of a request: what stands around its messages in front, as the system's, then what `said` reads.

    `apart`: the keys that `said` reads. Raises `HttpFailure` for what cannot be inspected.
    """
    model, stream = model_of(tree), streams(tree)
    reader = Reader(open_kinds=opaque, looks=looks)
    around = {key: value for key, value in tree.items() if key not in apart}
    untold = {key: around.pop(key) for key in tree if key in UNTOLD}
    try:
        for place, part in ((APART, untold), ("parameters", around)):
            with reader.collected(Role.SYSTEM, place):
                reader.read(shape, part, Role.SYSTEM, "")
        reader.messages += _favoured(tree.get("logit_bias"))
        said(reader)
    except Uninspectable as error:
        raise error.as_refusal() from None
    return Inspected(
        (*_unread(reader), *reader.messages),
        model,
        stream,
        tree,
        aside=tuple(reader.aside),
        opaque=tuple(reader.unseen),
        images=tuple(reader.images),
        answered=answered,
    )


def _unread(reader: Reader) -> list[Message]:
    """What tells a judge, and whoever learns, of parts that nobody reads, as images: they may be the reason of what is
    answered, and what they say is nobody's instruction."""
    places = [*reader.unseen, *(image.place for image in reader.images)]
    if not places:
        return []
    return [Message(Role.TOOL, f"Parts of the request that are not read as text: {len(places)}.", "unread")]


def _favoured(bias: Any) -> list[Message]:
    """What says that the client makes some tokens of the answer likelier: with that it chooses what the model says,
    as with instructions, though nobody can read which words they are."""
    entries = bias.items() if isinstance(bias, dict) else bias if isinstance(bias, list) else ()
    pairs = [tuple(each) for each in entries if isinstance(each, list | tuple) and len(each) == 2]
    tokens = sorted(str(token) for token, value in pairs if isinstance(value, int | float) and value > 0)
    if not tokens:
        return []
    name = hashlib.sha256("\n".join(tokens).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return [Message(Role.SYSTEM, f"Some tokens are made likelier in the answer (set {name}).", "logit_bias")]


def read_prompts(reader: Reader, given: Any, key: str, limits: Limits) -> None:
    """Read a string or an array of strings. Raises `HttpFailure` for token numbers, unless those are open."""
    many = [given] if isinstance(given, str) else given
    if not isinstance(many, list) or not many:
        raise HttpFailure(
            400, "invalid_request", f"{quoted(key)} must be a string or a non-empty array of strings.", key
        )
    if all(isinstance(text, str) for text in many):
        if len(many) > limits.messages:
            raise LimitExceeded(f"More than {limits.messages} texts.", code="too_many_messages", param=key)
        single = isinstance(given, str)
        reader.messages += [Message(Role.USER, text, key if single else f"{key}[{i}]") for i, text in enumerate(many)]
        return
    if "tokens" not in reader.open_kinds or not all(map(_is_tokens, many)):
        message = f"{quoted(key)} holds token numbers; send text, which can be inspected."
        raise HttpFailure(400, "uninspectable_content", message, key)
    reader.unseen.append(key)


def _is_tokens(value: Any) -> bool:
    return type(value) is int or (isinstance(value, list) and all(type(token) is int for token in value))


def array_of(tree: Mapping[str, Any], key: str, limits: Limits, what: str) -> list[Any]:
    """The array under `key`. Raises `HttpFailure` when there is none or it is empty, `LimitExceeded` when too long."""
    given = tree.get(key)
    if not isinstance(given, list) or not given:
        raise HttpFailure(400, "invalid_request", f"{quoted(key)} must be a non-empty array.", key)
    if len(given) > limits.messages:
        raise LimitExceeded(f"More than {limits.messages} {what}.", code="too_many_messages", param=key)
    return given


def model_of(tree: Mapping[str, Any]) -> str:
    """The model that a request names. Raises `HttpFailure` when it is no string."""
    model = tree.get("model", "")
    if not isinstance(model, str):
        raise HttpFailure(400, "invalid_request", "`model` must be a string.", "model")
    return model


def streams(tree: Mapping[str, Any]) -> bool:
    """Whether a request asks for a stream. Raises `HttpFailure` for anything that readers could take both ways."""
    stream = tree.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise HttpFailure(400, "invalid_request", "`stream` must be true or false.", "stream")
    return bool(stream)
