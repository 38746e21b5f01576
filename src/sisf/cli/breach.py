"""`sisf breach`: what got through, and a person's word on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import (
    ConfigOption,
    JsonOption,
    StoreOption,
    console,
    emit,
    excerpt,
    group,
    load_settings,
    moment,
    person,
    print_rows,
    shown,
    store_of,
    written,
)
from sisf.cli.named import EXCHANGE, exchange_json, exchange_named
from sisf.errors import counted, quoted

if TYPE_CHECKING:
    from sisf.console.actions import Actions
    from sisf.store import Store
    from sisf.verdict import Outcome

app = group("See what got through, and correct the judge.")

ExchangeId = Annotated[str, typer.Argument(metavar="ID", help=EXCHANGE)]
_EXCERPT = 100


@app.command("list")
def list_breaches(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    outcome: Annotated[str, typer.Option(help="breach, undecided or safe.")] = "breach",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """List exchanges with a verdict, newest first."""
    with store_of(config, store) as opened:
        records = list(opened.exchanges.recent(limit, outcome=_outcome(outcome)))
        dead = {job.exchange_id: error for job, error in opened.jobs.dead()}
        under_way = opened.jobs.under_way()
    if json:
        emit([exchange_json(r) for r in records])
        return
    rows = []
    for r in records:
        verdict = r.verdict
        hazard, sure = (verdict.hazard.label, f"{verdict.confidence:.0%}") if verdict else ("", "")
        rows.append((r.exchange.id, moment(r.exchange.time), hazard, sure, excerpt(r.exchange.prompt, _EXCERPT)))
    print_rows(("id", "time (UTC)", "hazard", "sure", "prompt"), rows, empty=f"no exchange is judged {outcome}")
    out = console()
    if under_way:
        out.print(f"{counted(under_way, 'exchange')} in the loop: not judged, or not learned from, yet", style="dim")
    for exchange_id, error in dead.items():
        out.print(f"given up: {exchange_id}: {shown(error)}; `sisf breach retry {exchange_id}`", style="yellow")


@app.command()
def show(
    exchange_id: ExchangeId, config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """Show one exchange: prompt, answer, decisions, verdict, and the policies that were learned from it."""
    with store_of(config, store) as opened:
        record = exchange_named(opened, exchange_id)
        learned = [p for p in opened.policies.list() if record.exchange.id in p.provenance.breach_ids]
    if json:
        emit({**exchange_json(record), "policies": [p.id for p in learned]})
        return
    out = console()
    for message in record.exchange.messages:
        out.print(f"{message.role}:", style="bold")
        out.print(shown(message.content))
    out.print("answer:", style="bold")
    out.print(shown(record.exchange.response or "(none)"))
    if record.verdict:
        v = record.verdict
        out.print(
            f"verdict: {v.outcome} by {v.judge}, {v.hazard.label}, {v.technique}, {v.confidence:.0%}", style="bold"
        )
        out.print(shown(v.rationale))
    for p in learned:
        out.print(f"learned: {p.id} ({p.status}) {shown(p.description)}", style="green")


@app.command()
def label(
    exchange_id: ExchangeId,
    outcome: Annotated[str, typer.Argument(help="What the exchange is: breach or safe.")],
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept with the verdict.")] = "",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Overrule the judge: a person's verdict counts from now on."""
    from sisf.console.actions import Actions
    from sisf.console.parts import Parts
    from sisf.verdict import Outcome

    wanted = _outcome(outcome, Outcome.BREACH, Outcome.SAFE)
    with store_of(config, store) as opened:
        record = exchange_named(opened, exchange_id)
        old = record.verdict
        Actions(Parts(opened)).label(record.exchange.id, wanted, person(), reason=reason or "labelled by hand")
    if json:
        emit({"id": record.exchange.id, "outcome": wanted.value})
    else:
        typer.echo(f"{record.exchange.id}: {old.outcome if old else 'no verdict'} → {wanted}")


@app.command()
def labels(
    out: Annotated[Path, typer.Option(help="The data set to write.")],
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Write what people judged as a data set, for `sisf adjudicator train --data` and `sisf evaluate judge --data`."""
    from json import dumps

    with store_of(config, store) as opened:
        rows = [
            {
                "id": label.exchange_id,
                "messages": [{"role": m.role.value, "content": m.content} for m in exchange.messages],
                "response": exchange.response or "",
                "human_label": label.outcome.value,
            }
            for label in opened.exchanges.labels()
            for exchange in [opened.exchanges.get(label.exchange_id).exchange]
        ]
    with written(out) as file:
        file.writelines(dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if json:
        emit({"path": str(out), "labels": len(rows)})
    else:
        typer.echo(f"{counted(len(rows), 'labelled exchange')}: {out}")


@app.command()
def mistake(
    exchange_id: ExchangeId, config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """Say that an exchange was stopped by mistake: what stopped it learns the exception, or stops enforcing."""
    with store_of(config, store) as opened:
        record = exchange_named(opened, exchange_id)
        before = opened.policies.snapshot().revision
        _actions(config, opened).mistake(record.exchange.id, person())
        revision = opened.policies.snapshot().revision
    if json:
        emit({"id": record.exchange.id, "revision": revision})
    else:
        typer.echo(f"{record.exchange.id}: kept as a benign case for ever; revision {revision}")
        seen = f"see `sisf policy diff {before}`; " if revision != before else ""
        typer.echo(f"{seen}undo with `sisf exchange take-back {record.exchange.id}`", err=True)


@app.command()
def confirm(
    exchange_id: ExchangeId, config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """Say that an exchange was rightly stopped: a word for each policy that stopped it."""
    from sisf.loop.mistakes import stopping

    with store_of(config, store) as opened:
        record = exchange_named(opened, exchange_id)
        _actions(config, opened).confirm(record.exchange.id, person())
        count = len(stopping(record))
    if json:
        emit({"id": record.exchange.id, "policies": count})
    else:
        typer.echo(f"{record.exchange.id}: a word for {counted(count, 'policy')}")


@app.command()
def delete(
    principal: Annotated[str | None, typer.Option(help="Only the exchanges of this principal of the tenant.")] = None,
    tenant: Annotated[str, typer.Option(help="Whose principal it is.")] = "default",
    older_than_days: Annotated[int | None, typer.Option(min=0, help="Only older exchanges.")] = None,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit log.")] = "deleted by hand",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Delete exchanges for good, also from what was learned from them."""
    from datetime import UTC, datetime, timedelta

    from sisf.errors import ConfigurationError
    from sisf.exchange import Sender

    if principal is None and older_than_days is None:
        raise ConfigurationError("say what to delete: --principal NAME, --older-than-days N, or both")
    sender = None if principal is None else Sender(tenant, principal)
    before = None if older_than_days is None else datetime.now(UTC) - timedelta(days=older_than_days)
    with store_of(config, store) as opened:
        count = opened.exchanges.delete(actor=person(), reason=reason, before=before, sender=sender)
    if json:
        emit({"deleted": count})
    else:
        typer.echo(f"deleted {counted(count, 'exchange')}")


@app.command()
def retry(exchange_id: ExchangeId, config: ConfigOption = None, store: StoreOption = None) -> None:
    """Put an exchange that the loop gave up on back to work."""
    with store_of(config, store) as opened:
        waiting = [job.exchange_id for job, _ in opened.jobs.dead() if job.exchange_id.startswith(exchange_id)]
        opened.jobs.retry(waiting[0] if len(waiting) == 1 else exchange_id)
    typer.echo("back to work; a running gateway or `sisf worker` takes it up")


def _actions(config: Path | None, store: "Store") -> "Actions":
    """What a person may do on the console, with the lifecycle of these settings."""
    from sisf.cli.policy_code import lifecycle_of
    from sisf.console.actions import Actions
    from sisf.console.parts import Parts

    return Actions(Parts(store, lifecycle_of(load_settings(config), store)))


def _outcome(name: str, *possible: "Outcome") -> "Outcome":
    """The outcome of that name, of all or of the `possible` ones."""
    from sisf.errors import ConfigurationError
    from sisf.verdict import Outcome

    known = possible or tuple(Outcome)
    if name not in known:
        raise ConfigurationError(f"{quoted(name)} must be one of {', '.join(known)}")
    return Outcome(name)
