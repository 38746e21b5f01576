"""The files for operators name metrics, settings and endpoints that exist."""

import json
import re
from pathlib import Path

from sisf.gateway.metrics import Metrics
from sisf.settings import Settings

ROOT = Path(__file__).parents[2]


def test_the_dashboard_shows_metrics_that_exist() -> None:
    metrics = Metrics()
    known = {family.name for family in metrics.registry.collect()}
    text = json.dumps(json.loads((ROOT / "deploy/grafana-sisf.json").read_text())["panels"])
    used = {re.sub(r"_(total|bucket)$", "", name) for name in re.findall(r"sisf_[a-z_]+", text)}
    assert used
    assert used <= known


def test_the_documentation_names_every_metric_and_every_setting_of_the_gateway() -> None:
    text = (ROOT / "docs/gateway.md").read_text()
    missing = {family.name for family in Metrics().registry.collect() if family.name not in text}
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
