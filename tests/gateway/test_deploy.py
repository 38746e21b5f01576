"""The files for operators name metrics, settings and endpoints that exist."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import sisf.adjudicator.agreement
import sisf.adjudicator.counters
import sisf.llm.budget  # noqa: F401 - these register their metrics
from sisf.pipeline.metrics import Metrics
from sisf.settings import Settings, load

ROOT = Path(__file__).parents[2]


def families() -> dict[str, set[str]]:
    """Every metric of ours by name, with its labels."""
    found = {}
    for registry in (Metrics().registry, REGISTRY):
        for family in registry._collector_to_names:
            one = getattr(family, "_label", "")
            labels = getattr(family, "_labelnames", None) or getattr(family, "_labels", None) or ([one] if one else [])
            name = getattr(family, "_name", "")
            if name.startswith("sisf_"):
                found[name] = set(labels if isinstance(labels, list | tuple) else [])
    return found


def queries() -> list[str]:
    board = json.loads((ROOT / "deploy/grafana-sisf.json").read_text())
    marks = [mark["expr"] for mark in board["annotations"]["list"]]
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]] + marks


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((ROOT / "deploy/alerts-sisf.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_alert_says_what_to_do() -> None:
    rules = alerts()
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


@pytest.mark.parametrize("query", [*queries(), *(rule["expr"] for rule in alerts())])
def test_every_query_of_the_dashboard_and_of_the_alerts_names_metrics_and_labels_that_exist(query: str) -> None:
    known = families()
    names = [re.sub(r"_(total|bucket)$", "", name) for name in re.findall(r"sisf_[a-z_]+", query)]
    assert names
    assert set(names) <= set(known)
    asked = {label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")}
    asked |= set(re.findall(r"([a-z_]+)=\"", query))
    assert asked <= {"le", "instance"}.union(*(known[name] for name in names))


def test_what_an_operator_must_see_is_on_the_dashboard() -> None:
    shown = " ".join(queries())
    for name in families():
        needed = any(
            part in name
            for part in ("decisions", "outcomes", "asr", "fpr", "stage", "lag", "revision", "budget", "fail_opens")
        )
        assert name in shown or not needed, name


def test_the_documentation_names_every_metric_and_every_setting_of_the_gateway() -> None:
    text = "".join((ROOT / "docs" / name).read_text() for name in ("gateway.md", "operations.md"))
    missing = {name for name in families() if name not in text}
    for section in ("upstream", "limits", "on_failure", "keys", "listen", "streaming"):
        model = Settings.model_fields[section].annotation
        assert model is not None
        missing |= {f"{section}.{field}" for field in model.model_fields if f"`{section}.{field}`" not in text}
    assert not missing


def test_the_unit_and_the_container_start_what_exists() -> None:
    assert "sisf serve --config" in (ROOT / "deploy/sisf.service").read_text()
    container = (ROOT / "deploy/Containerfile").read_text()
    for copied in re.findall(r"^COPY (?!--)(.+) \S+$", container, re.MULTILINE):
        assert all((ROOT / name).exists() for name in copied.split())


def test_a_container_begins_with_what_its_image_prepared_and_keeps_what_it_has(tmp_path: Path) -> None:
    prepared, cache, commands = tmp_path / "prepared", tmp_path / "volume" / "cache", tmp_path / "bin"
    for folder in (prepared / "models", cache / "models", commands):
        folder.mkdir(parents=True)
    (prepared / "models" / "new model.onnx").write_text("prepared")
    (prepared / "models" / "known.onnx").write_text("prepared")
    (cache / "models" / "known.onnx").write_text("kept")
    (commands / "sisf").write_text('#!/bin/sh\necho ran "$@"\n')
    (commands / "sisf").chmod(0o755)
    environment = {
        "PATH": f"{commands}:/usr/bin:/bin",
        "SISF_PREPARED_DIR": str(prepared),
        "SISF_CACHE_DIR": str(cache),
    }
    for _ in range(2):
        ran = subprocess.run(
            ["sh", ROOT / "deploy/entrypoint.sh", "serve", "--host", "0.0.0.0"],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ran.stdout == "ran serve --host 0.0.0.0\n"
    assert {file.name: file.read_text() for file in (cache / "models").iterdir()} == {
        "new model.onnx": "prepared",
        "known.onnx": "kept",
    }


def test_the_files_for_several_gateways_set_what_there_is(tmp_path: Path) -> None:
    """Compose and Kubernetes name settings and commands that exist."""
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    environment = {
        k: re.sub(r"\$\{\w+:?[-?]?([^}]*)\}", r"\1", v) for k, v in services["gateway"]["environment"].items()
    }
    settings = load(environment=environment)
    assert settings.store.url.startswith("postgresql://")
    assert settings.loop.workers == 0
    assert services["worker"]["command"] == ["worker"]
    items = yaml.safe_load((ROOT / "deploy/kubernetes.yaml").read_text())["items"]
    file = tmp_path / "sisf.yaml"
    file.write_text(items[0]["data"]["sisf.yaml"])
    given = load(
        file, environment={"STORE_URL": "postgresql://sisf@db/sisf", "CONSOLE_TOKEN": "t", "UPSTREAM_KEY": "k"}
    )
    assert given.store.url == "postgresql://sisf@db/sisf"
    pods = [item["spec"]["template"]["spec"] for item in items if item["kind"] == "Deployment"]
    assert [pod["containers"][0]["args"][0] for pod in pods] == ["serve", "worker"]
    for pod in pods:
        assert {m["name"] for m in pod["containers"][0]["volumeMounts"]} == {v["name"] for v in pod["volumes"]}
        assert {e["name"] for e in pod["containers"][0]["env"]} <= set(re.findall(r"\$\{(\w+)", file.read_text()))
