"""The examples do what they say."""

import re
import subprocess
import sys
from pathlib import Path

from stream.app.config import load_config
from stream.app.topics import topics_of

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_example_in_memory_compares_three_learners_that_notice_the_change():
    done = subprocess.run([sys.executable, str(EXAMPLES / "in_memory.py")],
                          capture_output=True, text=True, check=True)  # fmt: skip
    rows = re.findall(r"^(.{20}) accuracy (\S+) \(majority (\S+)\), alarms: (\S+)", done.stdout,
                      re.MULTILINE)  # fmt: skip
    assert len(rows) == 3
    for _, served, guess, alarm in rows:
        assert float(served) > float(guess) + 0.2
        assert alarm.startswith("2025-01-1")


def test_the_shop_writes_and_reads_the_topics_of_its_configuration():
    topics = topics_of(load_config(EXAMPLES / "kafka/app.toml"))
    shop, reader = (EXAMPLES / f"kafka/{name}.py" for name in ("shop", "decisions"))
    assert set(re.findall(r'"(shop\.\w+)"', shop.read_text())) == {topics.events, topics.labels}
    assert re.findall(r'"(shop\.\w+)"', reader.read_text()) == [topics.predictions]


def test_every_example_is_on_the_page():
    page = (EXAMPLES / "README.md").read_text()
    for path in EXAMPLES.rglob("*.py"):
        assert path.name in page
