"""A run on files that Prometheus can look at while it goes on."""

import re
import socket
import subprocess
import sys
import urllib.request
from urllib.error import URLError

import pytest

from stream.app.cli import main
from tests.runs import write_data

CONFIG = """
name = "shown"
task = "binary"
[input]
id = "id"
time = "at"
label = "late"
label_time = "known"
[scoring]
every = 300
[files]
chunk = 100
commit_every = "1ms"
"""


def test_a_replay_shows_its_metrics_while_it_goes_on(tmp_path):
    config = tmp_path / "app.toml"
    config.write_text(CONFIG)
    data = write_data(tmp_path / "data.csv", 20_000)
    command = [sys.executable, "-m", "stream.app.cli", "replay", str(config), str(data)]
    command += ["--out", str(tmp_path / "out"), "--metrics-port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stderr=pipe, stdout=pipe, text=True) as run:
        assert run.stderr is not None
        url = re.search(r"http\S+/metrics", run.stderr.readline())
        assert url
        seen: list[str] = []
        while run.poll() is None and not seen:
            try:
                with urllib.request.urlopen(url[0], timeout=5) as answer:
                    seen = re.findall(r"^driftline_events_total\{.*\} (\S+)$",
                                      answer.read().decode(), re.MULTILINE)
            except (URLError, ConnectionError):
                break
        run.terminate()
        run.communicate()
    assert seen
    assert 0 < float(seen[0]) <= 20_000


def test_a_port_that_is_taken_is_an_error_in_one_line(tmp_path, capsys):
    config = tmp_path / "app.toml"
    config.write_text(CONFIG)
    data = write_data(tmp_path / "data.csv", 30)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as exit_:
            main(["replay", str(config), str(data), "--out", str(tmp_path / "out"),
                  "--metrics-port", str(port)])  # fmt: skip
    assert exit_.value.code == 1
    said = capsys.readouterr().err
    assert re.fullmatch(rf"driftline: \[telemetry\] 127\.0\.0\.1:{port}: cannot be .*\n", said)
