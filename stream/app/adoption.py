"""The estimator that a control record names, out of the checkpoints and models that are kept."""

from collections.abc import Callable, Sequence

import orjson

from stream.core.control import Adopt, Rollback, read_control
from stream.core.errors import CheckpointError, CheckpointMissingError
from stream.core.orders import Fitted
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
    """Read what a control record asks for; where it names an estimator, find that."""
    wanted = read_control(record)
    if isinstance(wanted, Adopt):
        return _fitted(store, allowed, wanted)
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


def _fitted(
    store: CheckpointStore, allowed: Callable[[], AllowList], wanted: Adopt
) -> Fitted:
    if wanted.failure:
        return Fitted(wanted.order, failure=wanted.failure, seconds=wanted.seconds)
    try:
        blob = store.load_model(wanted.model)
    except CheckpointMissingError:  # anything else may pass: it ends the service, which comes back
        return Fitted(wanted.order, failure="it is not in the store", seconds=wanted.seconds)
    about = orjson.loads(blob.sections["plain"])
    estimator = revive(blob, allowed()).estimator
    return Fitted(wanted.order, estimator, **about, seconds=wanted.seconds)
