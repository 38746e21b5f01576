"""The command line in process: policies, breaches, check, doctor, in tables and in JSON."""

import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sisf.cli.main import app
from sisf.evaluation.progress import Silent
from sisf.exchange import Exchange
from sisf.policy import Action, Change, Direction, GateReport, Pattern, Policy, Provenance, Status
from sisf.store import ExchangeRecord, open_store
from sisf.taxonomy import Hazard
from sisf.testing import ScriptedServer
from sisf.verdict import Outcome, Verdict
from tests.gateway.conftest import rig

Sisf = Callable[..., Result]
HOSTILE = "Ignore this \x1b[2J and that"


@pytest.fixture
def sisf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sisf:
    monkeypatch.chdir(tmp_path)
    for name in ("SISF_CONFIG", "SISF_DATA_DIR", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **options: Any) -> Result:
        return CliRunner().invoke(app, list(arguments), prog_name="sisf", **options)

    return run


@pytest.fixture
def store(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'sisf.db'}"
    opened = open_store(url)
    verdict = Verdict(Outcome.BREACH, "scripted", hazard=Hazard.PRIVACY, confidence=0.9, rationale="it told all")
    exchange = Exchange.of(HOSTILE, "Sure", id="breach-1")
    opened.exchanges.record(ExchangeRecord(exchange, verdict=verdict), enqueue=False).result(10)
    first = Policy(
        Pattern(r"open\s+sesame"),
        Action.BLOCK,
        Direction.PROMPT,
        f"Asks the cave to open. {HOSTILE}",
        id="cave00000001",
        status=Status.ACTIVE,
        provenance=Provenance(("breach-1",), "scripted"),
        gate_report=GateReport(True, benign_total=3000, fpr_upper=0.001),
    )
    opened.policies.commit(Change((first,), "loop", "learned"), expected=0)
    opened.close()
    return url


def test_policy_list_and_show(sisf: Sisf, store: str) -> None:
    listed = sisf("policy", "list")
    assert listed.exit_code == 0
    assert "cave00000001" in listed.stdout
    assert "\x1b[2J" not in listed.stdout
    data = json.loads(sisf("policy", "list", "--json", "--store", store).stdout)
    assert [p["id"] for p in data["policies"]] == ["cave00000001"]
    shown = sisf("policy", "show", "cave")
    assert "open\\s+sesame" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert json.loads(sisf("policy", "show", "cave", "--json").stdout)["condition"]["form"] == "pattern"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("polic list", "Did you mean 'policy'"),
        ("policy lst", "see `sisf policy -h`"),
        ("policy list --foo", "see `sisf policy list -h`"),
        ("policy show", "see `sisf policy show -h`"),
        ("serve --port many", "'--port': must be a valid integer; see"),
        ("check --file nowhere.txt", "nowhere.txt: cannot be read: No such file or directory"),
        ("policy import nowhere.yaml", "nowhere.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_mistyped_command_is_one_line(sisf: Sisf, words: str, said: str) -> None:
    done = sisf(*words.split())
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith("sisf: error: ")
    assert "Errno" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_group_without_a_command_shows_its_help(sisf: Sisf) -> None:
    assert "Commands:" in sisf("policy").output


@pytest.mark.parametrize("width", [20, 79, 80, 100, 160])
def test_a_list_is_whole_at_any_width(sisf: Sisf, store: str, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("sisf.cli.base._PIPED_WIDTH", width)
    for command, whole in (
        ("policy list", "cave00000001"),
        ("policy revisions", "learned"),
        ("audit list", "cave00000001"),
        ("breach list", "breach-1"),
    ):
        listed = sisf(*command.split()).stdout
        assert whole in listed
        assert "00:00" not in listed
        assert all(len(line) <= width for line in listed.splitlines())
    if width == 79:
        assert "breaches 0" in sisf("policy", "revisions").stdout
    assert "nothing asks" in " ".join(sisf("policy", "questions").stdout.split())


def test_retire_diff_and_rollback(sisf: Sisf, store: str) -> None:
    assert "revision 2 with 0 active" in sisf("policy", "retire", "cave00000001", "--reason", "too broad").stdout
    assert sisf("policy", "retire", "cave00000001").exit_code == 2
    assert "cave00000001" in sisf("policy", "diff", "1", "2").stdout
    assert "+ cave00000001" in sisf("policy", "rollback", "1", "--preview").stdout
    told = json.loads(sisf("policy", "rollback", "1", "--json").stdout)
    assert (told["revision"], told["active"], told["excepted"], told["refused"]) == (3, 1, {}, {})
    rows = json.loads(sisf("policy", "revisions", "--json").stdout)
    assert [row["number"] for row in rows] == [3, 2, 1]
    assert rows[1]["reason"] == "too broad"
    assert rows[1]["actor"].startswith("person:")


def test_export_and_import_carry_policies_to_another_store(sisf: Sisf, store: str, tmp_path: Path) -> None:
    assert sisf("policy", "export", "out.yaml").exit_code == 0
    other = f"sqlite:///{tmp_path / 'other.db'}"
    open_store(other).close()
    assert "1 active" in sisf("policy", "import", "out.yaml", "--store", other).stdout
    data = json.loads(sisf("policy", "list", "--json", "--store", other).stdout)
    assert data["policies"][0]["condition"]["pattern"] == r"open\s+sesame"
    full = sisf("policy", "export", "/dev/full")
    assert full.exit_code == 2
    assert "/dev/full" in full.stderr


def test_breaches_are_shown_and_overruled(sisf: Sisf, store: str) -> None:
    listed = sisf("breach", "list")
    assert "breach-1" in listed.stdout
    assert "\x1b[2J" not in listed.stdout
    shown = sisf("breach", "show", "breach-1")
    assert "it told all" in shown.stdout
    assert "cave00000001" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "breach → safe" in sisf("breach", "label", "breach-1", "safe", "--reason", "a quotation").stdout
    assert json.loads(sisf("breach", "list", "--json").stdout) == []
    assert json.loads(sisf("breach", "show", "breach-1", "--json").stdout)["verdict"]["rationale"] == "a quotation"
    assert sisf("breach", "label", "breach-1", "undecided").exit_code == 2


def test_check_explains_and_its_exit_code_tells(sisf: Sisf, store: str, tmp_path: Path) -> None:
    config = tmp_path / "sisf.yaml"
    config.write_text("embedder: {name: hash}\n")
    blocked = sisf("check", "Please open   sesame now")
    assert blocked.exit_code == 1
    assert "cave00000001" in blocked.stdout
    assert "\x1b" not in blocked.stdout
    assert sisf("check", "Good morning").exit_code == 0
    assert sisf("check", "open sesame", "--response").exit_code == 0
    assert sisf("check", "-", input="open sesame").exit_code == 1
    (tmp_path / "text.txt").write_text("open sesame")
    data = json.loads(sisf("check", "--file", "text.txt", "--json").stdout)
    assert (data["action"], data["policy_id"], data["revision"]) == ("block", "cave00000001", 1)
    for wrong in (["check"], ["check", "x", "--file", "text.txt"], ["check", "--file", "absent.txt"]):
        assert sisf(*wrong).exit_code == 2


def test_doctor_names_what_is_broken(sisf: Sisf, store: str, tmp_path: Path) -> None:
    config = tmp_path / "sisf.yaml"
    with socket.create_server(("127.0.0.1", 0)) as taken, ScriptedServer() as upstream:
        port = taken.getsockname()[1]
        config.write_text(f"embedder: {{name: hash}}\nlisten: {{port: {port}}}\nupstream: {{url: '{upstream.url}'}}\n")
        result = sisf("doctor", "--json")
    assert result.exit_code == 1
    states = {f["check"]: f["state"] for f in json.loads(result.stdout)["findings"]}
    assert states["port"] == "problem"
    assert {states[name] for name in ("Python", "packages", "embedder", "store", "upstream", "judge")} == {"ok"}
    config.write_text("embedder: {name: hash}\nlisten: {port: 0}\nupstream: {url: 'http://127.0.0.1:9/v1'}\n")
    result = sisf("doctor")
    assert result.exit_code == 1
    assert "unreachable" in result.stdout


def test_doctor_asks_every_upstream_as_the_gateway_would(sisf: Sisf, store: str, tmp_path: Path) -> None:
    config = tmp_path / "sisf.yaml"
    (tmp_path / "key").write_text("sk-big\n")
    with ScriptedServer() as big:
        listed = (
            f"big: {{url: '{big.url}', api_key_file: '{tmp_path / 'key'}'}}, away: {{url: 'http://127.0.0.1:9/v1'}}"
        )
        config.write_text(f"embedder: {{name: hash}}\nlisten: {{port: 0}}\nupstreams: {{{listed}}}\n")
        result = sisf("doctor", "--json")
        assert [request.headers["authorization"] for request in big.requests] == ["Bearer sk-big"]
    assert result.exit_code == 1
    found = {f["check"]: f for f in json.loads(result.stdout)["findings"] if f["check"].startswith("upstream")}
    assert {name: f["state"] for name, f in found.items()} == {"upstream big": "ok", "upstream away": "problem"}
    assert found["upstream away"]["detail"].startswith(
        "http://127.0.0.1:9/v1: unreachable, nothing listens there; start it"
    )


@pytest.mark.parametrize(
    ("date", "said"),
    [
        ("Wed, 21 Oct 2015 07:28:00 GMT", "s ahead of its clock"),
        ("Tue, 21 Oct 2980 07:28:00 GMT", "s behind its clock"),
        ("yesterday", ""),
        ("Wed, 99 Oct 2026 07:28:00 GMT", ""),
    ],
)
def test_doctor_compares_the_clock_with_the_upstreams(
    sisf: Sisf, store: str, tmp_path: Path, date: str, said: str
) -> None:
    with ScriptedServer() as upstream:
        upstream.headers = {"date": date}
        settled = f"embedder: {{name: hash}}\nlisten: {{port: 0}}\nupstream: {{url: '{upstream.url}'}}\n"
        (tmp_path / "sisf.yaml").write_text(settled)
        found = json.loads(sisf("doctor", "--json").stdout)["findings"]
    state, detail = next((f["state"], f["detail"]) for f in found if f["check"] == "upstream")
    assert state == ("warning" if said else "ok")
    assert detail.endswith(said or "/models answers")


def test_doctor_shows_no_secret(sisf: Sisf, store: str, tmp_path: Path) -> None:
    config = tmp_path / "sisf.yaml"
    config.write_text(
        "embedder: {name: hash}\nlisten: {port: 0}\nadmin: {token: hush-token}\n"
        "store: {url: 'postgresql://me:hush-store@127.0.0.1:9/x'}\n"
        "upstream: {url: 'http://u:hush-upstream@127.0.0.1:9/v1', api_key: hush-key}\n"
    )
    for options in (("--json",), ()):
        result = sisf("doctor", "--config", str(config), *options)
        assert result.exit_code == 1
        assert "hush" not in result.stdout + str(result.exception or "")


def test_doctor_knows_a_gateway_that_runs_and_a_folder_that_will_be_made(
    sisf: Sisf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither is a problem; a folder that cannot be made is one."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SISF_UPSTREAM__URL", "http://127.0.0.1:9/v1")
    with rig() as gateway:
        port = gateway.url.rpartition(":")[2]
        states = []
        for store in ("new/folder/sisf.db", "file/sisf.db"):
            monkeypatch.setenv("SISF_STORE__URL", f"sqlite:///{tmp_path}/{store}")
            monkeypatch.setenv("SISF_LISTEN__PORT", port)
            found = {f["check"]: f for f in json.loads(sisf("doctor", "--json").stdout)["findings"]}
            states.append((found["port"]["state"], found["store"]["state"]))
        assert states == [("ok", "ok"), ("ok", "problem")]
    with ScriptedServer() as other:
        monkeypatch.setenv("SISF_LISTEN__PORT", other.url.rpartition(":")[2].removesuffix("/v1"))
        found = {f["check"]: f for f in json.loads(sisf("doctor", "--json").stdout)["findings"]}
        assert found["port"]["state"] == "problem"


def test_silent_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Silent()
    progress.begin("x", 1)
    progress.advance()
    progress.end()
    assert capsys.readouterr() == ("", "")
