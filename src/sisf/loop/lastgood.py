"""The policy set last enforced, in a local file: what a node starts with while its store is away."""

import dataclasses
import hashlib
import json
from pathlib import Path

from sisf.errors import PolicyError, StoreError
from sisf.files import write_whole
from sisf.policy import Policy, Probe, Prototypes, Snapshot
from sisf.policy.codec import from_dict, to_dict


class LastGood:
    """One file, replaced as a whole, with a digest: a torn or altered one is not used.

    It holds what is needed to enforce, and no examples: the store alone keeps, seals and deletes what clients said.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def save(self, snapshot: Snapshot) -> None:
        """Replace the file. Raises `StoreError` when it cannot be written."""
        policies = [to_dict(_without_examples(policy)) for policy in snapshot.policies]
        content = json.dumps({"revision": snapshot.revision, "policies": policies})
        text = f"{hashlib.sha256(content.encode()).hexdigest()}\n{content}"
        try:
            write_whole(self._path, text.encode("ascii"))
        except OSError as error:
            raise StoreError(f"{self._path}: the policies in force cannot be copied: {error.strerror}") from error

    def load(self) -> Snapshot | None:
        """What was saved last; None when there is none, or when it is damaged."""
        try:
            digest, _, content = self._path.read_text(encoding="ascii").partition("\n")
        except (OSError, UnicodeDecodeError):
            return None
        if hashlib.sha256(content.encode()).hexdigest() != digest:
            return None
        try:
            data = json.loads(content)
            policies = tuple(from_dict(item, "the local copy") for item in data["policies"])
        except (ValueError, KeyError, TypeError, PolicyError):
            return None
        return Snapshot(data["revision"], policies)


def _without_examples(policy: Policy) -> Policy:
    condition = policy.condition
    if not isinstance(condition, Prototypes | Probe):
        return policy
    return dataclasses.replace(policy, condition=dataclasses.replace(condition, examples=()))
