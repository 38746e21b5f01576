"""Protocol `obfuscation`: what is caught in clear is looked for under each trick."""

import base64
from pathlib import Path

from sisf.evaluation.protocols.obfuscation.page import report
from sisf.evaluation.protocols.obfuscation.run import obfuscation_plan
from sisf.evaluation.report.writer import write
from sisf.evaluation.runs.runner import conduct
from sisf.text.tricks import CHARACTERS, ENCODINGS, NESTED, TRICKS
from tests.evaluation import families
from tests.evaluation.families import FAMILIES, VARIANTS


def test_there_are_twelve_tricks_four_encodings_and_all_their_pairs() -> None:
    assert (len(CHARACTERS), len(ENCODINGS), len(NESTED)) == (12, 4, 15)
    assert NESTED["base64(hex)"]("ab") == base64.b64encode(b"6162").decode()
    changed = [name for name, trick in TRICKS.items() if trick("How to do it") == "How to do it"]
    assert changed == []


def test_recall_is_lost_only_where_nothing_undoes_the_trick(tmp_path: Path) -> None:
    tricks = {"homoglyphs": CHARACTERS["homoglyphs"], "base64": ENCODINGS["base64"], "lost": lambda _: "nothing left"}
    plan = obfuscation_plan(
        families.setup(trials=1),
        families.designs()["sisf"],
        [families.attacks(tmp_path)],
        [],
        [families.benign(tmp_path)],
        tricks=tricks,
    )
    done = conduct(plan)
    (tmp_path / "out").mkdir()
    figures = write(tmp_path / "out", report(done, {}))
    total = len(FAMILIES) * VARIANTS
    assert figures["recall_clear"]["caught"] == [total]
    assert figures["recall_loss"] == {"homoglyphs": 0, "base64": 0, "lost": 100}
    assert figures["recall_loss_counts"]["lost"] == [[total, total]]
    assert figures["benign_blocked"]["honest"] == {"blocked": 1, "n": 4, "rate": 0.25, "only_in_a_view": 0}
    assert {"protocol", "warden_asr", "fpr", "policies", "seconds"} <= figures.keys()
    lines = (tmp_path / "out" / "outcomes.jsonl").read_text().splitlines()
    assert len(lines) == total * (2 + len(tricks)) + 4
    assert "homoglyphs" in (tmp_path / "out" / "report.html").read_text()
