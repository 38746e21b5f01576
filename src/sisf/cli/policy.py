"""`sisf policy`: see, question and undo what the loop learned."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli import policy_code
from sisf.cli.base import (
    ConfigOption,
    JsonOption,
    StoreOption,
    console,
    emit,
    group,
    load_settings,
    moment,
    person,
    print_rows,
    shown,
    store_of,
)
from sisf.cli.named import policy_named
from sisf.errors import counted, quoted

if TYPE_CHECKING:
    from sisf.policy import Policy, Snapshot
    from sisf.settings import Settings
    from sisf.store import Store

app = group("See, question and undo the policies of the store.")

PolicyId = Annotated[str, typer.Argument(metavar="ID", help="The policy's id, or its unambiguous start.")]
Reason = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit log.")]


@app.command("list")
def list_policies(
    status: Annotated[str, typer.Option(help="active, shadow, proposed, retired, rejected or all.")] = "active",
    each: Annotated[
        bool, typer.Option("--each", help="A line for each narrow policy, not one for each hazard.")
    ] = False,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List the policies of one status. Narrow ones, each for requests nearly like one that breached the model, stand on
    one line for each hazard.
    """
    from sisf.cli.policy_list import HEADINGS, lines
    from sisf.policy import Status

    wanted = None if status == "all" else _status(status)
    with store_of(config, store) as opened:
        policies = list(opened.policies.list(wanted))
        revision = opened.policies.snapshot().revision
    if json:
        from sisf.policy.codec import to_dict

        emit({"revision": revision, "policies": [_brief(to_dict(p)) for p in policies]})
        return
    rows = lines(policies, each=each)
    print_rows(HEADINGS, rows, empty="there are none; `--status all` lists every policy")
    total = f"{len(policies)} {Status(wanted).value if wanted else 'in all'}, revision {revision}"
    folded = "" if len(rows) == len(policies) else f" (in {len(rows)} lines; `--each` lists every one)"
    console().print(total + folded, style="dim")


@app.command()
def show(
    policy_id: PolicyId,
    examples: Annotated[int, typer.Option(min=0, help="Nearest of the breaches it was learned from.")] = 3,
    raw: Annotated[bool, typer.Option("--yaml", help="All fields, as in a bundle.")] = False,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Explain one policy: what it goes by, where it came from, what speaks for and against it."""
    from sisf.policy.codec import to_dict, to_yaml

    with store_of(config, store) as opened:
        policy = policy_named(opened, policy_id)
        found = to_dict(policy)
        if json:
            emit(found)
        elif raw:
            typer.echo(shown(to_yaml(_brief(found))).rstrip())
        else:
            typer.echo(shown(_page(opened, policy, examples, load_settings(config))))


def _page(store: "Store", policy: "Policy", most: int, settings: "Settings") -> str:
    from sisf.cli.policy_page import nearest, page
    from sisf.loop.mistakes import readable
    from sisf.policy import Direction, PolicyKind

    learned_from = set(policy.provenance.breach_ids)
    breaches = [b.exchange for _, b in store.exchanges.breaches() if b.id in learned_from] if learned_from else []
    senders = len({exchange.sender for exchange in breaches})
    if policy.kind is not PolicyKind.SEMANTIC or not most or not breaches:
        return page(policy, senders)
    from sisf.embedding.factory import configured_embedder
    from sisf.synthesis.text_bank import TextBank

    answers = policy.direction is Direction.RESPONSE
    texts = [(e.response or "") if answers else e.prompt for e in breaches]
    bank = TextBank(configured_embedder(settings.embedder))
    bank.extend([text for text in texts if readable(text)])
    return page(policy, senders, nearest(policy, bank, most))


@app.command()
def retire(
    policy_id: PolicyId,
    reason: Reason = "retired by hand",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Retire a policy: it is neither enforced nor evaluated any more. It stays in the store, and `rollback` brings
    it back.
    """
    import dataclasses

    from sisf.errors import PolicyError
    from sisf.policy import Change, Status

    with store_of(config, store) as opened:
        policy = policy_named(opened, policy_id)
        if policy.status in (Status.RETIRED, Status.REJECTED):
            raise PolicyError(f"policy {policy.id} is {policy.status} already; there is nothing to retire")
        gone = dataclasses.replace(policy, status=Status.RETIRED)
        expected = opened.policies.snapshot().revision
        snapshot = opened.policies.commit(Change((gone,), person(), reason), expected=expected)
    _told(snapshot, f"retired {policy.id}", json=json)


@app.command()
def activate(
    policy_id: PolicyId,
    reason: Reason = "activated by hand",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Put a proposed or shadow policy in force that passed the gate. What it replaces retires."""
    _moved(policy_id, "active", reason, config, store, json=json)


@app.command()
def shadow(
    policy_id: PolicyId,
    reason: Reason = "made a shadow by hand",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Put a policy in shadow: its matches are recorded, and nothing is stopped."""
    _moved(policy_id, "shadow", reason, config, store, json=json)


def _moved(policy_id: str, status: str, reason: str, config: Path | None, store: str | None, *, json: bool) -> None:
    from sisf.loop.approval import approve
    from sisf.policy import Status

    with store_of(config, store) as opened:
        policy, settings = policy_named(opened, policy_id), load_settings(config)
        if settings.admin.two_persons and status == Status.ACTIVE:
            approve(opened, policy, person())
        lifecycle = policy_code.lifecycle_of(settings, opened)
        snapshot = lifecycle.move(policy.id, Status(status), actor=person(), reason=reason)
    _told(snapshot, f"{policy.id} is {status}", json=json)


@app.command()
def questions(config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False) -> None:
    """List what asks for a person's decision: policies of persons that the evidence speaks against, and reports."""
    with store_of(config, store) as opened:
        found = opened.oversight.questions()
    if json:
        emit([{"subject": n.subject, "actor": n.actor, "time": n.time.isoformat(), "text": n.text} for n in found])
        return
    rows = [(note.subject, moment(note.time), shown(note.actor), shown(note.text)) for note in found]
    print_rows(("about", "time (UTC)", "who asks", "what"), rows, empty="nothing asks for a decision")


@app.command()
def keep(
    subject: Annotated[str, typer.Argument(metavar="ID", help="What a question is about, as `questions` shows it.")],
    reason: Reason = "it is right",
    config: ConfigOption = None,
    store: StoreOption = None,
) -> None:
    """Answer a question: what is in force stays as it is."""
    from sisf.errors import StoreError
    from sisf.store import NoteKind

    with store_of(config, store) as opened:
        if subject not in {note.subject for note in opened.oversight.questions()}:
            raise StoreError(f"nobody asks about {quoted(subject)}; `sisf policy questions` lists what waits")
        opened.oversight.note(subject, NoteKind.APPROVED, reason, actor=person())
    typer.echo(f"{subject} stays as it is")


@app.command()
def undo(
    revision: Annotated[int, typer.Argument(help="The step to undo; `sisf policy revisions` lists them.")],
    reason: Reason = "",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Undo one step of the policy set; the steps since then stay."""
    from sisf.loop.undoing import undo as undo_step

    with store_of(config, store) as opened:
        lifecycle = policy_code.lifecycle_of(load_settings(config), opened)
        snapshot = undo_step(opened, revision, lifecycle.readmissions, actor=person(), reason=reason)
    _told(snapshot, f"undid revision {revision}", json=json)


@app.command()
def rollback(
    revision: Annotated[int, typer.Argument(help="The revision to return to; `sisf policy revisions` lists them.")],
    preview: Annotated[bool, typer.Option("--preview", help="Show what it would change, and change nothing.")] = False,
    reason: Reason = "rolled back by hand",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Make the policy set of an earlier revision the newest one.

    A policy that would stop a text that was reported as a mistake comes back with the exception, or stays out of force.
    """
    from sisf.embedding import configured_embedder
    from sisf.loop import Readmissions

    with store_of(config, store) as opened:
        readmissions = Readmissions(opened, configured_embedder(load_settings(config).embedder))
        if preview:
            found = readmissions.preview(revision)
        else:
            found = readmissions.roll_back(revision, actor=person(), reason=reason)
    come = found.readmission
    if json:
        told = {"excepted": come.excepted, "refused": come.refused, "changes": found.diff.lines()}
        emit({"revision": found.snapshot.revision, "active": len(found.snapshot.active), **told})
        return
    lines = [*(found.diff.lines() if preview else ()), *come.lines()]
    for line in lines or (["nothing would change"] if preview else []):
        typer.echo(shown(line))
    if not preview:
        _told(found.snapshot, f"rolled back to the policies of revision {revision}", json=False)


@app.command()
def revisions(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List the steps of the policy set: who, when, why."""
    import dataclasses

    with store_of(config, store) as opened:
        rows = list(opened.policies.revisions(limit))
    if json:
        emit([dataclasses.asdict(row) for row in rows])
        return
    cells = [(str(r.number), moment(r.time), shown(r.actor), str(len(r.breach_ids)), shown(r.reason)) for r in rows]
    print_rows(("revision", "time (UTC)", "who", "breaches", "why"), cells, empty="no step was taken yet: revision 0")


policy_code.add_to(app)


def _told(snapshot: "Snapshot", what: str, *, json: bool) -> None:
    if json:
        emit({"revision": snapshot.revision, "active": len(snapshot.active)})
    else:
        typer.echo(f"{what}: revision {snapshot.revision} with {counted(len(snapshot.active), 'active policy')}")


def _status(name: str) -> Any:
    from sisf.errors import ConfigurationError
    from sisf.policy import Status

    try:
        return Status(name)
    except ValueError:
        raise ConfigurationError(f"--status {name}: must be one of all, {', '.join(Status)}") from None


def _brief(found: dict[str, Any]) -> dict[str, Any]:
    """Without the packed numbers of probes and prototypes, which nobody reads."""
    condition = dict(found["condition"])
    for key in ("weights", "vectors"):
        if key in condition:
            condition[key] = f"({condition['dimensions']} numbers each; see --json)"
    ngrams = condition.get("ngrams")
    if isinstance(ngrams, dict) and len(ngrams) > 12:
        strongest = sorted(ngrams.items(), key=lambda item: -abs(item[1]))[:12]
        condition["ngrams"] = {**dict(strongest), "…": f"{len(ngrams) - 12} more"}
    return {**found, "condition": condition}
