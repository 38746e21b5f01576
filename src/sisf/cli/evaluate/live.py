"""`sisf evaluate live`."""

from typing import Annotated, Any

import typer

from sisf.cli.evaluate.common import names_of
from sisf.cli.evaluate.learn import show_summary
from sisf.cli.evaluate.options import Attacks, Benign, Learn
from sisf.cli.evaluate.running import Running, experiment


@experiment("labels seed", without="parallel")
def live(
    running: Running,
    gateway: Annotated[str, typer.Option(help="The gateway's base URL, e.g. http://127.0.0.1:8400/v1.")],
    protocol: Annotated[str, typer.Option(help="learn, held-out, drift or benign.")] = "learn",
    attacks: Attacks = "",
    learn: Learn = "",
    benign: Benign = "",
    model: Annotated[str, typer.Option(help="Name of the model to ask for.")] = "default",
    key: Annotated[str, typer.Option(envvar="SISF_GATEWAY_KEY", help="The client's key.")] = "",
    store: Annotated[
        str, typer.Option(help="The gateway's store, to wait for its loop and to read its policies.")
    ] = "",
    pause: Annotated[float, typer.Option(min=0.0, help="Seconds after each attack, where no store is named.")] = 1.0,
) -> None:
    """Run one of the protocols against a gateway that is running, over HTTP, with all that it has learned before."""
    import os

    from sisf.evaluation.protocols.live.run import KEY

    if key:
        os.environ[KEY] = key
    running.conduct(
        "live.run:plan",
        [names_of(learn), names_of(attacks), names_of(benign)],
        _reported(protocol),
        show_summary,
        given={"protocol": protocol, "gateway": gateway, "model": model, "store": store, "pause": pause},
    )


def _reported(protocol: str) -> Any:
    if protocol == "benign":
        from sisf.evaluation.protocols.benign.page import report as benign

        return benign
    if protocol == "drift":
        from sisf.evaluation.protocols.drift.page import report as drift

        return drift
    from sisf.evaluation.protocols.learn.page import report

    return report
