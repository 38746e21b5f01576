"""Reading the one JSON object that a model was asked for, out of whatever it wrote."""

import json
import re
from typing import Any

from sisf.errors import ModelError

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)


def read_object(text: str) -> dict[str, Any]:
    """The single JSON object in `text`; words and code fences around it are tolerated, a second object is not.

    Two objects, or a key given twice, leave it to the reader which one counts: a text that the model copied from
    what it judges could slip in that way. Raises `ModelError`.
    """
    text = _THOUGHT.sub("", text, count=1)
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    found: list[dict[str, Any]] = []
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except RecursionError:
            raise ModelError("the model's JSON is nested too deeply") from None
        except ValueError as error:
            raise ModelError(f"the model did not answer with valid JSON: {error}") from None
        found.append(value)
        if len(found) > 1:
            raise ModelError("the model answered with more than one JSON object")
        position = text.find("{", end)
    if not found:
        raise ModelError("the model did not answer with a JSON object")
    return found[0]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise ValueError("a key is given twice")
    return keys


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
