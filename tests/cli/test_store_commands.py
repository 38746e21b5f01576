"""Commands over the store: audit, bundles, mistakes, deletion, health."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from sisf import datasets
from sisf.cli.main import app
from sisf.embedding.factory import create_embedder
from sisf.exchange import Exchange, Fate
from sisf.policy import (
    Action,
    Change,
    Decision,
    Direction,
    GateReport,
    Match,
    Pattern,
    Policy,
    Probe,
    Prototypes,
    Provenance,
    Status,
)
from sisf.store import ExchangeRecord, open_store
from sisf.synthesis.lines import NARROW
from sisf.verdict import Outcome, Verdict

Sisf = Callable[..., Result]


@pytest.fixture
def sisf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sisf:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SISF_EMBEDDER__NAME", "hash")

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, list(arguments), **options)

    return run


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    opened = open_store(url)
    policy = Policy(
        Pattern(r"open\s+sesame"),
        Action.BLOCK,
        Direction.PROMPT,
        "Asks the cave to open",
        id="cave",
        status=Status.ACTIVE,
        gate_report=GateReport(True, benign_total=3000, fpr_upper=0.001),
    )
    opened.policies.commit(Change((policy,), "loop", "learned"), expected=0)
    decision = Decision(Action.BLOCK, (Match("cave", Action.BLOCK, 1.0, 1.0),), 1, Direction.PROMPT)
    said = Exchange.of("open sesame is a fairy tale", id="tale", principal="kid")
    opened.exchanges.record(ExchangeRecord(said, (decision,), Fate.INTERCEPTED_PROMPT), enqueue=False).result(60)
    opened.close()
    return url


def test_the_audit_log_is_anchored_and_verified(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert "policy.activate" in sisf("audit", "list").stdout
    assert sisf("audit", "anchor", "anchor.json").exit_code == 0
    assert json.loads(sisf("audit", "verify", "--anchor", "anchor.json", "--json").stdout) == {
        "rows": 2,
        "problem": None,
    }
    with sqlite3.connect(tmp_path / "sisf.db") as connection:
        connection.execute("DELETE FROM audit WHERE sequence = 2")
    connection.close()
    assert sisf("audit", "verify").exit_code == 0, "without an anchor a cut end does not show"
    cut = sisf("audit", "verify", "--anchor", "anchor.json")
    assert cut.exit_code == 1
    assert "cut off" in cut.stdout
    with sqlite3.connect(tmp_path / "sisf.db") as connection:
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE sequence = 1")
    connection.close()
    assert "row 1 was edited" in sisf("audit", "verify").stdout
    assert sisf("audit", "verify", "--anchor", "sisf.db").exit_code == 2


@pytest.mark.parametrize(
    ("table", "arguments"),
    [
        ("audit", ("audit", "verify")),
        ("exchange", ("note", "comment", "tale", "seen")),
        ("exchange", ("breach", "list")),
    ],
)
def test_a_store_that_cannot_be_read_says_nothing_of_what_stands_in_it(
    sisf: Sisf, store: str, tmp_path: Path, table: str, arguments: tuple[str, ...]
) -> None:
    """Neither that the chain is broken, nor that there is no such exchange."""
    with sqlite3.connect(tmp_path / "sisf.db") as connection:
        connection.execute(f"ALTER TABLE {table} RENAME TO gone")
    connection.close()
    told = sisf(*arguments)
    assert (told.exit_code, "could not be read" in told.output, "there is no" in told.output) == (2, True, False)


def test_a_mistake_becomes_an_exception(sisf: Sisf, store: str) -> None:
    assert sisf("check", "open sesame is a fairy tale").exit_code == 1
    said = sisf("breach", "mistake", "tale", "--json")
    assert json.loads(said.stdout) == {"id": "tale", "revision": 2}
    assert sisf("check", "open sesame is a fairy tale").exit_code == 0
    assert sisf("check", "open sesame now").exit_code == 1
    assert sisf("breach", "mistake", "nope").exit_code == 2


def test_deletion(sisf: Sisf, store: str) -> None:
    assert sisf("breach", "delete").exit_code == 2
    assert json.loads(sisf("breach", "delete", "--principal", "kid", "--json").stdout) == {"deleted": 1}
    assert json.loads(sisf("breach", "delete", "--older-than-days", "0", "--json").stdout) == {"deleted": 0}


def test_peoples_verdicts_become_a_data_set(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert sisf("breach", "label", "tale", "safe").exit_code == 0
    assert json.loads(sisf("breach", "labels", "--out", "labels.jsonl", "--json").stdout)["labels"] == 1
    (row,) = datasets.load(str(tmp_path / "labels.jsonl")).records
    assert (row.id, row.prompt, row.human_label) == ("tale", "open sesame is a fairy tale", "safe")
    assert sisf("breach", "labels", "--out", "nowhere/labels.jsonl").exit_code == 2


def test_health_and_review(sisf: Sisf, store: str) -> None:
    figures = json.loads(sisf("policy", "health", "--json").stdout)
    assert (figures["policies"]["active"], figures["never_used"], figures["used_lately"]) == (1, 0, 1.0)
    assert "honest texts stopped, at most" in sisf("policy", "health").stdout
    assert "nothing is due" in sisf("policy", "review").stdout


def test_a_bundle_goes_round(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert sisf("policy", "export", "out.yaml", "--origin", "prod").exit_code == 0
    other = f"sqlite:///{tmp_path / 'other.db'}"
    open_store(other).close()
    edited = Path("out.yaml").read_text().replace("Asks the cave", "Begs the cave")
    Path("out.yaml").write_text(edited)
    refused = sisf("policy", "import", "out.yaml", "--store", other)
    assert refused.exit_code == 2
    assert "digest" in refused.stderr
    assert sisf("policy", "seal", "out.yaml").exit_code == 0
    assert "imported 1 policy of prod" in sisf("policy", "import", "out.yaml", "--store", other).stdout
    assert "not newer" in sisf("policy", "import", "out.yaml", "--store", other).stderr
    assert "every text" not in sisf("policy", "export", "-", "--store", other).stdout


def test_a_bundle_that_blocks_honest_users_is_refused(sisf: Sisf, store: str) -> None:
    sisf("policy", "export", "out.yaml", "--origin", "evil")
    Path("out.yaml").write_text(Path("out.yaml").read_text().replace(r"open\s+sesame", "how"))
    sisf("policy", "seal", "out.yaml")
    refused = sisf("policy", "import", "out.yaml")
    assert refused.exit_code == 2
    assert "the gate refuses 1 of 1" in refused.stderr


def test_rebuild_names_what_it_moves(sisf: Sisf, store: str) -> None:
    moved = json.loads(sisf("policy", "rebuild", "--embedder", "hash", "--json").stdout)
    assert moved == {"revision": 1, "moved": [], "left": {}, "excepted": {}}


def test_a_worker_needs_a_store_that_others_see(sisf: Sisf) -> None:
    refused = sisf("worker", "--store", "memory:")
    assert refused.exit_code == 2
    assert "one process only" in refused.stderr


def test_an_empty_fleet(sisf: Sisf, store: str) -> None:
    assert json.loads(sisf("fleet", "--json").stdout) == {"revision": 1, "nodes": []}
    assert "0 nodes" in sisf("fleet").stdout


def test_a_policy_is_explained(sisf: Sisf, store: str) -> None:
    told = sisf("policy", "show", "cave").stdout
    for said in (
        "Asks the cave to open",
        "the pattern open",
        "blocks prompts",
        "at most 0.10% of honest texts",
        "1 matches",
    ):
        assert said in told
    assert "condition:" in sisf("policy", "show", "cave", "--yaml").stdout


def test_what_passes_is_told_with_what_came_nearest(sisf: Sisf, store: str) -> None:
    """In steps of caution: a cosine of 0 is further from 0.9 than log-odds of 0 are from 2."""
    embedder = create_embedder("hash")
    vector = embedder.embed(["a golden lamp"]).astype("<f4").tobytes()
    alike = Prototypes(embedder.id, embedder.dimensions, vector, 0.9)
    probe = Probe(embedder.id, embedder.dimensions, bytes(4 * embedder.dimensions), {"lamp": 1.0}, 0.0, 2.0)
    conditions: dict[str, Prototypes | Probe] = {"alike": alike, "probe": probe}
    policies = [
        Policy(
            each,
            Action.BLOCK,
            Direction.PROMPT,
            f"by {name}",
            id=name,
            status=Status.ACTIVE,
            gate_report=GateReport(True),
        )
        for name, each in conditions.items()
    ]
    with closing(open_store(store)) as opened:
        opened.policies.commit(Change(tuple(policies), "loop", "x"), expected=1)
    told = sisf("check", "hello there")
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert lines[1] == "nearest: by probe [probe]: 0.00, it matches from 2.00 on"
    assert lines[2].startswith("nearest: by alike [alike]: ")
    near = json.loads(sisf("check", "hello there", "--json").stdout)["near"]
    assert [each["policy_id"] for each in near] == ["probe", "alike"]
    assert "nearest" not in sisf("check", "a golden lamp").stdout


def test_a_learned_policy_shows_its_words_and_nearest_breaches(sisf: Sisf, store: str) -> None:
    opened = open_store(store)
    for number, text in enumerate(("steal the golden lamp", "hello there")):
        said = Exchange.of(text, "y", id=f"b{number}", principal=f"thief {number}")
        record = ExchangeRecord(said, verdict=Verdict(Outcome.BREACH, "t"))
        opened.exchanges.record(record, enqueue=False).result(60)
    embedder = create_embedder("hash")
    weights = bytes(4 * embedder.dimensions)
    probe = Probe(embedder.id, embedder.dimensions, weights, {"golden lamp": 2.0, "kindly": -1.5, "the": 9.0}, 0.0, 0.5)
    learned = Policy(
        probe, Action.BLOCK, Direction.PROMPT, "Wants the lamp", id="lamp", status=Status.SHADOW,
        provenance=Provenance(("b0", "b1"), "local"), gate_report=GateReport(True, provisional=True, margin=0.25),
    )  # fmt: skip
    opened.policies.commit(Change((learned,), "loop", "x"), expected=1)
    opened.close()
    told = sisf("policy", "show", "lamp").stdout
    assert "speak for a breach: golden lamp +2.00\n" in told
    assert "speak against:      kindly -1.50" in told
    assert told.index("steal the golden lamp") < told.index("hello there")
    assert "2 breaches of 2 senders" in told
    assert "for a shadow only" in told


def test_a_person_moves_policies_and_confirms_what_was_stopped(sisf: Sisf, store: str) -> None:
    assert json.loads(sisf("policy", "shadow", "cave", "--json").stdout) == {"revision": 2, "active": 0}
    assert sisf("policy", "shadow", "cave").exit_code == 2
    assert sisf("policy", "activate", "cave", "-r", "needed").exit_code == 0
    assert json.loads(sisf("breach", "confirm", "tale", "--json").stdout) == {"id": "tale", "policies": 1}
    assert json.loads(sisf("policy", "show", "cave", "--json").stdout)["evidence"]["confirmations"] == 1
    figures = json.loads(sisf("policy", "health", "--json").stdout)
    assert figures["confirmed_lately"] == 1.0
    assert sisf("policy", "rollback", "1").exit_code == 0


def test_enforcement_is_suspended_and_resumed_by_command(sisf: Sisf, store: str) -> None:
    assert sisf("enforcement", "status").exit_code == 0
    told = json.loads(
        sisf("enforcement", "suspend", "--policy", "cave", "--minutes", "5", "-r", "why", "--json").stdout
    )
    assert (told["scope"], told["subject"], told["reason"]) == ("policy", "cave", "why")
    shown = sisf("enforcement", "status")
    assert (shown.exit_code, "policy cave" in shown.stdout) == (1, True)
    assert sisf("enforcement", "suspend", "--policy", "cave", "--tenant", "a").exit_code == 2
    assert sisf("enforcement", "suspend", "--policy", "cave", "--all").exit_code == 2
    unsaid = sisf("enforcement", "suspend", "--minutes", "5")
    assert (unsaid.exit_code, "--all, --tenant NAME or --policy ID" in unsaid.stderr) == (2, True)
    assert sisf("enforcement", "suspend", "--minutes", "-1").exit_code == 2
    assert "all" in sisf("enforcement", "suspend", "--all").stdout
    assert json.loads(sisf("enforcement", "resume", "--json").stdout) == {"ended": 2}
    assert "enforcement.suspend" in sisf("audit", "list").stdout


def test_the_audit_log_is_listed_newest_first(sisf: Sisf, store: str) -> None:
    rows = json.loads(sisf("audit", "list", "--limit", "1", "--json").stdout)
    assert [row["action"] for row in rows] == ["exchange.block"]
    rows = json.loads(sisf("audit", "list", "--after", "0", "--json").stdout)
    assert [row["sequence"] for row in rows] == [1, 2]


def test_a_label_is_a_decision(sisf: Sisf, store: str) -> None:
    done = sisf("breach", "label", "tale", "undecided")
    assert (done.exit_code, "must be one of breach, safe" in done.output) == (2, True)


def test_a_dead_letter_that_is_not_there_is_told_with_a_command_that_is(sisf: Sisf, store: str) -> None:
    assert "`sisf breach list` lists them" in sisf("breach", "retry", "none").output


@pytest.mark.parametrize("command", ["policy list", "policy list --each", "audit list", "doctor"])
def test_what_goes_into_a_file_has_no_spaces_at_the_end_of_lines(sisf: Sisf, store: str, command: str) -> None:
    told = sisf(*command.split()).stdout
    assert len(told.splitlines()) > 1
    assert not [line for line in told.splitlines() if line != line.rstrip()]


def test_a_narrow_terminal_cuts_no_id_and_drops_no_description(
    sisf: Sisf, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sisf.cli.base._PIPED_WIDTH", 50)
    for command in (("policy", "list"), ("breach", "list", "--outcome", "safe")):
        assert sisf(*command).exit_code == 0
    told = sisf("policy", "list").stdout
    assert "cave  active" in told
    assert "Asks the cave to open" in told


def test_a_list_of_breaches_says_what_is_not_judged_yet(sisf: Sisf, tmp_path: Path) -> None:
    """Just after a start nothing is: an empty list would read as if nothing had got through."""
    opened = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
    for number in range(3):
        opened.exchanges.record(ExchangeRecord(Exchange.of(f"prompt {number}", "answer")), enqueue=True).result()
    opened.close()
    told = sisf("breach", "list").stdout.splitlines()
    assert told == ["no exchange is judged breach", "3 exchanges in the loop: not judged, or not learned from, yet"]
    assert json.loads(sisf("breach", "list", "--json").stdout) == []


def test_narrow_policies_of_one_hazard_stand_on_one_line(sisf: Sisf, store: str) -> None:
    opened = open_store(store)
    policies = [
        Policy(
            Pattern(f"door {number}"),
            Action.BLOCK,
            Direction.PROMPT,
            "Requests nearly like one that breached the model",
            id=f"door-{number}",
            status=Status.ACTIVE,
            provenance=Provenance((f"breach-{number}",), NARROW),
            gate_report=GateReport(True),
        )
        for number in range(3)
    ]
    opened.policies.commit(Change(tuple(policies), "loop", "learned"), expected=1)
    opened.close()
    told = sisf("policy", "list").stdout
    assert "3 narrow" in told
    assert "Requests nearly like one of 3 that breached the model" in told
    assert "4 active, revision 2 (in 2 lines" in told
    assert "door-1" not in told
    assert "door-1" in sisf("policy", "list", "--each").stdout
    assert len(json.loads(sisf("policy", "list", "--json").stdout)["policies"]) == 4


@pytest.mark.parametrize(
    ("option", "value"),
    [("--show", "sideways"), ("--hazard", "?"), ("--since", "soon"), ("--until", "9"), ("--out", "x.pdf")],
)
def test_what_is_wrong_with_a_search_names_the_option(
    sisf: Sisf, store: str, tmp_path: Path, option: str, value: str
) -> None:
    done = sisf("exchange", "search", option, value)
    assert (done.exit_code, done.output.startswith(f"sisf: error: {option} ")) == (2, True), done.output
    assert not (tmp_path / "x.pdf").exists()


def test_exchanges_are_searched_explained_and_exported(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert "tale" in sisf("exchange", "search", "fairy", "--show", "stopped").stdout
    assert [found["id"] for found in json.loads(sisf("exchange", "search", "fairy", "--json").stdout)] == ["tale"]
    assert sisf("exchange", "search", "nowhere").stdout == "nothing found\n"
    told = sisf("exchange", "why", "tale").stdout
    assert "Asks the cave to open [cave]" in told
    assert "^^^^" in told
    assert sisf("exchange", "search", "--out", "found.csv").exit_code == 0
    assert (tmp_path / "found.csv").read_text().startswith('"id","time"')
    assert sisf("exchange", "search", "--out", "found.jsonl").exit_code == 0
    assert json.loads((tmp_path / "found.jsonl").read_text())["id"] == "tale"
    came_near = Decision(Action.ALLOW, (), 1, Direction.RESPONSE, doubt=Match("cave", Action.BLOCK, 0.8149, 0.83))
    record = ExchangeRecord(Exchange.of("open barley", "done", id="near"), (came_near,))
    with closing(open_store(store)) as opened:
        opened.exchanges.record(record, enqueue=False).result(60)
    assert (
        "the answer came near to policy cave (0.81; it blocks from 0.83 on)" in sisf("exchange", "why", "near").stdout
    )


_MORE: dict[tuple[str, ...], tuple[str, ...]] = {
    ("breach", "label"): ("safe",),
    ("note", "comment"): ("hm",),
    ("note", "assign"): ("ann",),
}


def _that_take_an_id() -> list[tuple[str, ...]]:
    """Every command over the store whose argument names an exchange or a policy."""
    groups: Any = get_command(app)
    return [
        (group, name)
        for group in ("breach", "exchange", "note", "policy")
        for name, command in groups.commands[group].commands.items()
        if any(parameter.metavar == "ID" for parameter in command.params)
    ]


@pytest.mark.parametrize("command", _that_take_an_id(), ids=" ".join)
def test_an_unknown_id_is_one_line_that_says_where_the_ids_stand(
    sisf: Sisf, store: str, command: tuple[str, ...]
) -> None:
    said = sisf(*command, "nowhere", *_MORE.get(command, ()))
    assert said.exit_code == 2
    assert said.output.count("\n") == 1
    assert "`nowhere`" in said.output
    assert "; `sisf " in said.output


def test_the_start_of_an_id_is_enough_where_no_other_has_it(sisf: Sisf, store: str) -> None:
    assert "Asks the cave to open" in sisf("policy", "show", "ca").stdout
    assert "fairy tale" in sisf("breach", "show", "ta").stdout
    assert "[cave]" in sisf("exchange", "why", "ta").stdout
    assert json.loads(sisf("note", "comment", "ta", "seen", "--json").stdout)["subject"] == "tale"
    assert "seen" in sisf("note", "list", "t").stdout
    opened = open_store(store)
    opened.exchanges.record(ExchangeRecord(Exchange.of("x", id="tail"), (), Fate.RELEASED), enqueue=False).result(60)
    opened.close()
    assert "2 ids start with `ta`" in sisf("note", "list", "ta").output


def test_times_in_json_are_those_of_iso_8601(sisf: Sisf, store: str) -> None:
    for command in (("policy", "revisions"), ("audit", "list"), ("exchange", "search"), ("breach", "list")):
        for row in json.loads(sisf(*command, "--json").stdout):
            assert "T" in row["time"], command


def test_hidden_characters_reach_no_terminal(sisf: Sisf, store: str) -> None:
    opened = open_store(store)
    hostile = "open\x1b]0;owned\x07 \u202esesame\u200b"
    opened.exchanges.record(ExchangeRecord(Exchange.of(hostile, id="evil"), (), Fate.RELEASED), enqueue=False).result()
    opened.close()
    for command in (("exchange", "search"), ("exchange", "why", "evil"), ("breach", "show", "evil")):
        said = sisf(*command).stdout
        assert not {"\x1b", "\x07", "\u202e", "\u200b"} & set(said), command


def test_a_step_is_undone_and_a_word_taken_back(sisf: Sisf, store: str) -> None:
    assert sisf("policy", "retire", "cave").exit_code == 0
    assert json.loads(sisf("policy", "undo", "2", "--json").stdout) == {"revision": 3, "active": 1}
    assert sisf("policy", "undo", "2").exit_code == 2
    assert "nothing to take back" in sisf("exchange", "take-back", "tale").output


def test_a_word_stands_once_as_on_the_console_and_is_taken_back(sisf: Sisf, store: str) -> None:
    told = sisf("breach", "mistake", "tale")
    assert "undo with `sisf exchange take-back tale`" in told.stderr
    for again in ("mistake", "confirm"):
        refused = sisf("breach", again, "tale")
        assert (refused.exit_code, "take that back first" in refused.stderr) == (2, True)
    assert sisf("check", "open sesame is a fairy tale").exit_code == 0
    assert sisf("exchange", "take-back", "tale").exit_code == 0
    assert sisf("check", "open sesame is a fairy tale").exit_code == 1
    assert sisf("breach", "confirm", "tale").exit_code == 0
    assert json.loads(sisf("policy", "show", "cave", "--json").stdout)["evidence"]["confirmations"] == 1


def test_what_cannot_be_written_leaves_an_earlier_anchor(
    sisf: Sisf, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sisf("audit", "anchor", "anchor.json").exit_code == 0
    before = (tmp_path / "anchor.json").read_text()

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sisf.files.os.fsync", full)
    for command in (("audit", "anchor"), ("policy", "export"), ("breach", "labels", "--out")):
        done = sisf(*command, "anchor.json")
        assert done.exit_code == 2, done.output
        assert "cannot be written: No space left on device" in done.output
    assert [(each.name, each.read_text()) for each in tmp_path.glob("anchor*")] == [("anchor.json", before)]
