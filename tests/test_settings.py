"""Settings: one clear error for every mistake."""

from pathlib import Path

import pytest

from sisf.errors import ConfigurationError
from sisf.settings import load

pytestmark = pytest.mark.smoke


def test_defaults_need_nothing() -> None:
    assert load(environment={}).listen.port == 8400


def test_precedence_file_environment_override(tmp_path: Path) -> None:
    file = tmp_path / "sisf.yaml"
    file.write_text("listen: {port: 1, host: '${HOST:0.0.0.0}'}\nupstream: {url: '${URL}'}\n")
    environment = {"SISF_LISTEN__PORT": "2", "URL": "http://127.0.0.1:9/v1"}
    settings = load(file, environment=environment)
    assert (settings.listen.port, settings.listen.host, settings.upstream.url) == (2, "0.0.0.0", environment["URL"])
    assert load(file, environment=environment, overrides={"listen.port": 3}).listen.port == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("listne: {port: 1}", "unknown key `listne`"),
        ("listen: {port: 70000}", "`listen.port`"),
        ("listen: {port: [", "not valid YAML"),
        ("- a\n- b", "must be a mapping"),
        ("upstream: {url: '${MISSING}'}", "${MISSING} is not set"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "sisf.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"sisf\.yaml") as caught:
        load(file, environment={})
    assert expected in str(caught.value)


def test_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load(Path("nowhere.yaml"), environment={})


def test_an_unknown_environment_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown key `listne`"):
        load(environment={"SISF_LISTNE__PORT": "1"})
