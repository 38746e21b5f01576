"""`sisf check`: what the Warden says of a text, explained."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import ConfigOption, JsonOption, StoreOption, emit, load_settings, shown, store_of

if TYPE_CHECKING:
    from sisf.policy import Decision, Direction, Match, Snapshot

_CONTEXT = 32
"""Characters shown on both sides of a match."""


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
    """Explain what the policies in force say of a text. Exit code 0: it would pass; 1: it would be blocked."""
    from sisf.exchange import Message, Role
    from sisf.policy import Direction
    from sisf.warden import Warden

    content = _text(text, file)
    settings = load_settings(config, store__url=store)
    with store_of(config, store) as opened:
        snapshot = opened.policies.snapshot(revision)
    from sisf.embedding import create_embedder

    embedder = create_embedder(settings.embedder.name, api_key=settings.embedder.api_key.get_secret_value())
    warden = Warden(embedder)
    warden.activate(snapshot)
    direction = Direction.RESPONSE if response else Direction.PROMPT
    message = Message(Role.ASSISTANT if response else Role.USER, content)
    decision = warden.inspect((message,), direction, "default")
    if json:
        emit(_as_json(decision, snapshot, direction))
    else:
        typer.echo(shown(explained(decision, content, snapshot)))
    raise typer.Exit(1 if decision.blocked else 0)


def _text(text: str, file: Path | None) -> str:
    from sisf.errors import ConfigurationError, DataError

    if file is not None:
        if text:
            raise ConfigurationError("give a text or --file, not both")
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{file}: cannot be read: {error}") from None
    if text == "-":
        return sys.stdin.read()
    if not text:
        raise ConfigurationError("nothing to check: give a text, `-` for standard input, or --file FILE")
    return text


def explained(decision: "Decision", text: str, snapshot: "Snapshot") -> str:
    """The decision as a compiler would report an error: what, where, why, and what would have to change."""
    if not decision.matches:
        return (
            f"allowed: none of the {len(snapshot.active)} active policies recognises it (revision {decision.revision})"
        )
    policies = {p.id: p for p in snapshot.policies}
    lines = [f"{decision.action.value}: {len(decision.matches)} match(es), revision {decision.revision}"]
    for match in decision.matches:
        policy = policies[match.policy_id]
        state = "shadow, not enforced" if match.shadow else match.action.value
        lines += ["", f"  policy {policy.id} ({policy.kind}, {state}): {policy.description}"]
        lines += _place(match, text)
        if policy.kind == "semantic":
            lines.append(f"  = score {match.score:.3f}, and {match.threshold:.3f} is enough")
        lines.append(
            f"  = learned from {len(policy.provenance.breach_ids)} breach(es) by {policy.provenance.synthesiser}"
        )
        if policy.gate_report is not None:
            report = policy.gate_report
            lines.append(f"  = the gate tried it on {report.benign_total:,} honest texts: {report.benign_blocked} hit")
        lines.append(f"  help: if this text is honest, `sisf policy retire {policy.id} --reason ...`")
    return "\n".join(lines)


def _place(match: "Match", text: str) -> list[str]:
    if match.span is None:
        return [f"  --> the whole text, view `{match.view}`"]
    start, end = match.span
    where = f"  --> characters {start}-{end}, view `{match.view}`"
    if match.view != "raw":
        return [where]
    left = max(0, start - _CONTEXT)
    line = text[left : end + _CONTEXT].replace("\n", " ")
    width = min(end - start, len(line))
    return [where, f"   | {line}", f"   | {' ' * (start - left)}{'^' * max(1, width)}"]


def _as_json(decision: "Decision", snapshot: "Snapshot", direction: "Direction") -> dict[str, object]:
    descriptions = {p.id: p.description for p in snapshot.policies}
    return {
        "action": decision.action.value,
        "direction": direction.value,
        "revision": decision.revision,
        "policy_id": decision.policy_id,
        "elapsed_us": decision.elapsed_us,
        "matches": [
            {
                "policy_id": m.policy_id,
                "action": m.action.value,
                "score": m.score,
                "threshold": m.threshold,
                "view": m.view,
                "span": m.span,
                "shadow": m.shadow,
                "description": descriptions.get(m.policy_id, ""),
            }
            for m in decision.matches
        ],
    }
