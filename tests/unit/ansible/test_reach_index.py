"""Whether pip reaches its indexes, asked of real servers."""

import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.messages import codes

SCRIPT = Path(__file__).resolve().parents[3] / "roles/runtime/files/reach_index.py"
NOBODY = "http://me:secret@127.0.0.1:9/simple"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that answers with the status which begins the path: /503/simple/pip/.

    Below /some/, it has TensorFlow alone and refuses all else.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, *_, project = self.path.strip("/").split("/")
            known = "200" if project == "tensorflow" else "403"
            self.send_response(int(known if status == "some" else status))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def ask(index: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Ask as a role does, for a pip that has this index and nothing else."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": index, "no_proxy": "*"}
    command = [sys.executable, "-c", SCRIPT.read_text(), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("status", [200, 404, "some"])
def test_an_index_that_answers(server: str, status: int | str) -> None:
    """A mirror of a few projects need not have pip, and some refuse what they do not have."""
    done = ask(f"{server}/{status}/simple")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("status", [403, 407, 503])
def test_an_index_that_lets_nothing_through(server: str, status: int) -> None:
    done = ask(f"{server}/{status}/simple")
    assert (done.returncode, codes(done.stdout)) == (1, ["index-unreachable"])
    assert f"{server}/{status}/simple" in done.stdout
    assert f" {status}" in done.stdout.partition("/simple")[2]


def test_no_index_and_one_behind_a_proxy_that_is_gone(server: str) -> None:
    done = ask(NOBODY)
    assert (done.returncode, codes(done.stdout)) == (1, ["index-unreachable"])
    assert "127.0.0.1:9/simple" in done.stdout
    assert "secret" not in done.stdout
    assert ask(f"{server}/200/simple", "--proxy", "http://127.0.0.1:9").returncode == 1


def test_the_arguments_of_pip_count(server: str, tmp_path: Path) -> None:
    assert ask(NOBODY, "--no-index").returncode == 0
    assert ask(NOBODY, "--find-links", str(tmp_path)).returncode == 0
    assert ask(NOBODY, "--index-url", f"{server}/200/simple").returncode == 0
    done = ask(f"{server}/200/simple", "--extra-index-url", NOBODY)
    assert (done.returncode, codes(done.stdout)) == (1, ["index-unreachable"])
