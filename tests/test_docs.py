"""The pages say what is true: every setting is described, links lead somewhere, commands exist."""

import importlib.util
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel
from typer.main import get_command

from sisf.cli.main import app
from sisf.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
COMMAND = get_command(app)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"(?:^|[`(] *)sisf ((?:[a-z-]+(?:\\?\|[a-z-]+)* ?)+)", re.MULTILINE)


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _keys(section: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.smoke
def test_the_page_of_settings_is_up_to_date() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert written == _script("configuration").page(), "run: python scripts/configuration.py"
    assert [key for key in _keys(Settings()) if f"`{key}`" not in written] == []


def test_a_setting_without_a_docstring_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    script = _script("configuration")
    docs = script._docstrings()
    monkeypatch.setattr(script, "_docstrings", lambda: {k: v for k, v in docs.items() if k != "Limits.messages"})
    with pytest.raises(ValueError, match=r"limits\.messages \(Limits\.messages\)"):
        script.page()


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(link)
    assert broken == []


_TICKED = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(r"[\w.-]+(?:/[\w.-]+)*/?")


def _claims(page: str) -> list[str]:
    """What a page says is there: paths, and classes or methods by name."""
    return [name for name in _TICKED.findall(page) if _is_path(name) or re.fullmatch(r"[A-Z]\w+(?:\.\w+)?", name)]


def _is_path(name: str) -> bool:
    return _PATH.fullmatch(name) is not None and ("/" in name or name.endswith((".py", ".toml")))


def _stands(name: str) -> bool:
    """Whether a path is in the tree, or a class (with a method) is defined in the sources."""
    if _is_path(name):
        return any((root / name).exists() for root in (ROOT / "src" / "sisf", ROOT))
    cls, _, member = name.partition(".")
    sources = (p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py"))
    bodies = [
        body for text in sources for body in re.findall(rf"^class {cls}\b.*(?:\n(?:[ )#].*)?)*", text, re.MULTILINE)
    ]
    return any(not member or re.search(rf"^    (?:async )?def {member}\b", body, re.MULTILINE) for body in bodies)


def test_the_architecture_names_what_is_there() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    claims = _claims(page)
    assert len(claims) > 60
    assert [name for name in claims if not _stands(name)] == []
    packages = {
        p.name + ("/" if p.is_dir() else "") for p in (ROOT / "src" / "sisf").glob("[a-z]*") if p.suffix != ".typed"
    }
    assert packages <= set(claims)


def test_the_architecture_lists_the_packages_as_the_contract_stacks_them() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ][0]
    height = {
        name.strip().removeprefix("sisf."): level
        for level, layer in enumerate(contract["layers"])
        for name in layer.split(":")
    }
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)(?:/|\.py)` \|", page, re.MULTILINE)
    assert sorted(listed) == sorted(height)
    assert [height[name] for name in listed] == sorted(height.values())


def test_the_search_for_names_finds_wrong_ones() -> None:
    wrong = ["loop/monitor.py", "loop/plan/", "Monitor.plan", "Planner", "tests/pipeline/test_nothing.py"]
    page = " ".join(f"`{name}`" for name in wrong)
    assert _claims(page) == wrong
    assert [name for name in wrong if _stands(name)] == []


def _exists(words: list[str]) -> bool:
    """Whether `sisf WORDS…` begins with a command; what follows a command are its arguments."""
    command = COMMAND
    for word in words:
        children = getattr(command, "commands", None)
        if children is None:
            return True
        found = [children.get(name) for name in re.split(r"\\?\|", word)]
        if None in found:
            return False
        command = found[0]
    return True


def _named(page: Path) -> list[str]:
    return [" ".join(found.split()) for found in _COMMAND.findall(page.read_text(encoding="utf-8"))]


def test_commands_that_messages_name_exist() -> None:
    """An error that sends people to a command which is not there helps nobody."""
    named = re.compile(r"`sisf ((?:[a-z-]+ ?)+)")
    sources = [*ROOT.glob("src/**/*.py"), *ROOT.glob("src/**/*.html")]
    found = [(source.name, words) for source in sources for words in named.findall(source.read_text(encoding="utf-8"))]
    assert len(found) > 30
    assert [(name, words) for name, words in found if not _exists(words.split())] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_commands_exist(page: Path) -> None:
    assert [named for named in _named(page) if not _exists(named.split())] == []


def test_the_search_for_commands_finds_them() -> None:
    assert len(_named(ROOT / "README.md")) > 5
    assert _exists(["policy", "list\\|show\\|retire"])
    assert not _exists(["policy", "polish"])
    assert not _exists(["sevre"])


def test_the_page_of_commands_lists_every_command() -> None:
    """A cell such as `sisf policy list`, `show` names two commands of one group."""
    cells = re.findall(r"^\| (`sisf [^\n]*?) \| ", (ROOT / "docs" / "cli.md").read_text(encoding="utf-8"), re.MULTILINE)
    listed = []
    for cell in cells:
        first, *others = re.findall(r"`([^`]*)`", cell)
        words = first.removeprefix("sisf ").split()
        listed += [" ".join(words), *(" ".join([*words[:-1], other]) for other in others)]
    known: list[str] = []
    for name, command in getattr(COMMAND, "commands").items():  # noqa: B009 - typer's type hides it
        inner = getattr(command, "commands", None)
        known += [f"{name} {each}" for each in inner] if inner else [name]
    assert sorted(listed) == sorted(known)


def test_the_threat_model_names_tests_that_exist() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 20
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row.rpartition(" | ")[2])
        assert named, f"no test: {row[:80]}"
        for path, name in named:
            assert f"def {name}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{name}"


def _row(decision: Path) -> str:
    """The line that the index should hold of a decision. Fails where it does not begin as decisions do."""
    title, _, status = decision.read_text(encoding="utf-8").split("\n")[:3]
    number = decision.name[:4]
    assert title.startswith(f"# {number} · "), f"{decision.name} begins with `# {number} · Its title`"
    assert re.match(r"\*\*Status:\*\* (accepted|replaced (in part )?by \[)", status), f"{decision.name}: third line"
    row = f"- [{title.removeprefix('# ')}]({decision.name})"
    if not (replaced := re.match(r"\*\*Status:\*\* (replaced (?:in part )?by)(.*)", status)):
        return row
    first = re.split(r"[:;.](?: |$)", replaced[2])[0]
    return f"{row} – {replaced[1]} {' and '.join(re.findall(r'[0-9]{4}(?=])', first))}"


def test_the_index_lists_every_decision_once_with_its_title_and_what_replaced_it() -> None:
    folder = ROOT / "docs" / "adr"
    listed = re.findall(r"^- .*$", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    rows = [_row(decision) for decision in sorted(folder.glob("[0-9]*.md"))]
    assert len(rows) > 150
    assert sorted(listed) == sorted(rows), "list each decision in docs/adr/README.md, under its subject"
