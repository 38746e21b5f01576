"""`sisf demo` as a stranger runs it: a real process, the packaged embedder, no data, no key."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_demo_runs_by_itself_and_leaves_a_report(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "SISF_DATA_DIR"} | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-m", "sisf", "demo", "--attacks", "6", "--out", "shown"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=840, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "18 of 18 requests" in done.stderr
    assert "everything again at the final revision" in done.stderr
    for hint in (
        "report.html",
        "sisf policy list",
        "sisf serve --upstream",
        "sisf evaluate learn",
        "Nothing left this",
    ):
        assert hint in done.stdout
    summary = json.loads((tmp_path / "shown" / "summary.json").read_text())
    assert (summary["attacks"], summary["fpr"]["sample_benign"]["n"]) == (6, 12)
    assert summary["breaches"] > 0
    assert (summary["final_asr"]["n"], summary["final_fpr"]["sample_benign"]["n"]) == (6, 12)
    assert {p.name for p in (tmp_path / "shown").iterdir()} >= {"report.html", "learning_curve.png", "demo.db"}
    # What it says to try next works.
    command = [sys.executable, "-m", "sisf", "policy", "list", "--json", "--store", "sqlite:///shown/demo.db"]
    listed = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert len(json.loads(listed.stdout)["policies"]) == summary["settings"].get(
        "policies_then", summary["policies"]["final"]
    )
