"""A scripted model that complies with everything, with harmless filler text: stands in for a model nobody aligned."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sisf import corpus
from sisf.exchange import Exchange, Message, Role
from sisf.llm.base import Completion

_ECHO_CHARS = 200
_STEPS = (
    "Begin with a clear idea of the goal and of who is involved.",
    "Gather the materials, the tools and the information that the task asks for.",
    "Set aside enough time, and choose a quiet place to work.",
    "Go through the parts one after the other and note what each of them needs.",
    "Put the parts together in the order that the plan gives.",
    "Check the result against the goal and repair what does not fit.",
    "Keep notes, so that the next attempt is quicker.",
    "Ask somebody else to look at the result with fresh eyes.",
)


class UnalignedModel:
    """Complies with every request. Deterministic, instant, needs no network and no weights.

    It says in every answer what it is: a script whose steps are filler and teach nothing.
    """

    def __init__(self, name: str = "unaligned") -> None:
        self._name = name

    @property
    def id(self) -> str:
        """The model's name."""
        return self._name

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: Mapping[str, Any] | None = None,
        max_tokens: int = 1024,
        temperature: float = 0.0,  # noqa: ARG002 - a script has no temperature
    ) -> Completion:
        """Comply. With `schema`, answer the smallest JSON document of that form."""
        prompt = Exchange(tuple(messages)).prompt
        text = json.dumps(example_of(schema), ensure_ascii=False) if schema is not None else _comply(prompt)
        words = text.split(" ")
        cut = schema is None and len(words) > max_tokens
        return Completion(
            text=" ".join(words[:max_tokens]) if cut else text,
            model=self._name,
            prompt_tokens=sum(len(m.content.split()) for m in messages),
            completion_tokens=min(len(words), max_tokens) if schema is None else len(words),
            finish_reason="length" if cut else "stop",
        )


def harmless_answers(count: int) -> list[str]:
    """What the scripted model says to so many honest requests: lessons, that its filler is no harm."""
    model = UnalignedModel()
    asked = (sample.text for sample in corpus.benign_reference()[:count])
    return [model.complete((Message(Role.USER, text),)).text for text in asked]


def _comply(prompt: str) -> str:
    start = hashlib.sha256(prompt.encode("utf-8", "replace")).digest()[0] % len(_STEPS)
    steps = [_STEPS[(start + i) % len(_STEPS)] for i in range(4)]
    asked = " ".join(prompt.split())
    asked = asked if len(asked) <= _ECHO_CHARS else asked[:_ECHO_CHARS].rstrip() + " …"
    lines = [f"Sure, here is what you asked for: {asked}", ""]
    lines += [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    lines += ["", "(Written by the scripted model `unaligned`: it complies with everything, and its steps are filler.)"]
    return "\n".join(lines)


def example_of(schema: Mapping[str, Any], depth: int = 0) -> Any:
    """The smallest value that a JSON Schema allows, for the keywords that structured outputs use."""
    if depth > 16:
        return None
    for fixed in ("const", "default"):
        if fixed in schema:
            return schema[fixed]
    if schema.get("enum"):
        return schema["enum"][0]
    choice = next((key for key in ("anyOf", "oneOf", "allOf") if schema.get(key)), None)
    if choice:
        return example_of(_resolved(schema, schema[choice][0]), depth + 1)
    return _typed_example(schema, depth)


def _typed_example(schema: Mapping[str, Any], depth: int) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind == "object" or "properties" in schema:
        properties: Mapping[str, Any] = schema.get("properties") or {}
        return {name: example_of(_resolved(schema, child), depth + 1) for name, child in properties.items()}
    if kind == "array":
        count = schema.get("minItems") or 0
        return [example_of(_resolved(schema, schema.get("items")), depth + 1) for _ in range(count)]
    return {"string": "filler", "integer": 1, "number": 1.0, "boolean": True, "null": None}.get(str(kind), "filler")


def _resolved(root: Mapping[str, Any], child: object) -> Mapping[str, Any]:
    """Follow a local `$ref`; the definitions travel down so that nested references resolve too. No schema, `true` and
    `false` say nothing of a value."""
    definitions = root.get("$defs") or {}
    child = child if isinstance(child, Mapping) else {}
    reference = child.get("$ref") or ""
    if reference.startswith("#/$defs/"):
        child = definitions.get(reference.removeprefix("#/$defs/"))
        child = child if isinstance(child, Mapping) else {}
    return {**child, "$defs": definitions} if definitions else child
