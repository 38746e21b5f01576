"""`sisf policy export | import | seal | diff | rebuild | health | review`: policies as code, and their age."""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import (
    ConfigOption,
    JsonOption,
    StoreOption,
    console,
    emit,
    load_settings,
    person,
    print_rows,
    shown,
    store_of,
    text_of,
    written,
)
from sisf.errors import counted

if TYPE_CHECKING:
    from sisf.embedding.base import Embedder
    from sisf.loop import Lifecycle, Reference, StoreKnowledge
    from sisf.loop.ageing import Ageing
    from sisf.loop.rebuild import Rebuilt
    from sisf.policy import Policy
    from sisf.settings import Settings
    from sisf.store import Store
    from sisf.synthesis.gate import Gate

Key = Annotated[Path | None, typer.Option("--sign", help="Ed25519 private key in PEM to sign with.")]


def diff(
    old: Annotated[int, typer.Argument(help="The earlier revision.")],
    new: Annotated[int | None, typer.Argument(help="The later revision [default: the newest].")] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Show what changed between two revisions, field by field."""
    from sisf.policy import compare

    with store_of(config, store) as opened:
        before, after = opened.policies.snapshot(old), opened.policies.snapshot(new)
    found = compare(before, after)
    if json:
        names = {"added": found.added, "removed": found.removed, "changed": [after for _, after in found.changed]}
        ids = {name: [policy.id for policy in policies] for name, policies in names.items()}
        emit({"old": before.revision, "new": after.revision, **ids})
        return
    out = console()
    out.print(f"revision {before.revision} → {after.revision}", style="bold")
    styles = {"+": "green", "-": "red", "~": "yellow"}
    for line in found.lines() or ["nothing changed"]:
        out.print(shown(line), style=styles.get(line[0]))


def export(
    file: Annotated[Path, typer.Argument(help="Where to write; `-` for standard output.")],
    revision: Annotated[int | None, typer.Option(help="The revision [default: the newest].")] = None,
    origin: Annotated[str, typer.Option(help="Name of this store in the bundle [default: derived from it].")] = "",
    sign: Key = None,
    config: ConfigOption = None,
    store: StoreOption = None,
) -> None:
    """Write the policies in force as a YAML bundle, for review and for git."""
    from sisf.loop.bundle import export_bundle

    with store_of(config, store) as opened:
        text = export_bundle(opened, revision=revision, origin=origin, key=_bytes(sign) if sign else None)
    _write(file, text)


def seal(file: Annotated[Path, typer.Argument(help="A bundle that was edited by hand.")], sign: Key = None) -> None:
    """Give an edited bundle the next serial number and a new digest (and signature), in place."""
    from sisf.loop.bundle import seal as seal_bundle

    _write(file, seal_bundle(text_of(file), str(file), key=_bytes(sign) if sign else None))


def import_(
    file: Annotated[Path, typer.Argument(help="A bundle that `sisf policy export` wrote.")],
    trust: Annotated[
        list[Path] | None, typer.Option(help="Ed25519 public key in PEM; with it, only bundles it signed are taken.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Retire what is in force and not in the bundle.")] = False,
    preview: Annotated[
        bool, typer.Option("--preview", help="Try the policies on the gate, and change nothing.")
    ] = False,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Put the policies of a bundle in force, through the gate, all of them or none."""
    from sisf.loop.bundle import import_bundle, preview_import, read_bundle

    bundle = read_bundle(text_of(file), str(file), trusted=[_bytes(path) for path in trust or ()])
    with store_of(config, store) as opened:
        settings = load_settings(config)
        gate, knowledge = examiner(settings, opened)
        if settings.admin.two_persons and not preview:
            _approved(opened, bundle.policies)
        if preview:
            come, _ = preview_import(opened, bundle, gate, knowledge, embedder=gate.embedder)
            snapshot = opened.policies.snapshot()
        else:
            snapshot, come = import_bundle(
                opened, bundle, gate, knowledge, embedder=gate.embedder, actor=person(), replace=replace
            )
    if json:
        emit({"revision": snapshot.revision, "active": len(snapshot.active), "excepted": come.excepted})
        return
    for line in come.lines():
        typer.echo(shown(line))
    if preview:
        typer.echo(f"{counted(len(bundle.policies), 'policy')} of {shown(bundle.origin)} would be taken")
    else:
        what = f"imported {counted(len(bundle.policies), 'policy')} of {shown(bundle.origin)}"
        typer.echo(f"{what}: revision {snapshot.revision} with {counted(len(snapshot.active), 'active policy')}")


def _approved(store: "Store", policies: "Sequence[Policy]") -> None:
    """Each broad policy that would come into force needs two people, also out of a bundle; the first one's word is kept
    for all of them. Raises `PolicyError` while the second is missing."""
    from sisf.errors import PolicyError
    from sisf.loop.approval import approve
    from sisf.policy import Status

    active, refused = {policy.id for policy in store.policies.snapshot().active}, []
    for policy in policies:
        if policy.status is Status.ACTIVE and policy.id not in active:
            try:
                approve(store, policy, person())
            except PolicyError as error:
                refused.append(str(error))
    if refused:
        raise PolicyError("; ".join(refused))


def rebuild(
    embedder: Annotated[str, typer.Option(help="The embedder to move to, as in `embedder.name`.")],
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Move semantic policies to another embedder, through the gate; name those that cannot be moved."""
    settings = load_settings(config, embedder__name=embedder)
    with store_of(config, store) as opened:
        result = _moved(settings, opened, person())
    if json:
        emit(
            {
                "revision": result.snapshot.revision,
                "moved": result.moved,
                "left": dict(result.left),
                "excepted": result.excepted,
            }
        )
        return
    _tell(result)


def move_to_the_embedder_in_use(settings: "Settings") -> None:
    """What a gateway does when it starts with another embedder than the stored policies were made for, as after an
    upgrade: moves them, with progress on standard error. Nodes that still run the former one enforce what they have."""
    from sisf.bootstrap import store_of_settings
    from sisf.embedding import configured_embedder
    from sisf.errors import StoreError
    from sisf.loop.rebuild import foreign

    with contextlib.closing(store_of_settings(settings)) as opened:
        try:
            stale = foreign(opened.policies.snapshot(), configured_embedder(settings.embedder).id)
        except StoreError:
            return  # it is away: whether the gateway can start without it is found out where it does
        if stale:
            what = f"{len(stale)} stored policies were made for another embedder than {settings.embedder.name}"
            typer.echo(f"{what}: moving them; the gateway listens when that is done", err=True)
            _tell(_moved(settings, opened, "loop"))


def _moved(settings: "Settings", store: "Store", actor: str) -> "Rebuilt":
    from sisf.cli.progress import TerminalProgress
    from sisf.loop import StoreKnowledge
    from sisf.loop.rebuild import rebuild as move
    from sisf.synthesis.factory import create_synthesiser

    gate, reference, lessons = _gate(settings)
    synthesiser = create_synthesiser(settings.synthesis, gate.embedder, gate, reference=reference, lessons=lessons)
    with TerminalProgress() as bar:
        told = ""

        def progress(step: str, total: int) -> None:
            nonlocal told
            if step != told:
                told = step
                bar.begin(step, total)
            bar.advance()

        knowledge = StoreKnowledge(store, reference)
        return move(store, gate.embedder, synthesiser, gate, knowledge, actor=actor, progress=progress)


def _tell(result: "Rebuilt") -> None:
    typer.echo(f"moved {counted(len(result.moved), 'policy')}: revision {result.snapshot.revision}", err=True)
    for policy_id, cases in result.excepted.items():
        typer.echo(f"{policy_id}: comes with an exception for exchange {', '.join(map(shown, cases))}", err=True)
    for policy_id, reason in result.left:
        typer.echo(f"could not move {policy_id}, and retired it: {shown(reason)}", err=True)


def health(config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False) -> None:
    """Show how what was learned ages: use, margin to honest users, overlap, cost."""
    import dataclasses

    from sisf.loop.ageing import ageing

    with store_of(config, store) as opened:
        found = ageing(opened)
    if json:
        emit(dataclasses.asdict(found))
        return
    print_rows(("figure", "value"), _aged(found), empty="")


def _aged(found: "Ageing") -> Sequence[tuple[str, str]]:
    """The figures in words, with their units."""

    def share(value: float | None) -> str:
        return "–" if value is None else f"{value:.0%}"

    return (
        ("revision", str(found.revision)),
        *((f"policies, {status}", f"{count:,}") for status, count in found.policies.items()),
        ("matched something within a week", f"{share(found.used_lately)} of the active policies"),
        ("never matched anything", f"{found.never_used:,} of the active policies"),
        ("confirmed within a week", f"{share(found.confirmed_lately)} of the active policies"),
        ("shadows that wait for evidence", f"{found.on_probation:,}"),
        ("mistakes reported within a week", f"{found.false_positives_lately:,}"),
        ("honest texts stopped, at most", f"{found.fpr_upper:.2%} (95 %, the bounds of all active policies together)"),
        ("nearest honest text", _nearest(found.margin)),
        ("variants of breaches caught", share(found.reach)),
        ("stopped by more than one policy", f"{share(found.overlap)} of what was stopped lately"),
        ("cost, one policy after the other", f"{found.cost_us:,.0f} µs a text"),
        ("oldest active policy", "–" if found.oldest is None else f"{found.oldest:%Y-%m-%d %H:%M} UTC"),
    )


def _nearest(margin: float | None) -> str:
    return "–" if margin is None else f"{margin:.2f} below a learned threshold"


def review(config: ConfigOption = None, store: StoreOption = None) -> None:
    """Demote, promote, merge and retire what the evidence says, now; a running gateway does it every minute."""
    with store_of(config, store) as opened:
        before = opened.policies.snapshot().revision
        after = lifecycle_of(load_settings(config), opened).review().revision
    typer.echo("nothing is due" if after == before else f"reviewed: revision {after}; see `sisf policy diff {before}`")


def examiner(settings: "Settings", store: "Store") -> "tuple[Gate, StoreKnowledge]":
    """The gate, and what it must know, for a policy that a person brings."""
    from sisf.loop import StoreKnowledge

    gate, reference, _ = _gate(settings)
    return gate, StoreKnowledge(store, reference)


def _gate(settings: "Settings") -> "tuple[Gate, Reference, Embedder]":
    """The gate, the benign reference but for what only the gate knows, and the embedder that keeps vectors of both."""
    from sisf.embedding import configured_embedder
    from sisf.embedding.kept import KeptEmbedder
    from sisf.loop.benign_reference import held_back, load_references, reference_of
    from sisf.synthesis.gate import Gate

    embedder = configured_embedder(settings.embedder)
    lessons = KeptEmbedder(embedder)
    reference, secret = held_back(reference_of(load_references(settings.synthesis.reference)))
    return Gate(embedder, secret=secret, reference=reference, lessons=lessons), reference, lessons


def lifecycle_of(settings: "Settings", store: "Store") -> "Lifecycle":
    """The lifecycle as a running gateway has it, for what a person asks of it."""
    from sisf.loop import Lifecycle
    from sisf.loop.examiner import Examiner, Traffic
    from sisf.loop.rules import rules_of

    gate, knowledge = examiner(settings, store)
    embedder = gate.embedder
    examined = Examiner(gate, Traffic(store, embedder))
    rules = rules_of(settings.lifecycle, keys=bool(settings.keys.file))
    promote = settings.synthesis.autonomy == "autonomous"
    return Lifecycle(store, examined, knowledge, rules=rules, promote=promote, embedder=embedder)


def _bytes(file: Path) -> bytes:
    from sisf.errors import DataError

    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None


def _write(file: Path, text: str) -> None:
    if str(file) == "-":
        typer.echo(text.rstrip())
        return
    with written(file) as new:
        new.write(text)
    typer.echo(f"wrote {file}")


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    commands: dict[str, Callable[..., None]] = {
        "diff": diff,
        "export": export,
        "import": import_,
        "seal": seal,
        "rebuild": rebuild,
        "health": health,
        "review": review,
    }
    for name, command in commands.items():
        app.command(name)(command)
