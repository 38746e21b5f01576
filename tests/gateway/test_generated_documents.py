"""Documents made at random around the published schemas: by its looks, type, key or depth nothing passes unread."""

import json
import random
import string
from collections.abc import Callable
from typing import Any

import pytest

from sisf.errors import HttpFailure
from sisf.gateway.wire import parse_request
from sisf.settings import Limits
from tests.gateway.beyond import BEYOND
from tests.gateway.published import ROOTS, Root, keys_of, root_named
from tests.gateway.test_published_keys import MARKER, lost

Chance = random.Random
PREFIXES = """
msg call toolu srvtoolu chatcmpl cmpl resp rs req run item fc fp file batch asst thread vs ft sk gen embd mcp ig ci cu
""".split()
TYPES = """
text input_text output_text image_url input_image image input_audio audio file input_file document thinking reasoning
redacted_thinking tool_use tool_result function custom refusal message function_call function_call_output mcp_call
web_search_call compaction item_reference ephemeral json_schema base64 url content object null
""".split()
KEYS = """
text content data source signature encrypted_content id type name arguments input output url file_id detail message
thinking reasoning cache_control annotations logprobs obfuscation metadata extra_body x-meta _meta __proto__ $ref title
""".split()
"""What attackers would try: keys that hide, and keys that are seldom looked at."""


def letters(chance: Chance, alphabet: str, most: int) -> str:
    return "".join(chance.choices(alphabet, k=chance.randrange(most)))


LOOKS: list[Callable[[Chance], str]] = [
    lambda _: MARKER,
    lambda c: f"{c.choice(PREFIXES)}{c.choice('-_')}{letters(c, string.ascii_letters + string.digits, 24)}{MARKER}",
    lambda c: f"{MARKER}{letters(c, '0123456789abcdef', 64)}",
    lambda c: f"{letters(c, '0123456789abcdef', 40)}-{MARKER}",
    lambda c: f"{letters(c, string.ascii_letters + string.digits + '+/', 200)}{MARKER}==",
    lambda c: f"data:{c.choice(['image/png', 'audio/wav', 'application/pdf'])};base64,{MARKER}",
    lambda c: f"https://{letters(c, string.ascii_lowercase, 9)}.example/{MARKER}?q={letters(c, string.digits, 9)}",
    lambda c: json.dumps({c.choice(KEYS): [MARKER]}),
    lambda c: f"{letters(c, ' ', 30)}{MARKER}{letters(c, ' ', 30)}",
    lambda c: f"{letters(c, string.digits, 9)}.{MARKER}",
    lambda c: f"<{c.choice(KEYS)}>{MARKER}</{c.choice(KEYS)}>",
]


def value(chance: Chance, depth: int = 0) -> Any:
    """A JSON value with the marker somewhere in it."""
    if depth > 12 or chance.random() < 0.3:
        return chance.choice(LOOKS)(chance)
    inner = value(chance, depth + 1)
    around: list[Callable[[], Any]] = [
        lambda: [inner],
        lambda: [1, None, inner, "said"],
        lambda: {chance.choice(KEYS): inner},
        lambda: {"type": chance.choice(TYPES), chance.choice(KEYS): inner},
        lambda: {"type": chance.choice(TYPES), chance.choice(KEYS): {"type": chance.choice(TYPES), "data": inner}},
        lambda: {chance.choice(LOOKS)(chance): 1},
        lambda: {"type": inner},
        lambda: [[inner]],
        lambda: {"role": chance.choice(["user", "tool", "system", "x"]), "content": inner},
    ]
    return chance.choice(around)()


def document(chance: Chance) -> tuple[Root, dict[str, Any]]:
    """A document with the marker in it: under a published key, a key of a server, or one of neither."""
    root = chance.choice(ROOTS)
    kind = chance.random()
    if kind < 0.1:
        root = root_named("chat request")
        return root, {**root.base, chance.choice(sorted(BEYOND[chance.choice(sorted(BEYOND))])): value(chance)}
    key = chance.choice(keys_of(root.name))
    made = value(chance)
    if kind < 0.3:
        return root, key.beside({chance.choice(KEYS): made})
    wrap = chance.choice(key.holds)[1] if key.holds and chance.random() < 0.5 else (lambda v: v)
    return root, key.make(wrap(made))


def passed(seed: int, count: int) -> list[dict[str, Any]]:
    """Of so many documents those that pass though what they say is not inspected."""
    chance = Chance(seed)
    found = []
    for _ in range(count):
        root, tree = document(chance)
        if root.kind == "request":
            try:
                tree = parse_request(json.dumps(tree).encode(), Limits())
            except HttpFailure:
                continue
        if lost(root, tree):
            found.append(tree)
    return found


def test_nothing_passes_unread() -> None:
    assert passed(0, 1_000) == []


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1, 11))
def test_nothing_of_ten_thousand_documents_passes_unread(seed: int) -> None:
    assert passed(seed, 10_000) == []
