"""Tables become records: by columns, strictly, whatever the format."""

import builtins
import gzip
import json
import lzma
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.datasets.columns import Columns, records_of, rows_of
from sisf.datasets.records import parse_line
from sisf.datasets.sources import SOURCES
from sisf.errors import DataError

pytestmark = pytest.mark.smoke

ROWS = [{"q": "What is a kite?", "l": "safe"}, {"q": 'A "quoted"\nline', "l": "UNSAFE"}]
CSV = b'q,l\r\nWhat is a kite?,safe\r\n"A ""quoted""\nline",UNSAFE\r\n'


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (CSV, "x.csv"),
        (b"\xef\xbb\xbf" + CSV, "x.csv"),
        (gzip.compress(CSV, mtime=0), "x.csv.gz"),
        (lzma.compress(json.dumps(ROWS).encode()), "x.json.xz"),
        (json.dumps(ROWS).encode(), "x.json"),
        ("\n".join(map(json.dumps, ROWS)).encode() + b"\n\n", "https://host/x.jsonl?download=true"),
    ],
)
def test_every_format_gives_the_same_records(body: bytes, name: str) -> None:
    made = records_of(rows_of(body, name), Columns(text=("q",), label_column="l"), "set")
    assert [(r["id"], r["text"], r["label"]) for r in made] == [
        ("set-00000", "What is a kite?", "benign"),
        ("set-00001", 'A "quoted"\nline', "harmful"),
    ]


@pytest.mark.parametrize(
    ("body", "name", "problem"),
    [
        (b"\xff", "x.csv", "is not CSV"),
        (b"{", "x.json", "is not JSON"),
        (b"{}", "x.json", "expected a list"),
        (b"[1]", "x.jsonl", "line 1 is no object"),
        (b"abc", "x.csv.gz", "cannot be unpacked"),
        (b"", "x.xlsx", "must end in"),
    ],
)
def test_what_is_no_table_is_one_clear_error(body: bytes, name: str, problem: str) -> None:
    with pytest.raises(DataError, match=problem) as caught:
        rows_of(body, name)
    assert str(caught.value).startswith(name)


def test_parquet_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DataError, match="needs the package pyarrow"):
        rows_of(b"PAR1", "x.parquet")


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (Columns(text=("prompt",), label="benign"), "row 1: there is no column `prompt`; there are q, l"),
        (Columns(text=("q",)), "`label` is missing"),
        (Columns(text=("q",), label="benign", id="one"), "there is no column `one`"),
    ],
)
def test_a_wrong_column_is_named(columns: Columns, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        records_of(ROWS, columns, "set")


def test_rows_that_share_an_id_are_refused() -> None:
    with pytest.raises(DataError, match="does not tell rows apart"):
        records_of([{"i": 1, "text": "a"}, {"i": 1, "text": "b"}], Columns(id="i", label="benign"), "set")


def test_translations_are_records_of_their_own() -> None:
    rows = [{"en": "one", "it": "uno"}, {"en": "two", "it": ""}]
    made = records_of(rows, Columns(text=("en", "it"), each=True, label="harmful"), "m")
    assert [r["id"] for r in made] == ["m-00000-en", "m-00000-it", "m-00001-en"]


@given(st.data())
def test_every_known_set_is_read_by_its_columns(data: st.DataObject) -> None:
    """A row that has the columns of a set becomes a line that every command reads."""
    source = SOURCES[data.draw(st.sampled_from(sorted(SOURCES)))]
    c = source.columns
    named = [*c.text, c.id, c.label_column, c.human_label, c.category, c.attack, c.response, c.source, *c.keep]
    text = st.text(min_size=1).filter(lambda t: t.strip())
    row = {column: data.draw(text, label=column) for column in named if column}
    for record in records_of([row], c, "known"):
        line = parse_line(json.dumps(record).encode(), "known:1")
        assert line.prompt.strip()
        assert line.label or line.human_label
