"""`sisf exchange`: search what was said, see why it was decided so, and take a word back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sisf.cli.base import (
    ConfigOption,
    JsonOption,
    StoreOption,
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

if TYPE_CHECKING:
    from sisf.store import Query

app = group("Search exchanges, explain them, and take a word back.")

ExchangeId = Annotated[str, typer.Argument(metavar="ID", help=EXCHANGE)]
_EXCERPT = 90
_FORMS = (".csv", ".jsonl")


@app.command()
def search(
    words: Annotated[str, typer.Argument(help='Words that all occur; "a phrase", -without.')] = "",
    show: Annotated[str, typer.Option(help="all, breach, undecided, safe, stopped or released.")] = "all",
    tenant: Annotated[str, typer.Option(help="Only of this tenant.")] = "",
    principal: Annotated[str, typer.Option(help="Only of this principal.")] = "",
    policy: Annotated[str, typer.Option(help="Only what this policy matched.")] = "",
    hazard: Annotated[str, typer.Option(help="Only with this hazard.")] = "",
    since: Annotated[
        str, typer.Option(help="From when on: 1h, 24h, 7d or 30d ago, or a time such as 2026-01-31T12:00.")
    ] = "",
    until: Annotated[str, typer.Option(help="Up to when: a time such as 2026-01-31T12:00.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Write all that is found: FILE.csv or FILE.jsonl.")] = None,
    config: ConfigOption = None,
    store: StoreOption = None,
    json: JsonOption = False,
) -> None:
    """Find exchanges, newest first."""
    from sisf.console import finding
    from sisf.errors import ConfigurationError

    given = {
        "q": words,
        "show": show,
        "tenant": tenant,
        "principal": principal,
        "policy": policy,
        "hazard": hazard,
        "since": since,
        "until": until,
    }
    query = _query(finding.asked(given))
    if out is not None and out.suffix not in _FORMS:
        raise ConfigurationError(f"--out {shown(str(out))}: name a file that ends in {' or '.join(_FORMS)}")
    with store_of(config, store) as opened:
        if out is not None:
            form = finding.as_csv if out.suffix == ".csv" else finding.as_jsonl
            with written(out) as file:
                file.writelines(form(finding.all_of(opened, query)))
            typer.echo(f"written to {out}")
            return
        found = finding.searched(opened, query, limit)
    if json:
        emit([exchange_json(item.record) for item in found])
        return
    rows = []
    for record in (item.record for item in found):
        exchange = record.exchange
        judged = record.verdict.outcome if record.verdict else ""
        rows.append((exchange.id, moment(exchange.time), record.fate, judged, excerpt(exchange.prompt, _EXCERPT)))
    print_rows(("id", "time (UTC)", "what happened", "verdict", "prompt"), rows, empty="nothing found")


@app.command()
def why(
    exchange_id: ExchangeId, config: ConfigOption = None, store: StoreOption = None, json: JsonOption = False
) -> None:
    """Explain the decisions on an exchange as `sisf check` explains a text."""
    from sisf.cli.check import rendered
    from sisf.console.explaining import doubts, explained
    from sisf.embedding import configured_embedder

    with store_of(config, store) as opened:
        record = exchange_named(opened, exchange_id)
        embedder = configured_embedder(load_settings(config).embedder)
        told = [each.explanation for each in explained(opened, embedder, record) if each.explanation is not None]
        word = opened.oversight.word(record.exchange.id)
    said = f"{word.actor} said: {word.said}" if word is not None else ""
    if json:
        emit(
            {
                "id": record.exchange.id,
                "fate": record.fate.value,
                "why": [rendered(each) for each in told],
                "doubts": doubts(record),
                "word": said,
            }
        )
        return
    for each in told:
        typer.echo(shown(rendered(each)))
    if not told:
        typer.echo(f"{record.fate}: no policy recognised it")
    for doubt in doubts(record):
        typer.echo(shown(doubt))
    if said:
        typer.echo(shown(said))


@app.command("take-back")
def take_back(exchange_id: ExchangeId, config: ConfigOption = None, store: StoreOption = None) -> None:
    """Take back what a person said of a stopped exchange, with what followed from it."""
    from sisf.console.actions import Actions
    from sisf.console.parts import Parts

    with store_of(config, store) as opened:
        record = exchange_named(opened, exchange_id)
        word = Actions(Parts(opened)).take_back(record.exchange.id, person())
    typer.echo(f"{word.said} of {shown(word.actor)} taken back")


def _query(fields: dict[str, str]) -> "Query":
    """The search; what is wrong with it is one clear line, which begins with the option: fields bear their names."""
    from starlette.exceptions import HTTPException

    from sisf.console import finding
    from sisf.errors import ConfigurationError

    try:
        return finding.query_of(fields)
    except HTTPException as error:
        raise ConfigurationError(f"--{error.detail}") from None
