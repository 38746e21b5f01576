"""`sisf prepare` does beforehand what a first start does, once, and says where."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sisf.cli.main import app
from sisf.settings import cache_dir


@pytest.mark.slow
def test_what_is_prepared_lies_in_the_cache_and_the_store_is_not_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["prepare", "--json"])
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said["cache"] == str(cache_dir())
    kinds = {file.parent.name for file in cache_dir().rglob("*") if file.suffix in (".onnx", ".npz", ".db")}
    assert {"models", "judges", "vectors"} <= kinds
    assert not list(tmp_path.iterdir())


def test_a_cache_that_cannot_be_written_is_said_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SISF_CACHE_DIR", str(tmp_path / "file" / "cache"))
    result = CliRunner().invoke(app, ["prepare"])
    assert result.exit_code == 2
    assert "SISF_CACHE_DIR" in str(result.exception) + result.output
