"""Who a request is from: addresses behind proxies, networks of one customer, pages of elsewhere."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import ConfigurationError, HttpFailure
from sisf.exchange import Sender
from sisf.gateway.addresses import counted_as, told_apart
from sisf.gateway.headers import fields
from sisf.gateway.identity import Doorkeeper, KeyFile, named_by_body
from sisf.pipeline import Caller
from sisf.settings import load
from tests.gateway.conftest import chat, rig

PROXIES = {"callers.trusted_proxies": ["10.0.0.0/8", "fd00::/8"]}


def door(**overrides: Any) -> Doorkeeper:
    return Doorkeeper(load(environment={}, overrides=overrides))


def principal(peer: str, headers: dict[bytes, bytes], **overrides: Any) -> str:
    return door(**overrides).identify(headers, peer).sender.principal


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        ("10.0.0.1", b"9.9.9.9", "9.9.9.9"),
        ("10.0.0.1", b"9.9.9.9, 10.0.0.7", "9.9.9.9"),
        ("10.0.0.1", b"1.1.1.1, 9.9.9.9", "9.9.9.9"),  # what stands before the last untrusted hop is the client's word
        ("10.0.0.1", b"9.9.9.9:4711", "9.9.9.9"),
        ("10.0.0.1", b"nonsense", "10.0.0.1"),
        ("10.0.0.1", b"9.9.9.9, nonsense", "10.0.0.1"),
        ("10.0.0.1", b"", "10.0.0.1"),
        ("8.8.8.8", b"9.9.9.9", "8.8.8.8"),
        ("fd00::1", b"2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ],
)
def test_only_trusted_proxies_are_believed(peer: str, forwarded: bytes, found: str) -> None:
    assert principal(peer, {b"x-forwarded-for": forwarded}, **PROXIES) == f"anonymous@{found}"


@given(st.lists(st.sampled_from([b"1.1.1.1", b"9.9.9.9", b"10.0.0.7", b"nonsense"]), min_size=1, max_size=5), st.data())
def test_hops_on_lines_of_their_own_are_hops_as_well(hops: list[bytes], data: st.DataObject) -> None:
    """Some proxies add a line below the one that they were given, instead of a hop to it."""
    lines, rest = [], hops
    while rest:
        count = data.draw(st.integers(1, len(rest)))
        lines.append((b"x-forwarded-for", b", ".join(rest[:count])))
        rest = rest[count:]
    headers = fields([(b"host", b"localhost"), *lines])
    joined = {b"host": b"localhost", b"x-forwarded-for": b", ".join(hops)}
    assert headers == joined
    assert principal("10.0.0.1", headers, **PROXIES) == principal("10.0.0.1", joined, **PROXIES)


@pytest.mark.parametrize(
    ("forwarded", "found"),
    [
        (b"for=9.9.9.9;proto=https", "9.9.9.9"),
        (b'for="[2001:db8::1]:443", for=10.0.0.2', "2001:db8::/64"),
        (b"proto=http;For=9.9.9.9", "9.9.9.9"),
        (b"for=_hidden", "10.0.0.1"),
    ],
)
def test_forwarded(forwarded: bytes, found: str) -> None:
    headers = {b"forwarded": forwarded, b"x-forwarded-for": b"6.6.6.6"}
    settings = {**PROXIES, "callers.forwarded_header": "forwarded"}
    assert principal("10.0.0.1", headers, **settings) == f"anonymous@{found}"
    assert principal("10.0.0.1", headers, **PROXIES) == "anonymous@6.6.6.6"


def test_without_proxies_nobody_is_believed() -> None:
    assert principal("7.7.7.7", {b"x-forwarded-for": b"9.9.9.9", b"forwarded": b"for=9.9.9.9"}) == "anonymous@7.7.7.7"
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        door(**{"callers.trusted_proxies": ["my proxy"]})


def test_a_trusted_proxy_names_the_principal(tmp_path: Any) -> None:
    settings = {**PROXIES, "callers.principal_header": "X-User-Id"}
    assert principal("10.0.0.1", {b"x-user-id": b"ann"}, **settings) == "user:ann"
    assert principal("8.8.8.8", {b"x-user-id": b"ann"}, **settings) == "anonymous@8.8.8.8"
    assert principal("10.0.0.1", {b"x-user-id": b"an\xffn"}, **settings) == "anonymous@10.0.0.1"
    secret, _ = KeyFile(tmp_path / "keys.json").create(tenant="acme", principal="app")
    headers = {b"x-user-id": b"ann", b"authorization": f"Bearer {secret}".encode()}
    made = door(**settings, **{"keys.file": str(tmp_path / "keys.json")})
    assert made.identify(headers, "10.0.0.1").sender == Sender("acme", "app/ann")
    assert made.identify(headers, "8.8.8.8").sender == Sender("acme", "app")


@pytest.mark.parametrize(
    "body", [{"user": "ann"}, {"safety_identifier": "ann", "user": "x"}, {"metadata": {"user_id": "ann"}}]
)
def test_the_body_names_the_principal(body: dict[str, Any]) -> None:
    anonymous = Caller(Sender(principal="anonymous@7.7.7.7"))
    assert named_by_body(anonymous, body).sender.principal == "user:ann"
    application = Caller(Sender("acme", "app"), key_id="k")
    assert named_by_body(application, body).sender == Sender("acme", "app/ann")
    assert named_by_body(anonymous, {"user": 3, "metadata": "x"}) == anonymous


def test_the_user_of_the_body_counts_only_by_setting() -> None:
    for setting, expected in ((False, "anonymous@127.0.0.1"), (True, "user:ann")):
        with rig(callers__principal_from_user=setting) as gateway:
            assert gateway.post(chat("hi", user="ann")).status == 200
            (record,) = gateway.loop.records
            assert record.exchange.sender.principal == expected


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_addresses_of_one_network_are_one_client(one: int, other: int) -> None:
    def address(host: int) -> str:
        return "2001:db8:7:8:" + ":".join(f"{(host >> shift) & 0xFFFF:x}" for shift in (48, 32, 16, 0))

    assert told_apart(address(one)) == told_apart(address(other)) == "2001:db8:7:8::/64"


@given(st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_one_machine_is_limited_as_one(address: object) -> None:
    assert counted_as(str(address)) == counted_as("::1") == counted_as(f"::ffff:{address}")
    assert told_apart(f"::ffff:{address}") == str(address)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:3000"}, 200),
        ({"origin": "http://127.0.0.1:8400"}, 200),
        ({"origin": "https://chat.example"}, 200),
        ({"host": "chat.example:8400"}, 200),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost.evil.example"}, 403),
        ({"host": "evil.example:8400"}, 403),
        ({"host": "evil.example:8400", "origin": "http://evil.example:8400"}, 403),
    ],
)
def test_pages_of_elsewhere_do_not_reach_a_gateway_without_keys(headers: dict[str, str], status: int) -> None:
    with rig(listen__hosts=["chat.example"]) as gateway:
        assert gateway.post(chat("hi"), headers={"content-type": "text/plain", **headers}).status == status
        assert bool(gateway.upstream.requests) is (status == 200)
        assert gateway.request("GET", "/readyz", headers=headers).status == status


def test_with_keys_the_key_decides(tmp_path: Any) -> None:
    secret, _ = KeyFile(tmp_path / "keys.json").create()
    with rig(keys__file=str(tmp_path / "keys.json")) as gateway:
        headers = {"authorization": f"Bearer {secret}", "host": "gate.example", "origin": "https://app.example"}
        assert gateway.post(chat("hi"), headers=headers).status == 200


def test_a_stranger_on_the_network_is_no_page() -> None:
    door().identify({b"host": b"gate.internal:8400"}, "8.8.8.8")
    with pytest.raises(HttpFailure, match="other sites"):
        door().identify({b"host": b"gate.internal:8400", b"origin": b"https://evil.example"}, "8.8.8.8")
