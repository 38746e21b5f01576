"""`sisf evaluate`: the laboratory, one command for each protocol."""

from sisf.cli.base import group
from sisf.cli.evaluate import haystack, judge, learn, obfuscation, poison, rapid_response

app = group("Measure: attack success, false positives, what is learned and at what price.")
app.command("learn")(learn.learn)
app.command("held-out")(learn.held_out)
app.command("obfuscation")(obfuscation.obfuscation)
app.command("haystack")(haystack.haystack)
app.command("rapid-response")(rapid_response.rapid_response)
app.command("judge")(judge.judge)
app.command("poison")(poison.poison)
