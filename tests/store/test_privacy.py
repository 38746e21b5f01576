"""What is kept, what is not, and what is really gone."""

import base64
import dataclasses
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sisf.errors import ConfigurationError, StoreError
from sisf.exchange import Exchange, Sender
from sisf.loop import Reference, StoreKnowledge
from sisf.policy import Change, Policy, Probe, Provenance, Status
from sisf.settings import PrivacySettings
from sisf.store import ExchangeRecord, Feedback, FeedbackKind, Keep, Privacy, Stage, Store, open_store, privacy_of
from sisf.store.policy_rows import forget
from sisf.store.privacy import Vault
from sisf.store.redaction import redact
from sisf.synthesis.base import Knowledge
from sisf.testing import MemoryStore, ScriptedSynthesiser
from sisf.verdict import Breach
from tests.loop.fakes import make_loop
from tests.store.samples import BREACH, PASSED, SAFE, change, pattern, probe

SECRET = "write to jane.doe@example.org, card 4111 1111 1111 1111"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("mail a.b+c@mail.example.co.uk now", "mail [email] now"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("order 1234 5678 9012 3456 please", "order 1234 5678 9012 3456 please"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [iban]"),
        ("ssn 078-05-1120", "ssn [ssn]"),
        ("host 192.168.10.1 and 2001:db8:0:0:0:0:2:1", "host [ip] and [ip]"),
        ("call +49 30 901820 or (555) 123-4567", "call [phone] or [phone]"),
        ("key sk-proj-abcdefghijklmnop1234", "key [secret]"),
        ("AKIAIOSFODNN7EXAMPLE", "[secret]"),
        ("password: hunter22!", "[credential]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xx.c2lnbmF0dXJl", "[token]"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n-----END RSA PRIVATE KEY-----", "[private_key]"),
        ("How do I bake bread in 30 minutes at 220 degrees?", "How do I bake bread in 30 minutes at 220 degrees?"),
        ("In 1969, 12-15 people met 3 times.", "In 1969, 12-15 people met 3 times."),
    ],
)
def test_redaction(text: str, kept: str) -> None:
    assert redact(text) == kept


@given(st.text(alphabet=st.characters(), max_size=200))
def test_redaction_never_fails_and_is_stable(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize("keep", list(Keep))
def test_what_is_kept_after_the_loop_is_done(keep: Keep) -> None:
    store = MemoryStore(Privacy(exchanges=keep, breaches=keep))
    store.exchanges.record(ExchangeRecord(Exchange.of(SECRET, SECRET, id="e")), enqueue=True).result(60)
    assert store.exchanges.get("e").exchange.prompt == SECRET, "whole while the loop works on it"
    job = store.jobs.lease("w", 60)
    assert job is not None
    store.jobs.advance(job, None, verdict=SAFE)
    kept = store.exchanges.get("e").exchange
    expected = {
        Keep.FULL: SECRET,
        Keep.REDACTED: "write to [email], card [card]",
        Keep.NONE: "",
    }.get(keep, kept.prompt)
    assert (kept.prompt, kept.response) == (expected, expected)
    if keep is Keep.HASHED:
        assert kept.prompt.startswith("sha256:")
        assert len(kept.prompt) == 71
    store.close()


def test_breaches_may_be_kept_otherwise() -> None:
    store = MemoryStore(Privacy(exchanges=Keep.NONE, breaches=Keep.REDACTED))
    for name, verdict in (("b", BREACH), ("s", SAFE)):
        store.exchanges.record(ExchangeRecord(Exchange.of(SECRET, SECRET, id=name)), enqueue=True).result(60)
        job = store.jobs.lease("w", 60)
        assert job is not None
        following = store.jobs.advance(job, Stage.PLAN if verdict is BREACH else None, verdict=verdict)
        if following:
            store.jobs.advance(following, None)
    assert store.exchanges.get("b").exchange.prompt == "write to [email], card [card]"
    assert store.exchanges.get("s").exchange.prompt == ""
    inline = ExchangeRecord(Exchange.of(SECRET, SECRET, id="i"), verdict=BREACH)
    store.exchanges.record(inline, enqueue=False).result(60)
    assert store.exchanges.get("i").exchange.prompt == "write to [email], card [card]"
    store.close()


@pytest.mark.parametrize("keep", list(Keep))
def test_what_quotes_a_breach_is_kept_no_further_than_the_breach(keep: Keep) -> None:
    store = MemoryStore(Privacy(exchanges=Keep.NONE, breaches=keep))
    verdict = dataclasses.replace(BREACH, rationale=f"asks to {SECRET}")
    store.exchanges.record(ExchangeRecord(Exchange.of(SECRET, SECRET, id="e")), enqueue=True).result(60)
    job = store.jobs.lease("w", 60)
    assert job is not None
    learned = probe(status=Status.PROPOSED)
    assert isinstance(learned.condition, Probe)
    learned = dataclasses.replace(learned, condition=dataclasses.replace(learned.condition, examples=(SECRET,)))
    store.jobs.advance(job, Stage.EXECUTE, verdict=verdict, proposals=[learned])
    activated = dataclasses.replace(learned, status=Status.ACTIVE)
    store.policies.commit(Change((activated,), "loop", "x"), expected=0)
    redacted = "write to [email], card [card]"
    examples = {Keep.FULL: (SECRET,), Keep.REDACTED: (redacted,)}.get(keep, ())
    for policy in (*store.policies.proposals("e"), *store.policies.snapshot(1).policies):
        assert isinstance(policy.condition, Probe)
        assert policy.condition.examples == examples
    kept = store.exchanges.get("e").verdict
    assert kept is not None
    assert kept.rationale == {Keep.FULL: f"asks to {SECRET}", Keep.REDACTED: f"asks to {redacted}"}.get(keep, "")
    store.close()


@pytest.mark.parametrize("keep", list(Keep))
def test_personal_data_does_not_come_into_what_is_learned(keep: Keep) -> None:
    taught: list[str] = []

    class Pupil(ScriptedSynthesiser):
        def synthesise(self, breach: Breach, knowledge: Knowledge) -> Sequence[Policy]:
            taught.extend([breach.exchange.prompt, *(b.exchange.prompt for b in knowledge.breaches())])
            return super().synthesise(breach, knowledge)

    store = MemoryStore(Privacy(exchanges=keep, breaches=keep))
    loop = make_loop(store, workers=0, synthesiser=Pupil())
    loop.monitor(ExchangeRecord(Exchange.of(f"attack: {SECRET}", "x"))).result(60)
    assert loop.drain(10)
    shown = SECRET if keep is Keep.FULL else "write to [email], card [card]"
    assert taught == [f"attack: {shown}"] * 2
    store.close()


def test_what_was_not_kept_teaches_nothing() -> None:
    store = MemoryStore(Privacy(exchanges=Keep.HASHED, breaches=Keep.HASHED))
    for number in range(3):
        record = ExchangeRecord(Exchange.of(f"attack {number}", "x"), verdict=BREACH)
        store.exchanges.record(record, enqueue=False).result(60)
    assert StoreKnowledge(store, Reference()).breaches() == ()
    store.close()


def test_defaults_are_the_careful_ones() -> None:
    assert privacy_of(PrivacySettings()) == Privacy(Keep.REDACTED, Keep.REDACTED, ())


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def test_sealed_bodies_are_unreadable_without_the_key(tmp_path: Path) -> None:
    url, old, new = f"sqlite:///{tmp_path / 'sisf.db'}", key(), key()
    store = open_store(url, Privacy(keys=(old,)))
    store.policies.commit(change(pattern()), expected=0)
    store.exchanges.record(ExchangeRecord(Exchange.of("zanzibar", "x", id="e")), enqueue=True).result(60)
    store.feedback.add(
        Feedback("alpha", FeedbackKind.FALSE_POSITIVE, Sender(principal="p"), "e", "person:ada", "zanzibar")
    )
    verdict = dataclasses.replace(BREACH, rationale="zanzibar")
    store.exchanges.record(ExchangeRecord(Exchange.of("zanzibar", "x", id="b"), verdict=verdict), enqueue=True).result(
        5
    )
    learned = probe()
    assert isinstance(learned.condition, Probe)
    learned = dataclasses.replace(learned, condition=dataclasses.replace(learned.condition, examples=("zanzibar",)))
    store.policies.commit(Change((learned,), "loop", "x"), expected=1)
    job = store.jobs.lease("w", 60)
    assert job is not None
    store.jobs.fail(job, "could not learn from zanzibar", retry_in=None)
    store.close()
    forget()  # what is cached for the life of the process
    assert b"zanzibar" not in on_disk(tmp_path)
    rotated = open_store(url, Privacy(keys=(new, old)))
    assert rotated.exchanges.get("e").exchange.prompt == "zanzibar"
    assert rotated.feedback.benign_cases()[0][1].text == "zanzibar"
    assert rotated.exchanges.breaches()[0][1].verdict.rationale == "zanzibar"
    assert rotated.jobs.dead()[0][1] == "could not learn from zanzibar"
    assert _examples(rotated) == ("zanzibar",)
    rotated.close()
    forget()
    blind = open_store(url, Privacy(keys=(new,)))
    assert _examples(blind) == (), "without the key a policy still enforces"
    with pytest.raises(StoreError, match="is not among"):
        blind.exchanges.get("e")
    blind.close()


def _examples(store: Store) -> tuple[str, ...]:
    condition = store.policies.get("probe").condition
    assert isinstance(condition, Probe)
    return condition.examples


def test_a_seal_belongs_to_its_row() -> None:
    vault = Vault([key()])
    sealed = vault.seal(b"body", "row 1")
    assert vault.open(sealed, "row 1") == b"body"
    for wrong, row in ((sealed, "row 2"), (sealed[:-1] + bytes([sealed[-1] ^ 1]), "row 1")):
        with pytest.raises(StoreError, match="altered"):
            vault.open(wrong, row)


@pytest.mark.parametrize("wrong", ["short", "c2hvcnQ=", "ä"])
def test_a_wrong_key_is_a_clear_error(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"privacy\.key"):
        Vault([wrong])


def test_deletion_really_deletes(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path / 'sisf.db'}")
    old = datetime.now(UTC) - timedelta(days=40)
    for name, verdict in (("b1", BREACH), ("s1", SAFE), ("n1", None)):
        said = Exchange.of(f"zanzibar {name}", "zanzibar", id=name, principal="eve")
        record = ExchangeRecord(dataclasses.replace(said, time=old), verdict=verdict)
        store.exchanges.record(record, enqueue=name == "n1").result(60)
    store.exchanges.record(ExchangeRecord(Exchange.of("fresh", "x", id="f")), enqueue=False).result(60)
    learned = probe()
    assert isinstance(learned.condition, Probe)
    condition = dataclasses.replace(learned.condition, examples=("zanzibar b1",))
    provenance = Provenance(("b1",), "local")
    learned = dataclasses.replace(learned, condition=condition, provenance=provenance, gate_report=PASSED)
    store.policies.commit(Change((learned,), "loop", "x"), expected=0)
    retired = dataclasses.replace(learned, status=Status.RETIRED)
    store.policies.commit(Change((retired,), "loop", "x"), expected=1)
    assert b"zanzibar" in on_disk(tmp_path)

    spared = store.exchanges.delete(
        actor="person:ada", reason="x", before=datetime.now(UTC), breaches=False, sender=Sender(principal="eve")
    )
    assert spared == 2
    assert store.exchanges.breach_count() == 1
    assert store.exchanges.delete(actor="retention", reason="old", before=datetime.now(UTC) - timedelta(days=30)) == 1
    assert [r.exchange.id for r in store.exchanges.recent()] == ["f"]
    assert store.jobs.counts()["ready"] == 0
    policy = store.policies.get("probe")
    assert isinstance(policy.condition, Probe)
    assert policy.condition == dataclasses.replace(condition, examples=())
    (before,) = store.policies.snapshot(1).policies
    assert before.condition == policy.condition
    assert b"zanzibar" not in on_disk(tmp_path), "not in the file, not in its log"
    rows = [row for row in store.audit.rows() if row.action == "exchange.delete"]
    assert [row.actor for row in rows] == ["person:ada", "retention"]
    store.audit.verify()
    store.close()


def test_tenants_are_apart() -> None:
    store = MemoryStore()
    for tenant in ("a", "b", "a"):
        store.exchanges.record(ExchangeRecord(Exchange.of("x", "y", tenant=tenant)), enqueue=False).result(60)
    assert len(store.exchanges.recent(tenant="a")) == 2
    store.close()
