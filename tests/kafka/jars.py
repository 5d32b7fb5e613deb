"""The broker's jars: fetched once by Maven, kept in the project's `.cache` folder."""

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from tests.kafka.errors import BrokerUnavailableError

POM = Path(__file__).with_name("pom.xml")
CACHE = Path(__file__).resolve().parents[2] / ".cache"
OLDEST_JAVA = 17
DOWNLOAD_SECONDS = 600


def kafka_version() -> str:
    """Return the Kafka version that the pom pins."""
    names = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = ElementTree.parse(POM).findtext("./m:properties/m:kafka.version", namespaces=names)
    if version is None:
        raise ValueError(f"{POM} has no property kafka.version")
    return version


def require_java() -> None:
    """Check that Java and Maven are here.

    Raises
    ------
    BrokerUnavailableError
        When either is missing, or Java is older than 17.
    """
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            raise BrokerUnavailableError(f"no `{program}` on the PATH")
    shown = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', shown.stderr)
    if found is None or int(found[1]) < OLDEST_JAVA:
        first_line = shown.stderr.partition("\n")[0]
        raise BrokerUnavailableError(f"Java {OLDEST_JAVA} or newer is needed, not {first_line!r}")


def broker_jars(cache: Path = CACHE) -> Path:
    """Return the folder with the broker's jars, fetching them when the cache has none.

    The folder appears by one rename, so that a folder that is there is complete, however many test
    processes fetch at the same time. Its name holds a digest of the pom: a changed pom is fetched
    anew.

    Raises
    ------
    BrokerUnavailableError
        When Maven cannot fetch them.
    """
    digest = hashlib.sha256(POM.read_bytes()).hexdigest()[:8]
    jars = cache / f"kafka-{kafka_version()}-{digest}"
    if not jars.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as scratch:
            fetched = Path(scratch) / "jars"
            _fetch(fetched)
            _publish(fetched, jars)
    return jars


def _fetch(folder: Path) -> None:
    command = ["mvn", "-B", "-q", "-f", str(POM), "dependency:copy-dependencies"]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={folder}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise BrokerUnavailableError(
            f"Maven did not fetch the broker within {DOWNLOAD_SECONDS} s"
        ) from None
    if done.returncode:
        raise BrokerUnavailableError(f"Maven could not fetch the broker:\n{done.stdout[-2000:]}")


def _publish(fetched: Path, jars: Path) -> None:
    try:
        fetched.rename(jars)
    except OSError:
        if not jars.is_dir():  # else another process was faster, and its folder is as good
            raise
