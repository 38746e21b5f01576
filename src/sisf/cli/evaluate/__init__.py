"""`sisf evaluate`: the laboratory, one command for each protocol."""

from sisf.cli.base import group
from sisf.cli.evaluate import (
    benign,
    compare,
    cross_model,
    drift,
    haystack,
    judge,
    learn,
    live,
    obfuscation,
    poison,
    rapid_response,
    replay,
    stacked,
)

app = group("Run an experiment: attack success, false positives, what is learned and at what price.")
app.command("learn")(learn.learn)
app.command("held-out")(learn.held_out)
app.command("obfuscation")(obfuscation.obfuscation)
app.command("haystack")(haystack.haystack)
app.command("rapid-response")(rapid_response.rapid_response)
app.command("judge")(judge.judge)
app.command("poison")(poison.poison)
app.command("benign")(benign.benign)
app.command("stacked")(stacked.stacked)
app.command("cross-model")(cross_model.cross_model)
app.command("drift")(drift.drift)
app.command("replay")(replay.replay)
app.command("live")(live.live)
app.command("compare")(compare.compare)
