"""No text that a client sends waits for tables to be made: they are there before."""

import subprocess
import sys

_PROGRAM = """
from functools import _lru_cache_wrapper as Table
from sisf.text import known_words, neighbours, single_slips, views

views.prepare()
tables = [
    value
    for module in (known_words, neighbours, single_slips)
    for value in vars(module).values()
    if isinstance(value, Table) and not value.__wrapped__.__code__.co_argcount
]
print(len(tables), *(table.__name__ for table in tables if not table.cache_info().currsize))
"""


def test_all_tables_of_words_are_made_beforehand() -> None:
    """In a process of its own: what another test read is remembered."""
    said = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    assert int(said[0]) >= 10
    assert said[1:] == []
