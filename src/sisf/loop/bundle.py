"""Policies as code: a reviewable YAML file that goes out of one store and, through the gate, into another.

A bundle names its origin and carries a serial number that rises, a digest over its content and, optionally, an Ed25519
signature over the digest. One that is corrupt, unsigned where a signature is wanted, replayed or older than what was
taken before changes nothing: the policy set in force stays.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from sisf.embedding.base import Embedder
from sisf.errors import DataError, PolicyError, quoted
from sisf.loop.committing import commit
from sisf.loop.knowledge import Without
from sisf.loop.readmission import Readmission, Readmissions
from sisf.policy import Change, Policy, Snapshot, Status
from sisf.policy.codec import from_dict, from_yaml, to_dict, to_yaml
from sisf.store import BundleMark, Store
from sisf.synthesis.base import Knowledge, PolicyGate

FORMAT = "sisf-policies/1"
_KEYS = ("format", "origin", "serial", "policies", "digest", "signature")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A policy set that travels."""

    origin: str
    serial: int
    policies: tuple[Policy, ...]
    digest: str
    signature: str = ""

    @property
    def mark(self) -> BundleMark:
        """What the store remembers of it."""
        return BundleMark(self.origin, self.serial, self.digest)


def export_bundle(store: Store, *, revision: int | None = None, origin: str = "", key: bytes | None = None) -> str:
    """The policy set at a revision (default: the latest) as YAML. `key` is an Ed25519 private key in PEM to sign with.

    Without `origin` the store names itself by the first row of its audit log.
    """
    snapshot = store.policies.snapshot(revision)
    if not origin:
        first = store.audit.rows(limit=1)
        origin = f"store-{first[0].hash[:12]}" if first else "store-empty"
    policies = [to_dict(policy) for policy in snapshot.policies]
    content = {"format": FORMAT, "origin": origin, "serial": snapshot.revision, "policies": policies}
    return _sealed(content, key)


def seal(text: str, where: str, *, key: bytes | None = None) -> str:
    """Give a bundle that was edited by hand the next serial number, a new digest and, with `key`, a signature.

    One that was not edited keeps its number, and is only signed.
    """
    data = _read(text, where)
    content = {name: data[name] for name in _KEYS[:4]}
    if data.get("digest") != _digest(content):
        content["serial"] += 1
    return _sealed(content, key)


def read_bundle(text: str, where: str, *, trusted: Sequence[bytes] = ()) -> Bundle:
    """Read and verify a bundle. With `trusted` (Ed25519 public keys in PEM) a signature by one of them is required.

    Raises `DataError` or `PolicyError` that says what is wrong and where.
    """
    data = _read(text, where)
    digest, signature = data.get("digest"), data.get("signature", "")
    content = {name: data[name] for name in _KEYS[:4]}
    if not isinstance(digest, str) or not digest:
        raise DataError(f"{where}: has no digest: it was cut off, or edited by hand; `sisf policy seal` renews it")
    if digest != _digest(content):
        raise DataError(f"{where}: its content does not match its digest: it was damaged, or edited by hand")
    if trusted:
        _check_signature(digest, signature, trusted, where)
    policies = tuple(from_dict(item, f"{where}: policies[{i}]") for i, item in enumerate(data["policies"]))
    ids = [policy.id for policy in policies]
    doubles = sorted({policy_id for policy_id in ids if ids.count(policy_id) > 1})
    if doubles:
        raise DataError(f"{where}: policy {quoted(doubles[0])} stands twice")
    return Bundle(data["origin"], data["serial"], policies, digest, signature if isinstance(signature, str) else "")


def import_bundle(
    store: Store,
    bundle: Bundle,
    gate: PolicyGate,
    knowledge: Knowledge,
    *,
    embedder: Embedder,
    actor: str,
    replace: bool = False,
) -> tuple[Snapshot, Readmission]:
    """Put the policies of a bundle in force, in one revision. All of them, or none.

    Each policy that acts goes through this store's own gate; one that would stop a text that was reported here as a
    mistake comes with the exception. `replace` retires what is in force and not in the bundle.
    Raises `PolicyError` that names every policy that does not pass, `StoreError` for a bundle that is not newer than
    the last one of its origin.
    """
    readmission, examined = preview_import(store, bundle, gate, knowledge, embedder=embedder)
    arriving = {policy.id for policy in examined}
    reason = f"bundle {bundle.serial} of {bundle.origin} (sha256 {bundle.digest[:12]})"

    def change(snapshot: Snapshot) -> Change:
        leaving = [
            dataclasses.replace(policy, status=Status.RETIRED)
            for policy in snapshot.policies
            if replace and policy.id not in arriving
        ]
        return Change((*examined, *leaving), actor, reason)

    return commit(store, change, "the import of a bundle", bundle=bundle.mark)[0], readmission


def preview_import(
    store: Store, bundle: Bundle, gate: PolicyGate, knowledge: Knowledge, *, embedder: Embedder
) -> tuple[Readmission, Sequence[Policy]]:
    """How the policies of a bundle would come into force, and each of them as examined. Changes nothing.

    Raises `PolicyError` as `import_bundle` does.
    """
    readmission = Readmissions(store, embedder).admit(bundle.policies)
    return readmission, _examine(readmission, gate, knowledge)


def _examine(readmission: Readmission, gate: PolicyGate, knowledge: Knowledge) -> list[Policy]:
    examined, refused = [], [f"{policy_id} ({reason})" for policy_id, reason in readmission.refused.items()]
    for policy in readmission.policies:
        if policy.status in (Status.ACTIVE, Status.SHADOW):
            report = gate.examine(policy, None, Without(knowledge, policy.id))
            policy = dataclasses.replace(policy, gate_report=report)  # noqa: PLW2901 - the same policy, examined
            if policy.status is Status.ACTIVE and not report.passed:
                refused.append(f"{policy.id} ({'; '.join(report.reasons) or 'no reason given'})")
        examined.append(policy)
    if refused:
        total = len(readmission.policies) + len(readmission.refused)
        raise PolicyError(f"the gate refuses {len(refused)} of {total} policies: {', '.join(refused)}")
    return examined


def _read(text: str, where: str) -> dict[str, Any]:
    data = from_yaml(text, where)
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise DataError(f"{where}: is not a policy bundle: `format: {FORMAT}` is missing")
    for name in data:
        if name not in _KEYS:
            raise DataError(f"{where}: unknown key {quoted(name)}")
    expected: tuple[tuple[str, type], ...] = (("origin", str), ("serial", int), ("policies", list))
    for name, kind in expected:
        if not isinstance(data.get(name), kind):
            raise DataError(f"{where}: {quoted(name)} is missing or is not a {kind.__name__}")
    return data


def _sealed(content: dict[str, Any], key: bytes | None) -> str:
    digest = _digest(content)
    signature = {} if key is None else {"signature": _private(key).sign(digest.encode()).hex()}
    return to_yaml({**content, "digest": digest, **signature})


def _digest(content: dict[str, Any]) -> str:
    try:
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise DataError(f"a bundle holds what is no plain data: {error}") from None
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _private(pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise DataError(f"the signing key is not a private key in PEM: {error}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError("the signing key must be an Ed25519 key: openssl genpkey -algorithm ed25519")
    return key


def _check_signature(digest: str, signature: object, trusted: Sequence[bytes], where: str) -> None:
    if not isinstance(signature, str) or not signature:
        raise DataError(f"{where}: is not signed, and only signed bundles are taken here")
    for pem in trusted:
        try:
            key = load_pem_public_key(pem)
        except ValueError as error:
            raise DataError(f"a trusted key is not a public key in PEM: {error}") from None
        if isinstance(key, Ed25519PublicKey) and _signed(key, signature, digest):
            return
    raise DataError(f"{where}: is not signed by a trusted key")


def _signed(key: Ed25519PublicKey, signature: str, digest: str) -> bool:
    try:
        key.verify(bytes.fromhex(signature), digest.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
