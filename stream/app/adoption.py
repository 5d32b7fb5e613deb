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
    """Find the estimator that a control record names, or say why it cannot be had."""
    wanted = read_control(record)
    if isinstance(wanted, Fault):
        return wanted
    if not isinstance(wanted, Rollback):
        name = type(wanted).__name__.lower()
        return Fault("bad_control", f"{name}: there are no challengers here")
    prefix = wanted.checkpoint.lower()
    found = [m for m in manifests() if m["checkpoint"].startswith(prefix)]
    if len({manifest["checkpoint"] for manifest in found}) != 1:
        return Fault("unknown_checkpoint", f"{len(found)} checkpoints that are kept begin {prefix}")
    try:
        return revive(store.load(found[-1]["blob"]), allowed()).estimator
    except CheckpointError as error:
        return Fault("unknown_checkpoint", str(error))
