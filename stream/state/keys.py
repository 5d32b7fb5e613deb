"""The key that checkpoints are signed with."""

import os
import secrets
import stat
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from stream.core.errors import CheckpointError

ENVIRONMENT = "DRIFTLINE_CHECKPOINT_KEY"


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key.

    Attributes
    ----------
    secret
        The key itself; never printed.
    origin
        Where it came from, in words for a person.
    """

    secret: bytes
    origin: str

    def __repr__(self) -> str:
        return f"Key({self.name}, from {self.origin})"

    @property
    def name(self) -> str:
        """Eight hex digits that tell keys apart and give nothing away."""
        return sha256(b"driftline key name\n" + self.secret).hexdigest()[:8]


def find_key(store_url: str, *, create: bool) -> Key:
    """Find the key for a store: from the environment, else the file beside the store.

    Parameters
    ----------
    store_url
        Path or URL of the checkpoint store.
    create
        Whether to make a key file when there is none.

    Raises
    ------
    CheckpointError
        There is no key, or its file is open to others.
    """
    secret = os.environ.get(ENVIRONMENT)
    if secret:
        return Key(secret.encode(), f"the environment ({ENVIRONMENT})")
    path = key_file(store_url)
    if path is None:
        raise CheckpointError(
            f"{store_url}: a store that is not a local folder needs its key in {ENVIRONMENT}; "
            f"set it to a long random text"
        )
    if not path.exists():
        if not create:
            raise CheckpointError(
                f"no key for {store_url}: neither {ENVIRONMENT} is set nor is there a {path}; "
                f"set {ENVIRONMENT} to the key these checkpoints were signed with"
            )
        _make(path)
    return _read(path)


def key_file(store_url: str) -> Path | None:
    """Where the key of a local store lies: beside it, as ``STORE.key``."""
    if "://" in store_url and not store_url.startswith("file://"):
        return None
    folder = Path(store_url.removeprefix("file://"))
    return folder.with_name(folder.name + ".key")


def _make(path: Path) -> None:
    """Make the file, whole from the first moment, unless another process does at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    secret = secrets.token_hex(32)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(temporary)
    except OSError:
        if not path.exists():  # else somebody was quicker; here the store has no links
            temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> Key:
    status = path.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise CheckpointError(
            f"{path}: others can read or replace this key, so nothing signed with it is "
            f"trusted; chmod 600 it if you are sure of it, or set {ENVIRONMENT}"
        )
    secret = path.read_text().strip()
    if not secret:
        raise CheckpointError(f"{path}: the key file is empty; remove it and start afresh")
    return Key(secret.encode(), f"the file {path}")
