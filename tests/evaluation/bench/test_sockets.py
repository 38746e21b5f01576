"""What a server printed is shown when a request to it fails."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sisf.evaluation.bench.several import _stands
from sisf.evaluation.bench.sockets import command_running


def test_an_error_is_shown_with_what_the_server_printed(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-c",
        "import sys; print('listening'); print('out of memory', file=sys.stderr); sys.exit(3)",
    ]
    with pytest.raises(ConnectionResetError) as raised, command_running(words, {}, tmp_path / "log") as process:
        _failing(process)
    [note] = raised.value.__notes__
    assert "ended with 3" in note
    assert {"listening", "out of memory"} <= set(note.splitlines())


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    words, log = [sys.executable, "-c", "raise SystemExit('port in use')"], tmp_path / "log"
    with pytest.raises(RuntimeError, match="did not start") as raised, command_running(words, {}, log) as process:
        _stands(process, log)
    assert "port in use" in raised.value.__notes__[0]


def test_a_server_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    child = "import os, time; print('SISF stands at http://127.0.0.1:1/v1', os.getpid(), flush=True); time.sleep(600)"
    words = [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"]
    log = tmp_path / "log"
    with command_running(words, {}, log) as process:
        assert _stands(process, log) == "http://127.0.0.1:1"
        started = int(log.read_text().split()[-1])
    end = time.monotonic() + 60
    while _lives(started) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _lives(started)


def _failing(process: "subprocess.Popen[bytes]") -> None:
    process.wait(60)
    raise ConnectionResetError("by peer")


def _lives(process: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
