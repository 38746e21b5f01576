"""The limit that the settings name is the Warden's own."""

from pathlib import Path

import pytest

from sisf import bootstrap
from sisf.errors import LimitExceeded
from sisf.policy import Direction
from sisf.settings import load
from tests.warden.samples import EMBEDDER, said


def test_the_warden_refuses_above_the_configured_length(tmp_path: Path) -> None:
    values = {"limits.text_chars": 100, "store.url": f"sqlite:///{tmp_path / 'sisf.db'}", "loop.workers": 0}
    system = bootstrap.build(load(None, overrides=values, environment={}), embedder=EMBEDDER)
    with pytest.raises(LimitExceeded, match="at most 100"):
        system.warden.inspect(said("a" * 101), Direction.PROMPT)
    system.close()
