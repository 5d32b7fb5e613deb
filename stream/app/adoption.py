"""The estimator that a control record names, out of the checkpoints that are kept."""

from collections.abc import Callable, Sequence

from stream.core.control import Rollback, read_control
from stream.core.errors import CheckpointError
from stream.core.records import Fault, Record
from stream.state.blob import Manifest, revive
from stream.state.pickling import AllowList
from stream.state.store import CheckpointStore


def adopted(
    store: CheckpointStore,
    allowed: Callable[[], AllowList],
    manifests: Callable[[], Sequence[Manifest]],
    record: Record,
) -> object | Fault:
    """Read what a control record asks for; where it names a checkpoint, find the estimator."""
    wanted = read_control(record)
    if not isinstance(wanted, Rollback):
        return wanted
    prefix = wanted.checkpoint.lower()
    found = [m for m in manifests() if m["checkpoint"].startswith(prefix)]
    if len({manifest["checkpoint"] for manifest in found}) != 1:
        return Fault("unknown_checkpoint", f"{len(found)} checkpoints that are kept begin {prefix}")
    try:
        return revive(store.load(found[-1]["blob"]), allowed()).estimator
    except CheckpointError as error:
        return Fault("unknown_checkpoint", str(error))
