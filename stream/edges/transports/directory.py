"""Outputs as files in a folder, exactly once: a commit is one rename.

``commit.json`` holds the input position and the length of every output file. After a crash
the files are cut back to these lengths and the run goes on from there, so they end the same
to the byte as if nothing had happened.
"""

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from stream.core.errors import OutputError
from stream.core.parts import Outputs
from stream.core.records import Prediction
from stream.edges.failpoints import reach
from stream.edges.transports.base import Committed
from stream.state.blob import Manifest
from stream.state.store import sync_folder

INPUT_FOLDER = "input"
"""What may lie in an output folder beside the outputs: the data that a demo made for itself."""

FILES = ("predictions", "metrics", "alarms", "models", "dead-letters", "checkpoints")


class DirectorySink:
    """The output folder of one run.

    Parameters
    ----------
    folder
        Made when it is not there.
    identity
        What the run is of: digest of the configuration and fingerprints of the sources. A
        folder with another identity is refused.
    store
        Where the checkpoints of the run are, noted for those who look at it later.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], store: str) -> None:
        self.folder = folder
        self._store = store
        self._identity = identity
        self._files: dict[str, BinaryIO] = {}
        self._lengths = dict.fromkeys(FILES, 0)
        self._manifests: list[Manifest] = []
        self._waiting: dict[str, list[bytes]] = {name: [] for name in FILES}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = (folder / ".lock").open("wb")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise OutputError(f"{folder}: another run is writing here; wait or stop it") from None

    def begin(self) -> Committed:
        """Find out what was committed last, and cut the files back to it."""
        commit = read_commit(self.folder)
        if commit is None:
            self._refuse_strangers()
            committed = Committed()
        else:
            self._check(commit["identity"])
            self._lengths |= commit["lengths"]  # of an output that is newer than the run: none
            committed = Committed.restored(commit["committed"])
            self._manifests = read_records(self.folder, "checkpoints")
        for name in FILES:
            self._open(name)
        return committed

    def clear(self) -> None:
        """Remove the run that is here, whatever it is of."""
        if read_commit(self.folder) is None:
            self._refuse_strangers()
        (self.folder / "commit.json").unlink(missing_ok=True)
        for name in FILES:
            (self.folder / f"{name}.jsonl").unlink(missing_ok=True)

    def write(self, outputs: Outputs) -> None:
        """Encode outputs; they stay in memory until they are committed."""
        if outputs.predictions:
            self._waiting["predictions"].append(predictions_as_lines(outputs.predictions))
        self._encode("metrics", outputs.metrics)
        self._encode("alarms", outputs.alarms)
        self._encode("models", outputs.models)
        self._encode("dead-letters", outputs.dead_letters)

    def discard(self) -> None:
        """Forget what was written since the last commit."""
        for waiting in self._waiting.values():
            waiting.clear()

    def commit(self, committed: Committed, manifest: Manifest | None) -> None:
        """Write and sync the outputs, then make them count by one rename."""
        if manifest is not None:
            self._encode("checkpoints", [manifest])
            self._manifests.append(manifest)
        for name in FILES:
            self._append(name)
            if name == "checkpoints" and manifest is not None:
                reach("manifest")
        write_atomically(
            self.folder / "commit.json",
            orjson.dumps(
                {
                    "identity": self._identity,
                    "store": self._store,
                    "lengths": self._lengths,
                    "committed": committed.state(),
                },
                option=orjson.OPT_INDENT_2,
            ),
        )
        reach("commit.done")

    def manifests(self) -> list[Manifest]:
        """Give the manifests of all committed checkpoints, oldest first."""
        return self._manifests

    def collected(self, kept: set[str]) -> None:
        """Do nothing: the announcements stay as the history of the run."""

    def close(self) -> None:
        """Close the files and let the folder go."""
        for file in self._files.values():
            file.close()
        self._lock.close()

    def _encode(self, name: str, records: Sequence[Any]) -> None:
        self._waiting[name] += [orjson.dumps(record) + b"\n" for record in records]

    def _append(self, name: str) -> None:
        data = b"".join(self._waiting[name])
        if not data:
            return
        self._waiting[name].clear()
        file = self._files[name]
        try:
            file.write(data)
            reach("write")
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self.folder}/{name}.jsonl: cannot be written: {error.strerror}; make room and "
                f"run the same command again, it goes on from its last commit"
            ) from error
        reach("flush")
        self._lengths[name] += len(data)

    def _open(self, name: str) -> None:
        path = self.folder / f"{name}.jsonl"
        file = path.open("ab")
        length = self._lengths[name]
        if file.tell() < length:
            raise OutputError(
                f"{path}: shorter than what was committed ({file.tell()} of {length} bytes): "
                f"something else changed it; start afresh with --fresh"
            )
        file.truncate(length)
        self._files[name] = file

    def _refuse_strangers(self) -> None:
        known = {*(f"{name}.jsonl" for name in FILES), "checkpoints", "checkpoints.key"}
        known |= {INPUT_FOLDER, "summary.json"}
        strangers = sorted(
            path.name
            for path in self.folder.iterdir()
            if path.name not in known and not path.name.startswith(".")
        )
        if strangers:
            raise OutputError(
                f"{self.folder}: holds files that are not of a run ({strangers[0]}, ...); "
                f"choose an empty folder for --out"
            )

    def _check(self, theirs: dict[str, Any]) -> None:
        for part, what in (("config", "another configuration"), ("source", "another source"),
                           ("labels", "other labels"), ("control", "other control records")):
            if theirs.get(part) != self._identity.get(part):
                raise OutputError(
                    f"{self.folder}: holds the run of {what}; choose another --out, or give "
                    f"--fresh to replace it"
                )


def predictions_as_lines(predictions: Sequence[Prediction]) -> bytes:
    r"""Write predictions as JSON, one a line.

    They are written as one list, which is cheaper, and that is cut between records: within a
    text a quote has a backslash before it, and no prediction holds a list of objects, so that
    ``},{"id":`` is only found there.

    Examples
    --------
    >>> predictions_as_lines([{"id": "a"}, {"id": "b"}])
    b'{"id":"a"}\n{"id":"b"}\n'
    """
    return orjson.dumps(predictions)[1:-1].replace(b'},{"id":', b'}\n{"id":') + b"\n"


def read_commit(folder: Path) -> dict[str, Any] | None:
    """Give the last commit of a folder, None when there is none."""
    path = folder / "commit.json"
    try:
        commit: dict[str, Any] = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError) as error:
        raise OutputError(f"{path}: cannot be read: {error}; start afresh with --fresh") from error
    return commit


def read_records(folder: Path, name: str) -> list[Any]:
    """Give the committed records of one output file."""
    commit = read_commit(folder)
    if commit is None or name not in commit["lengths"]:
        return []
    with (folder / f"{name}.jsonl").open("rb") as file:
        data = file.read(commit["lengths"][name])
    return [orjson.loads(line) for line in data.splitlines()]


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file so that it is there whole or not at all, and stays."""
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            reach("commit.write")
            file.flush()
            os.fsync(file.fileno())
        reach("commit.rename")
        temporary.rename(path)
        sync_folder(path.parent)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
