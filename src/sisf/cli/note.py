"""`sisf note`: what reviewers write to each other, and who takes a case; as `/api/notes` and `/api/queue`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, StoreOption, emit, group, moment, person, shown, store_of
from sisf.cli.named import subject_named

if TYPE_CHECKING:
    from sisf.store import Note

app = group("Comment on exchanges and policies, and say who takes a case.")

Subject = Annotated[
    str, typer.Argument(metavar="ID", help="The id of an exchange or a policy, or its unambiguous start.")
]
_LONGEST = 2_000


@app.command("list")
def list_notes(
    subject: Subject, config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """Show the notes on an exchange or a policy, oldest first."""
    with store_of(config, store) as opened:
        subject = subject_named(opened, subject)
        found = opened.oversight.notes([subject])[subject]
    if json:
        emit([_as_json(note) for note in found])
        return
    if not found:
        typer.echo(f"there are no notes on {shown(subject)}")
    for note in found:
        typer.echo(f"{moment(note.time)}  {shown(note.actor)}  {note.kind}: {shown(note.text)}")


@app.command()
def comment(
    subject: Subject,
    text: Annotated[str, typer.Argument(help="Up to 2,000 characters.")],
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Write a comment. It answers a question that the loop asked."""
    _write(subject, "comment", text, config, store, json=json)


@app.command()
def assign(
    subject: Subject,
    to: Annotated[str, typer.Argument(help="Who takes it.")],
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Say who takes a case of the queue."""
    _write(subject, "assigned", to, config, store, json=json)


def _write(subject: str, kind: str, text: str, config: Any, store: str | None, *, json: bool) -> None:
    from sisf.errors import ConfigurationError
    from sisf.store import NoteKind

    if not text.strip() or len(text) > _LONGEST:
        raise ConfigurationError(f"a note needs a text of up to {_LONGEST:,} characters")
    with store_of(config, store) as opened:
        subject = subject_named(opened, subject)
        note = opened.oversight.note(subject, NoteKind(kind), text.strip(), actor=person())
    if json:
        emit(_as_json(note))
    else:
        typer.echo(f"noted on {shown(subject)}")


def _as_json(note: "Note") -> dict[str, Any]:
    return {"subject": note.subject, "kind": note.kind, "actor": note.actor, "time": note.time, "text": note.text}
