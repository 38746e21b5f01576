"""Policies as code: out, in, and everything that must not get in."""

import dataclasses
from collections.abc import Iterator

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from sisf.embedding.hashing import HashEmbedder
from sisf.errors import DataError, PolicyError, SisfError, StoreError
from sisf.loop import Reference, StoreKnowledge
from sisf.loop.bundle import Bundle, export_bundle, import_bundle, read_bundle, seal
from sisf.policy import Snapshot, Status, compare
from sisf.store import Store
from sisf.testing import MemoryStore, OpenGate
from tests.store.samples import change, pattern, probe, prototypes


@pytest.fixture
def source() -> Iterator[Store]:
    store = MemoryStore()
    store.policies.commit(change(pattern(), probe(), prototypes()), expected=0)
    yield store
    store.close()


@pytest.fixture
def target() -> Iterator[Store]:
    store = MemoryStore()
    yield store
    store.close()


def take(store: Store, bundle: Bundle, gate: OpenGate | None = None, replace: bool = False) -> Snapshot:
    knowledge = StoreKnowledge(store, Reference())
    gate, embedder = gate or OpenGate(), HashEmbedder(4)
    embedder.id = "fake"
    return import_bundle(store, bundle, gate, knowledge, embedder=embedder, actor="person:ada", replace=replace)[0]


def keys() -> tuple[bytes, bytes]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_out_and_in(source: Store, target: Store) -> None:
    bundle = read_bundle(export_bundle(source), "b.yaml")
    snapshot = take(target, bundle)
    assert snapshot.revision == 1
    assert not [line for line in compare(source.policies.snapshot(), snapshot).lines() if "gate_report" not in line]
    assert target.policies.revisions()[0].reason.startswith(f"bundle 1 of {bundle.origin}")


def test_an_export_is_stable_and_reviewable(source: Store) -> None:
    text = export_bundle(source, origin="prod")
    assert text == export_bundle(source, origin="prod")
    lines = text.splitlines()
    assert lines[:3] == ["format: sisf-policies/1", "origin: prod", "serial: 1"]
    assert "  description: Blocks alpha" in lines


def test_a_replayed_or_older_bundle_changes_nothing(source: Store, target: Store) -> None:
    old = read_bundle(export_bundle(source, origin="prod"), "old.yaml")
    source.policies.commit(change(pattern(status=Status.RETIRED)), expected=1)
    new = read_bundle(export_bundle(source, origin="prod"), "new.yaml")
    take(target, new)
    for bundle in (new, old):
        with pytest.raises(StoreError, match="not newer than bundle 2"):
            take(target, bundle)
    assert target.policies.snapshot().revision == 1
    assert "alpha" not in {p.id for p in target.policies.snapshot().policies}


def test_every_cut_and_every_edit_is_found(source: Store) -> None:
    text = export_bundle(source)
    for cut in range(0, len(text), 97):
        with pytest.raises(SisfError):
            read_bundle(text[:cut], "b.yaml")
    for place in range(0, len(text), 41):
        if text[place].isalnum():
            edited = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
            with pytest.raises(SisfError):
                read_bundle(edited, "b.yaml")


def test_an_edited_bundle_can_be_sealed_again(source: Store, target: Store) -> None:
    edited = export_bundle(source).replace("Blocks alpha", "Blocks the letter").replace("serial: 1", "serial: 9")
    with pytest.raises(DataError, match="does not match its digest"):
        read_bundle(edited, "b.yaml")
    take(target, read_bundle(seal(edited, "b.yaml"), "b.yaml"))
    assert target.policies.get("alpha").description == "Blocks the letter"


def test_signatures(source: Store) -> None:
    private, public = keys()
    _, stranger = keys()
    signed, unsigned = export_bundle(source, key=private), export_bundle(source)
    assert read_bundle(signed, "b", trusted=[stranger, public]).signature
    for text, trusted, message in (
        (unsigned, [public], "is not signed, and"),
        (signed, [stranger], "not signed by a trusted key"),
        (signed.replace("signature: ", "signature: zz"), [public], "not signed by a trusted key"),
        (signed, [b"junk"], "not a public key"),
    ):
        with pytest.raises(DataError, match=message):
            read_bundle(text, "b", trusted=trusted)
    forged = yaml.safe_load(signed)
    forged["policies"][0]["description"] = "Lets everything pass"
    with pytest.raises(DataError):
        read_bundle(seal(yaml.safe_dump(forged), "b"), "b", trusted=[public])
    with pytest.raises(DataError, match="not a private key"):
        export_bundle(source, key=b"junk")


def test_all_or_nothing_through_the_gate(source: Store, target: Store) -> None:
    gate = OpenGate(lambda policy: "blocks honest users" if policy.id == "probe" else None)
    with pytest.raises(PolicyError, match=r"refuses 1 of 3 policies: probe \(blocks honest users\)"):
        take(target, read_bundle(export_bundle(source), "b"), gate)
    assert target.policies.list() == []
    assert take(target, read_bundle(export_bundle(source), "b")).revision == 1, "the refused bundle was not taken"


def test_replace_retires_the_rest(source: Store, target: Store) -> None:
    target.policies.commit(change(pattern("mine")), expected=0)
    take(target, read_bundle(export_bundle(source, origin="a"), "b"))
    assert "mine" in {p.id for p in target.policies.snapshot().policies}
    take(target, read_bundle(export_bundle(source, origin="b"), "b"), replace=True)
    assert target.policies.get("mine").status is Status.RETIRED


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"format": "other/1"}, "is not a policy bundle"),
        ({"serial": "one"}, "`serial`"),
        ({"policies": {}}, "`policies`"),
        ({"command": "rm"}, "unknown key `command`"),
    ],
)
def test_other_forms_are_refused(source: Store, edit: dict[str, object], message: str) -> None:
    data = {**yaml.safe_load(export_bundle(source)), **edit}
    with pytest.raises(DataError, match=message):
        read_bundle(yaml.safe_dump(data), "b")


def test_a_doubled_policy_is_refused(source: Store) -> None:
    data = yaml.safe_load(export_bundle(source))
    data["policies"].append(data["policies"][0])
    with pytest.raises(DataError, match="`alpha` stands twice"):
        read_bundle(seal(yaml.safe_dump(data), "b"), "b")


def test_diff_says_what_changed() -> None:
    before = Snapshot(1, (pattern(), probe()))
    edited = dataclasses.replace(pattern(), status=Status.SHADOW, description="New words")
    after = Snapshot(2, (edited, prototypes()))
    found = compare(before, after)
    assert found.lines() == [
        "+ proto [shadow, semantic, flag] Two prototypes",
        "- probe [active, semantic, block] A learned probe",
        "~ alpha [shadow, heuristic, block] New words: description Blocks alpha → New words; status active → shadow",
    ]
    assert found
    assert not compare(before, before)
