"""`sisf check`: what the Warden says of a text, explained."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, StoreOption, emit, load_settings, shown, store_of, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sisf.console.explaining import Near
    from sisf.warden.explain import Explanation

_NEAREST = 3
"""Policies that are named where none matches."""


def check(
    text: Annotated[str, typer.Argument(help="The text; `-` reads standard input.")] = "",
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the text from a file.")] = None,
    response: Annotated[
        bool, typer.Option("--response", help="Check it as a model's answer, not as a prompt.")
    ] = False,
    revision: Annotated[int | None, typer.Option(help="Check against an earlier revision.")] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Explain what the policies in force say of a text, and which came nearest where none matches.

    Exit code 0: it would pass; 1: it would be blocked.
    """
    from sisf.console.explaining import near_misses
    from sisf.console.parts import Parts
    from sisf.embedding import configured_embedder
    from sisf.exchange import Message, Role
    from sisf.policy import Direction
    from sisf.warden import PolicySet
    from sisf.warden.explain import explain

    content = _text(text, file)
    settings = load_settings(config, store__url=store)
    _within(settings.limits.text_chars, content)
    with store_of(config, store) as opened:
        snapshot = opened.policies.snapshot(revision)
        embedder = configured_embedder(settings.embedder)
        policies = PolicySet.compile(snapshot, embedder)
        messages = (Message(Role.ASSISTANT if response else Role.USER, content),)
        decision = policies.inspect(messages, Direction.RESPONSE if response else Direction.PROMPT)
        near = () if decision.matches else near_misses(Parts(opened), policies, decision, messages, "")[:_NEAREST]
    explanation = explain(decision, policies, messages)
    if json:
        emit(_as_json(explanation, near))
    else:
        typer.echo(shown(rendered(explanation) + "".join(map(_nearest, near))))
    raise typer.Exit(1 if decision.blocked else 0)


def _text(text: str, file: Path | None) -> str:
    from sisf.errors import ConfigurationError

    if file is not None:
        if text:
            raise ConfigurationError("give a text or --file, not both")
        return text_of(file)
    if text == "-":
        return text_of(None)
    if not text:
        raise ConfigurationError("nothing to check: give a text, `-` for standard input, or --file FILE")
    return text


def _within(limit: int, content: str) -> None:
    from sisf.errors import LimitExceeded

    if len(content) > limit:
        raise LimitExceeded(
            f"{len(content):,} characters; texts of more than {limit:,} (limits.text_chars) are refused uninspected"
        )


def rendered(explanation: "Explanation") -> str:
    """The decision as a compiler would report an error: what, where, why, and what would have to change."""
    lines = [explanation.summary]
    for reason in explanation.reasons:
        policy, match = reason.policy, reason.match
        state = "shadow, not enforced" if match.shadow else match.action.value
        lines += ["", f"{state}: {policy.description} [{policy.id}]", f"  --> {reason.view}"]
        if reason.snippet:
            before, snippet, after = (" ".join(x.splitlines()) for x in (reason.before, reason.snippet, reason.after))
            lines += ["   |", f"   | {before}{snippet}{after}", f"   | {' ' * len(before)}{'^' * max(1, len(snippet))}"]
        lines += [f"   = why: {reason.why}", f"   = evidence: {reason.evidence}", f"   = help: {reason.change}"]
    return "\n".join(lines)


def _nearest(near: "Near") -> str:
    told = f"{near.policy.description} [{near.policy.id}]"
    return f"\nnearest: {told}: {near.score:.2f}, it matches from {near.threshold:.2f} on"


def _as_json(explanation: "Explanation", near: "Sequence[Near]") -> dict[str, object]:
    decision = explanation.decision
    return {
        "action": decision.action.value,
        "direction": decision.direction.value,
        "revision": decision.revision,
        "policy_id": decision.policy_id,
        "elapsed_us": decision.elapsed_us,
        "summary": explanation.summary,
        "matches": [
            {
                "policy_id": r.match.policy_id,
                "action": r.match.action.value,
                "score": r.match.score,
                "threshold": r.match.threshold,
                "view": r.match.view,
                "span": r.match.span,
                "shadow": r.match.shadow,
                "description": r.policy.description,
                "why": r.why,
                "evidence": r.evidence,
                "change": r.change,
            }
            for r in explanation.reasons
        ],
        "near": [
            {"policy_id": n.policy.id, "description": n.policy.description, "score": n.score, "threshold": n.threshold}
            for n in near
        ],
    }
