"""What the setting `inspection.unreadable` does with a prompt that reads as nothing."""

import asyncio
import base64
import random
from typing import Literal

import pytest
from structlog.testing import capture_logs

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import LimitExceeded
from sisf.exchange import Message, Role
from sisf.policy import Direction
from sisf.warden import Warden

NOISE = [Message(Role.USER, base64.b64encode(random.Random(5).randbytes(600)).decode(), "messages[0]")]


def ask(on_unreadable: Literal["allow", "flag", "refuse"], direction: Direction) -> None:
    warden = Warden(HashEmbedder(), on_unreadable=on_unreadable)
    try:
        warden.inspect(NOISE, direction)
        warden.at_once(NOISE, direction)
        asyncio.run(warden.check(NOISE, direction))
    finally:
        warden.close()


@pytest.mark.parametrize(("how", "direction"), [("allow", Direction.PROMPT), ("refuse", Direction.RESPONSE)])
def test_it_passes(how: Literal["allow", "refuse"], direction: Direction) -> None:
    with capture_logs() as logs:
        ask(how, direction)
    assert logs == []


def test_it_passes_and_is_logged() -> None:
    with capture_logs() as logs:
        ask("flag", Direction.PROMPT)
    assert {entry["event"] for entry in logs} == {"unreadable_text"}


def test_it_is_refused_by_name() -> None:
    with pytest.raises(LimitExceeded, match=r"inspection\.unreadable") as error:
        ask("refuse", Direction.PROMPT)
    assert (error.value.code, error.value.param) == ("unreadable_text", "messages[0]")
