"""Data sets: found, strictly read, hashed; every mistake named with file and line."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sisf import datasets
from sisf.console import finding
from sisf.datasets.records import parse_line
from sisf.errors import DataError
from sisf.exchange import Exchange, Message, Role
from sisf.store import ExchangeRecord, open_store
from sisf.verdict import Outcome, Verdict

pytestmark = pytest.mark.smoke

GOOD = {"id": "a-1", "text": "How do I fly a kite?", "label": "benign"}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SISF_CACHE_DIR", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    monkeypatch.setenv("SISF_DATA_DIR", str(data))
    return data


def write(path: Path, *rows: object) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows), encoding="utf-8")
    return path


def test_found_by_name_and_by_path_with_its_hash(places: Path) -> None:
    file = write(places / "mine.jsonl", GOOD, {**GOOD, "id": "a-2", "label": "harmful", "lang": "en"})
    for name in ("mine", str(file)):
        loaded = datasets.load(name)
        assert (loaded.name, len(loaded)) == ("mine", 2)
        assert loaded.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert [r.id for r in loaded.harmful()] == ["a-2"]
    assert loaded.records[1].extra == {"lang": "en"}


def test_every_exchange_that_is_exported_can_be_read(places: Path) -> None:
    store = open_store("memory:")
    said: list[Verdict | None] = [None, *(Verdict(outcome, "a judge") for outcome in Outcome)]
    for number, verdict in enumerate(said):
        asked = Exchange((Message(Role.USER, f"Question {number}"),), None if number == 0 else "An answer.")
        store.exchanges.record(ExchangeRecord(asked, verdict=verdict), enqueue=False).result(60)
    lines = list(finding.as_jsonl(finding.all_of(store, finding.query_of({}))))
    store.close()
    (places / "export.jsonl").write_text("".join(lines))
    read = {r.prompt: r.label for r in datasets.load("export").records}
    labels = {Outcome.BREACH: "harmful", Outcome.SAFE: "benign"}
    assert read == {f"Question {n}": labels.get(v.outcome) if v else None for n, v in enumerate(said)}


def test_messages_are_kept_with_their_roles(places: Path) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]
    file = write(places / "chat.jsonl", {"id": "c", "messages": turns, "label": "benign"})
    record = datasets.read(file).records[0]
    assert [m.role for m in record.messages] == [Role.SYSTEM, Role.USER]
    assert record.prompt == "Hello"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "is a JSON list"),
        ({**GOOD, "id": ""}, "`id` must be"),
        ({**GOOD, "text": 7}, "`text` must be a non-empty string"),
        ({"id": "x", "label": "benign"}, "`text` must be a non-empty string"),
        ({**GOOD, "label": "bad"}, '`label` must be `harmful` or `benign`, found "bad"'),
        ({"id": "x", "text": "y"}, "`label` is missing"),
        ({**GOOD, "response": 3}, "`response` must be a string"),
        ({**GOOD, "messages": []}, "both `text` and `messages`"),
        ({"id": "x", "messages": [{"role": "wizard", "content": ""}], "label": "benign"}, "messages[0].role"),
        ({"id": "x", "messages": [{"role": "user"}], "label": "benign"}, "messages[0].content"),
        ({**GOOD, "human_label": True}, "`human_label` must be"),
        (GOOD, "was already used on line 1"),
    ],
)
def test_a_bad_line_is_named(places: Path, line: object, problem: str) -> None:
    file = write(places / "bad.jsonl", GOOD, line)
    with pytest.raises(DataError) as caught:
        datasets.read(file)
    assert str(caught.value).startswith(f"{file}:2: ")
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_utf8_are_named(places: Path) -> None:
    file = places / "latin.jsonl"
    file.write_bytes(b'{"id": "x", "text": "caf\xe9", "label": "benign"}\n')
    with pytest.raises(DataError, match=r"latin\.jsonl:1: is not UTF-8"):
        datasets.read(file)


def test_an_empty_file_and_a_missing_file_and_an_unknown_name(places: Path) -> None:
    with pytest.raises(DataError, match="holds no records"):
        datasets.read(write(places / "empty.jsonl", ""))
    with pytest.raises(DataError, match=r"nowhere\.jsonl: cannot be read: No such file"):
        datasets.load("nowhere.jsonl")
    write(places / "mixed_reference.jsonl", GOOD)
    with pytest.raises(DataError, match="did you mean `mixed_reference`"):
        datasets.load("mixed_refrence")


def test_two_sets_of_one_name_are_refused(places: Path, tmp_path: Path) -> None:
    write(places / "same.jsonl", GOOD)
    other = write(tmp_path / "same.jsonl", {**GOOD, "text": "another"})
    with pytest.raises(DataError, match="two different data sets are called `same`"):
        datasets.load_all(["same", str(other)])


def test_a_set_without_the_wanted_label_is_refused(places: Path) -> None:
    with pytest.raises(DataError, match="no row with label `harmful`"):
        datasets.read(write(places / "honest.jsonl", GOOD)).harmful()


def problem_of(line: bytes) -> str:
    """What is wrong with a line; empty for a good one."""
    try:
        record = parse_line(line, "f:1")
    except DataError as error:
        return str(error)
    assert record.id
    assert record.messages
    return ""


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_a_data_error(line: bytes) -> None:
    problem = problem_of(line)
    assert not problem or problem.startswith("f:1: ")


KEYS = st.sampled_from(["id", "text", "messages", "label", "response", "human_label", "category", "more"])
VALUES: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 3, "", "x", "benign", "safe", [], [1], [{}], [{"role": "user", "content": "x"}]]
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS, VALUES))
def test_any_object_is_a_record_or_a_data_error(row: dict[str, object]) -> None:
    problem = problem_of(json.dumps(row).encode())
    assert not problem or problem.startswith("f:1: ")
