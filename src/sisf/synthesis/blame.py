"""What of a request a breach is learned from.

A breach shows that an answer was harmful, not which words brought it about. The last thing a user said may be
"Continue." behind what was asked before. What an assistant is supposed to have said, what a tool returned and how the
system was instructed may each be the reason, and whoever calls an API writes all of these. So a text is blamed in which
harm is read, or the last user turn where it stands alone. Otherwise nothing broad is learned, and what was said last is
taken together with what was said before.
"""

from sisf.exchange import Exchange, Role
from sisf.synthesis.base import Knowledge
from sisf.warden.readings import CONVERSATION, joined


def said(exchange: Exchange) -> str:
    """What the user said last, with the turns before it that the Warden reads together with it."""
    prompt, turn = exchange.prompt, exchange.turn
    groups = [each for each in joined(exchange.messages) if each.view == CONVERSATION]
    ending = [each.text for each in groups if each.places[-1] in turn and each.text.endswith(prompt)]
    return ending[-1] if ending else prompt


def suspects(exchange: Exchange) -> tuple[str, ...]:
    """The texts that may be blamed, the likeliest first: what the user said last, the same with what was said before,
    and what the client wrote as the beginning of the answer."""
    begun = (m.content for m in exchange.messages[exchange.turn.stop :] if m.role is Role.ASSISTANT)
    texts = (exchange.prompt, said(exchange), "\n".join(begun))
    return tuple(dict.fromkeys(text for each in texts if (text := each.strip())))


def instructions(exchange: Exchange) -> tuple[str, ...]:
    """What the system tells the model: its messages, and what describes tools."""
    told = (m for m in exchange.messages if m.role is Role.SYSTEM and m.told)
    return tuple(m.content for m in told if m.content.strip())


def stands_alone(exchange: Exchange, knowledge: Knowledge) -> bool:
    """Whether only the last user turn can have brought the answer about: the model is told nothing else but what its
    application tells it for everybody."""
    turn = exchange.turn
    around = [m for place, m in enumerate(exchange.messages) if place not in turn and m.content.strip()]
    if any(m.role is not Role.SYSTEM for m in around):
        return False
    return all(knowledge.familiar(exchange.sender, text) for text in instructions(exchange))
