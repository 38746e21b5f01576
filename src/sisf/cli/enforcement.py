"""`sisf enforcement`: stop enforcing at once, for all, one tenant or one policy, and start again."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sisf.cli.base import ConfigOption, JsonOption, StoreOption, console, emit, group, moment, person, shown, store_of
from sisf.errors import counted

if TYPE_CHECKING:
    from sisf.store import Suspension

app = group("Suspend enforcement on every node, with an end time, and resume it.")


@app.command()
def suspend(
    everywhere: Annotated[bool, typer.Option("--all", help="For every tenant and of every policy.")] = False,
    tenant: Annotated[str, typer.Option(help="Only for this tenant.")] = "",
    policy: Annotated[str, typer.Option(help="Only of this policy.")] = "",
    minutes: Annotated[
        float, typer.Option(min=0.1, max=10_080, help="When enforcement resumes by itself; at most 7 days.")
    ] = 60.0,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit log.")] = "",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Stop enforcing now: what would be stopped is recorded and counted, and passes. One of --all, --tenant and
    --policy says for whom."""
    from sisf.errors import ConfigurationError
    from sisf.store import Scope

    if [everywhere, bool(tenant), bool(policy)].count(True) != 1:
        raise ConfigurationError("say what is not to be enforced: --all, --tenant NAME or --policy ID, one of them")
    scope = Scope.TENANT if tenant else Scope.POLICY if policy else Scope.ALL
    with store_of(config, store) as opened:
        lasts = timedelta(minutes=minutes)
        made = opened.oversight.suspend(scope, tenant or policy, lasts, actor=person(), reason=reason)
    if json:
        emit(_as_json(made))
    else:
        typer.echo(f"not enforced until {moment(made.until)} UTC: {_whose(made)} [{made.id}]")
        typer.echo("every node follows within a second; `sisf enforcement resume` ends it", err=True)


@app.command()
def resume(
    suspension: Annotated[str, typer.Argument(metavar="[ID]", help="Only this one, as `status` shows it.")] = "",
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Enforce again: all that was suspended, or one suspension."""
    with store_of(config, store) as opened:
        ended = opened.oversight.resume(suspension or None, actor=person())
    if json:
        emit({"ended": ended})
    else:
        typer.echo(f"{counted(ended, 'suspension')} ended")


@app.command()
def status(config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show what is not enforced now. Exit code 1 when something is not."""
    with store_of(config, store) as opened:
        found = opened.oversight.suspensions()
    if json:
        emit([_as_json(suspension) for suspension in found])
    else:
        out = console()
        for s in found:
            why = f", {shown(s.reason)}" if s.reason else ""
            out.print(f"{s.id}  until {moment(s.until)} UTC  {_whose(s)}  by {shown(s.actor)}{why}")
        if not found:
            out.print("enforcement is suspended nowhere (the settings may still say `observe`)")
    if found:
        raise typer.Exit(1)


def _whose(suspension: "Suspension") -> str:
    return f"{suspension.scope} {shown(suspension.subject)}".strip()


def _as_json(suspension: "Suspension") -> dict[str, Any]:
    import msgspec

    told: dict[str, Any] = msgspec.to_builtins(suspension)
    return told
