"""Real processes: every expected mistake is one clear line on standard error and exit code 2."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from sisf.store import open_store

SOURCE = Path(__file__).resolve().parents[2] / "src"


def sisf(*arguments: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SISF_")} | {"PYTHONPATH": str(SOURCE)}
    environment["SISF_CACHE_DIR"] = str(cwd / "cache")
    environment |= options.pop("env", {})
    command = [sys.executable, "-m", "sisf", *arguments]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False, **options
    )


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that was complained."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("sisf: error: ")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_any_encoding_of_a_terminal_will_do(tmp_path: Path, encoding: str) -> None:
    """What it lacks is shown as `?`, and JSON is JSON all the same."""
    own = {"env": {"PYTHONIOENCODING": encoding}, "encoding": encoding}
    listed = sisf("data", "list", cwd=tmp_path, **own)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "benign_reference" in listed.stdout
    store = f"sqlite:///{tmp_path}/sisf.db"
    open_store(store).close()
    checked = sisf("check", "Gr\u00fc\u00dfe \u2013 \u6f22", "--json", "--store", store, cwd=tmp_path, **own)
    assert json.loads(checked.stdout.encode("ascii"))["action"] == "allow"


def test_standard_input_is_read_as_files_are(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/sisf.db"
    open_store(store).close()
    (tmp_path / "latin").write_bytes("Gr\u00fc\u00dfe".encode("latin-1"))
    with (tmp_path / "latin").open() as given:
        done = sisf("check", "-", "--store", store, cwd=tmp_path, stdin=given)
    assert "standard input: cannot be read: it is not text in UTF-8 (byte 3)" in complaint(done)
    closed = sisf("check", "-", "--store", store, cwd=tmp_path, preexec_fn=lambda: os.close(0))
    assert "standard input: cannot be read: it is closed" in complaint(closed)


def test_a_port_that_cannot_be_names_its_option(tmp_path: Path) -> None:
    assert "'--port'" in complaint(sisf("model", "serve", "unaligned", "--port", "99999", cwd=tmp_path))


@pytest.mark.smoke
def test_version(tmp_path: Path) -> None:
    done = sisf("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout.split()[0]) == (0, "sisf")


def test_a_reader_that_has_enough_is_neither_done_nor_failed(tmp_path: Path) -> None:
    """`sisf … | head` ends without a message, and with no exit code that says yes or no."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    read, write = os.pipe()
    os.close(read)
    for words in (["data", "list"], ["data", "list", "--json"]):
        command = [sys.executable, "-m", "sisf", *words]
        done = subprocess.run(command, env=environment, cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (141, b"")
    os.close(write)


def test_help_needs_no_heavy_imports(tmp_path: Path) -> None:
    heavy = ("numpy", "openai", "sklearn", "onnxruntime", "matplotlib", "sqlalchemy")
    code = f"import sys, sisf.cli.main; print([m for m in {heavy} if m in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("typer", ["--version"]),
        ("rich", ["data", "list"]),
        ("sqlalchemy", ["policy", "list", "--store", "sqlite:///sisf.db"]),
        ("numpy", ["check", "x", "--store", "sqlite:///sisf.db"]),
        ("uvicorn", ["serve", "--upstream", "http://127.0.0.1:9/v1", "--port", "0"]),
    ],
)
def test_a_command_that_is_stopped_while_modules_are_imported_ends_quietly(
    tmp_path: Path, module: str, words: list[str]
) -> None:
    (tmp_path / "sisf.db").touch()
    (tmp_path / "early").mkdir()
    (tmp_path / "early" / f"{module}.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    early = {"PYTHONPATH": f"{tmp_path / 'early'}{os.pathsep}{SOURCE}", "SISF_ADMIN__PORT": "0"}
    # Also where the tests themselves run in the background of a shell, which ignores SIGINT.
    heard = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = sisf(*words, cwd=tmp_path, env=early)
    finally:
        signal.signal(signal.SIGINT, heard)
    logged = [line for line in done.stderr.splitlines() if not line.startswith('{"event"')]
    assert (done.returncode, done.stdout, logged) == (130, "", [])


@pytest.mark.parametrize("status", [0, 1, 130])
@pytest.mark.parametrize(
    "busy", ["pool.submit(time.sleep, 300)", "threading.Thread(target=time.sleep, args=(300,), daemon=True).start()"]
)
def test_the_end_waits_for_no_thread_and_leaves_no_folder(tmp_path: Path, busy: str, status: int) -> None:
    """Also of a command that fails or is interrupted while threads of it compute."""
    script = f"""
        import sys, tempfile, threading, time
        from concurrent.futures import ThreadPoolExecutor
        import sisf.__main__, sisf.cli.main
        kept, pool = tempfile.TemporaryDirectory(dir="."), ThreadPoolExecutor(1)
        def command():
            pool.submit(time.sleep, 0)
            {busy}
            print("said")
            sys.exit({status})
        sisf.cli.main.main = command
        sisf.__main__.main()
    """
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (status, "said\n", "")
    assert list(tmp_path.iterdir()) == []


def test_a_bad_line_of_a_data_file(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"id": "1", "text": "x", "label": "harmful"}\n{"id": "2", "text": "y"}\n')
    done = sisf("evaluate", "learn", "--attacks", "bad.jsonl", "--out", "out", cwd=tmp_path)
    assert "bad.jsonl:2: `label` is missing" in complaint(done)
    assert not (tmp_path / "out" / "summary.json").exists()


def test_an_unknown_data_set(tmp_path: Path) -> None:
    done = sisf("evaluate", "learn", "--attacks", "sample_atacks", "--out", "out", cwd=tmp_path)
    assert "did you mean `sample_attacks`" in complaint(done)


def test_a_broken_configuration(tmp_path: Path) -> None:
    (tmp_path / "sisf.yaml").write_text("listen: {prot: 1}\n")
    done = sisf("serve", "--upstream", "http://127.0.0.1:9/v1", cwd=tmp_path)
    assert "sisf.yaml: unknown key `listen.prot`; did you mean `listen.port`?" in complaint(done)


def test_an_option_before_any_command(tmp_path: Path) -> None:
    assert "No such option: --store" in complaint(sisf("--store", "x", "policy", "list", cwd=tmp_path))


@pytest.mark.parametrize("upstream", ["localhost:8000", "ftp://x/v1", "http://key@127.0.0.1/v1"])
def test_an_upstream_that_is_none_is_told_before_anything_is_made(tmp_path: Path, upstream: str) -> None:
    assert "upstream.url" in complaint(sisf("serve", "--upstream", upstream, cwd=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_no_upstream(tmp_path: Path) -> None:
    assert "--upstream" in complaint(sisf("serve", cwd=tmp_path))


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = sisf("serve", "--upstream", "http://127.0.0.1:9/v1", "--port", port, cwd=tmp_path)
    assert "the port is in use" in complaint(done)
    assert not (tmp_path / "sisf.db").exists()


def test_a_stand_in_for_a_model_names_its_options_alone(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = complaint(sisf("model", "serve", "unaligned", "--port", port, cwd=tmp_path))
    assert "choose another with --port (0 takes a free one)" in told


def test_doctor_tells_good_from_bad_on_a_terminal_without_its_signs(tmp_path: Path) -> None:
    plain = {"PYTHONIOENCODING": "ascii", "SISF_UPSTREAM__URL": "http://127.0.0.1:9/v1"}
    done = sisf("doctor", cwd=tmp_path, env=plain)
    marks = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines() if line[:1].strip()}
    assert (marks["Python"], marks["upstream"]) == ("ok", "problem")
    assert "upstream.url (`sisf model serve" in " ".join(done.stdout.split())


def test_a_gateway_that_is_not_there(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'sisf.db'}").close()
    done = sisf("probe", "--url", "http://127.0.0.1:9/v1", "--budget", "1", cwd=tmp_path)
    assert "http://127.0.0.1:9/v1 does not answer" in complaint(done)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = sisf("evaluate", "learn", "--attacks", "sample_attacks", "--out", "file/out", cwd=tmp_path)
    assert "cannot be written" in complaint(done)


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    assert "there is no store" in complaint(sisf("policy", "list", cwd=tmp_path))


def test_a_full_disk(tmp_path: Path) -> None:
    """Files may grow to 64 kB and no further: the experiment's store cannot."""
    rows = [{"id": str(i), "text": f"Attack {i} " + "x" * 2_000, "label": "harmful"} for i in range(60)]
    (tmp_path / "attacks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["evaluate", "learn", "--attacks", "attacks.jsonl", "--trials", "1", "--baselines", "none"]
    done = sisf(
        *arguments,
        "--out",
        "out",
        cwd=tmp_path,
        env={"SISF_EMBEDDER__NAME": "hash"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536)),
    )
    assert complaint(done)
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize("section", ["listen", "admin"])
def test_a_port_in_use_is_found_before_anything_is_loaded_and_named_by_its_setting(
    tmp_path: Path, section: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"listen": 0, "admin": 0, section: taken.getsockname()[1]}
        environment = {f"SISF_{name.upper()}__PORT": str(port) for name, port in ports.items()}
        done = sisf("serve", "--upstream", "http://127.0.0.1:9/v1", cwd=tmp_path, env=environment)
    told = complaint(done)
    assert f"{section}.port in sisf.yaml" in told
    assert ("--port" in told) == (section == "listen")
    assert not (tmp_path / "cache").exists()
