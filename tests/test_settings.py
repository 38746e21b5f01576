"""Settings: one clear error for every mistake."""

import re
from pathlib import Path

import pytest

from sisf.embedding.endpoint import EndpointEmbedder
from sisf.errors import ConfigurationError
from sisf.gateway.upstream import Upstream
from sisf.settings import Settings, load
from sisf.settings import Upstream as UpstreamSettings
from sisf.settings.lasting import LASTING, waiting_for_a_restart
from sisf.settings.reading import every_setting
from sisf.settings.removed import REMOVED
from sisf.settings.secrets import masked, shown

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
        ("listen: {port: 1}\nmode: observe\nlisten: {host: a}\n", "line 3, column 1: `listen` stands twice"),
        ("listen: {port: 1, port: 2}", "`port` stands twice"),
        ("listen: &a {port: *a}", "nested too deeply"),
        ("a: " + "[" * 2_000, "nested too deeply"),
        ("? [a]\n: 1\n", "not valid YAML"),
        ("- a\n- b", "must be settings, each a `key: value`, not a list"),
        ("hello", "not a text"),
        ("listen.port: 9000", "unknown key `listen.port`: write `port` below its section"),
        ("SISF_LISTEN__PORT: 9000", "did you mean `listen.port`?"),
        ("1: 2", "must be the name of a setting"),
        ("webhooks: [{url: chat}]", "`webhooks.0.url`: must be a URL that begins with https:// or http://"),
        ("\n".join(f"key{n}: 1" for n in range(40)), "; and 32 more"),
        ("upstream: {url: '${MISSING}'}", "${MISSING} is not set"),
        ("mode: enforce\nlisten: {port: 1\nx: [", "line 3, column 2"),
        ("upstream: 5", "`upstream`: must be a section"),
        ("listen: {port: many}", "`listen.port`: must be a whole number"),
        (
            "on_failure: {uninspectable: allow}",
            "sisf.yaml: `on_failure.uninspectable`: must be `closed` or `open`, or a section with keys of its own",
        ),
        (
            "on_failure: {uninspectable: {image: allow}}",
            "sisf.yaml: `on_failure.uninspectable.image`: must be `closed`",
        ),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "sisf.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"sisf\.yaml") as caught:
        load(file, environment={})
    assert expected in str(caught.value)
    assert "literal[" not in str(caught.value)


@pytest.mark.parametrize("key", sorted(every_setting()))
def test_a_setting_with_other_signs_between_its_words_is_recognised(key: str) -> None:
    """As every setting would be written in a variable by somebody who took one `_` for the sign between sections."""
    variable = f"SISF_{key.upper().replace('.', '__')}"
    for written in {variable.replace("__", "_"), variable.replace("__", "-"), variable.replace("__", ".")} - {variable}:
        with pytest.raises(ConfigurationError, match=f"did you mean `{variable}`"):
            load(environment={written: "1"})


@pytest.mark.parametrize("key", sorted({name.rpartition(".")[0] for name in every_setting()} - {""}))
def test_a_section_of_which_every_line_is_commented_out_is_as_none(tmp_path: Path, key: str) -> None:
    file = tmp_path / "sisf.yaml"
    depth = key.split(".")
    file.write_text("".join(f"{'  ' * level}{name}:\n" for level, name in enumerate(depth)) + "# port: 9000\n")
    assert load(file, environment={}) == load(environment={})


def test_a_section_in_a_variable_names_the_variables_of_its_keys() -> None:
    with pytest.raises(
        ConfigurationError, match=r"SISF_UPSTREAM: is a section; set its keys, such as SISF_UPSTREAM__URL"
    ):
        load(environment={"SISF_UPSTREAM": "http://127.0.0.1:8000/v1"})
    with pytest.raises(ConfigurationError, match=r"^SISF_WEBHOOKS: `webhooks\.0`"):
        load(environment={"SISF_WEBHOOKS": "[1]"})


def test_what_waits_for_a_restart_is_named() -> None:
    assert set(LASTING) <= set(every_setting())
    running = load(environment={})
    changed = {"listen.port": 9, "mode": "observe", "upstream.url": "http://127.0.0.1:9/v1", "loop.workers": 5}
    assert waiting_for_a_restart(running, load(environment={}, overrides=changed)) == ["listen.port", "loop.workers"]
    assert waiting_for_a_restart(running, load(environment={})) == []


@pytest.mark.parametrize("key", REMOVED)
def test_a_setting_that_was_removed_is_told_from_a_mistake(tmp_path: Path, key: str) -> None:
    section, name = key.split(".")
    file = tmp_path / "sisf.yaml"
    file.write_text(f"{section}: {{{name}: 1}}")
    for where, given in (("sisf.yaml", {}), (variable := f"SISF_{section}__{name}".upper(), {variable: "1"})):
        with pytest.raises(ConfigurationError) as caught:
            load(None if given else file, environment=given)
        assert re.fullmatch(rf".*{where}: `{key}` was removed: .*; delete it", str(caught.value))
    assert name not in type(getattr(Settings(), section)).model_fields, "what is there again was not removed"


@pytest.mark.parametrize("value", ["often", "70000", "[1]", "1.5"])
def test_a_wrong_value_is_blamed_on_who_gave_it(tmp_path: Path, value: str) -> None:
    """On the option or the variable that won, not on a file that is right; in words that name no class and no codec."""
    file = tmp_path / "sisf.yaml"
    file.write_text("listen: {port: 1}\n")
    with pytest.raises(ConfigurationError, match=r"^SISF_LISTEN__PORT: `listen\.port`: must be ") as caught:
        load(file, environment={"SISF_LISTEN__PORT": value})
    assert "Input" not in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"^command line: `listen\.port`: must be "):
        load(file, environment={"SISF_LISTEN__PORT": "2"}, overrides={"listen.port": value})


def test_a_wrong_secret_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "sisf.yaml"
    file.write_text("upstream: {api_key: 271828}\n")
    with pytest.raises(ConfigurationError, match=r"`upstream\.api_key`: must be a text") as caught:
        load(file, environment={})
    assert "271828" not in str(caught.value)


def test_what_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "sisf.yaml"
    file.write_bytes(b"mode: \xff")
    with pytest.raises(ConfigurationError, match=r"not text in UTF-8 \(byte 7\)$"):
        load(file, environment={})


def test_missing_file_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        load(Path("nowhere.yaml"), environment={})


def test_an_unknown_environment_key_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="unknown key `listne`"):
        load(environment={"SISF_LISTNE__PORT": "1"})


@pytest.mark.parametrize(
    ("name", "value", "key", "expected"),
    [
        ("SISF_ADJUDICATION__FALLBACK", "[]", "adjudication.fallback", ()),
        ("SISF_ADJUDICATION__FALLBACK", '["local"]', "adjudication.fallback", ("local",)),
        ("SISF_OBSERVE__TENANTS", '["a", "b"]', "observe.tenants", ("a", "b")),
        ("SISF_ADMIN__OIDC__ROLES", '{"ops": "admin"}', "admin.oidc.roles", {"ops": "admin"}),
        ("SISF_LISTEN", '{"port": 9}', "listen.port", 9),
        ("SISF_UPSTREAM__MODELS", '["x"]', "upstream.models", ("x",)),
        ("SISF_ON_FAILURE__UNINSPECTABLE", "open", "on_failure.uninspectable", "open"),
        ("SISF_ON_FAILURE__UNINSPECTABLE", ' {"image": "open"}', "on_failure.uninspectable", {"image": "open"}),
        ("SISF_ON_FAILURE__UNINSPECTABLE__AUDIO", "open", "on_failure.uninspectable", {"audio": "open"}),
        ("SISF_UPSTREAM__API_KEY_FILE", "[not json", "upstream.api_key_file", "[not json"),
    ],
)
def test_lists_and_maps_stand_in_the_environment_as_json(name: str, value: str, key: str, expected: object) -> None:
    found: object = load(environment={name: value})
    for part in key.split("."):
        found = getattr(found, part)
    assert found == expected


def test_upstreams_stand_in_the_environment() -> None:
    whole = load(environment={"SISF_UPSTREAMS": '{"b": {"url": "http://b/v1", "models": ["m"]}}'})
    parts = load(environment={"SISF_UPSTREAMS__B__URL": "http://b/v1", "SISF_UPSTREAMS__B__MODELS": '["m"]'})
    assert whole.upstreams == parts.upstreams


@pytest.mark.parametrize("value", ["local", "3", "[", '"local"'])
def test_what_is_no_json_list_is_named(value: str) -> None:
    with pytest.raises(ConfigurationError, match=r"SISF_ADJUDICATION__FALLBACK: must be"):
        load(environment={"SISF_ADJUDICATION__FALLBACK": value})


def test_no_secret_of_the_settings_is_shown() -> None:
    settings = load(
        environment={},
        overrides={
            "store.url": "postgresql://me:p%40ss%2Fw@db/sisf",
            "admin.token": "token-1",
            "upstreams.b": {"url": "http://u:up-pass@b/v1", "api_key": "key-1"},
            "adjudication.llm.base_url": "https://c/v1?api-version=2&api_key=key-2",
        },
    )
    text = "postgresql://me:p%40ss%2Fw@db p@ss/w token-1 key-1 http://u:up-pass@b http://x:other@y/ ?api_key=key-2"
    found = masked(text, settings)
    assert not any(secret in found for secret in ("p%40ss", "p@ss", "token-1", "key-1", "key-2", "up-pass", "other"))
    assert masked("postgresql://db/sisf", settings) == "postgresql://db/sisf"


@pytest.mark.parametrize("password", ["s3cret", "s3:cret", "s3@cret", "s3%40cret", ""])
@pytest.mark.parametrize("rest", ["", "/", "/v1", "/v1?key=s3cret", "?a@b=s3cret", "/v1#s3cret", ":99999/v1"])
def test_addresses_in_messages_hold_no_secret(password: str, rest: str) -> None:
    address = f"http://s3cret:{password}@db.example{rest}"
    assert shown(address).startswith("http://db.example")
    assert "cret" not in shown(address)
    with pytest.raises(ConfigurationError) as caught:
        Upstream(UpstreamSettings(url=address))
    assert "cret" not in str(caught.value)
    assert "cret" not in EndpointEmbedder("m", address).id


def test_variables_that_are_no_settings_disturb_none() -> None:
    """The targets of the Makefile set some, and the programs that the tests start inherit them."""
    root = Path(__file__).resolve().parents[1]
    files = [root / "Makefile", *(p for folder in ("src", "tests", "scripts") for p in (root / folder).rglob("*.py"))]
    read = re.compile(r"""environ(?:\.get\(|\[)["'](SISF_[A-Z_]+)|^\t@?(SISF_[A-Z_]+)=""", re.MULTILINE)
    names = {one or other for file in files for one, other in read.findall(file.read_text(encoding="utf-8"))}
    assert {"SISF_TEST_NPM", "SISF_TEST_POSTGRES", "SISF_CACHE_DIR"} <= names
    assert load(environment=dict.fromkeys(names, "1")) == load(environment={})
