"""The trained estimator out of a checkpoint store, for use anywhere."""

from typing import Any

from stream.app.config import parse_config
from stream.app.engine import allowed_of
from stream.core.errors import CheckpointError
from stream.state.blob import revive
from stream.state.keys import find_key
from stream.state.store import CheckpointStore


def load_model(store_url: str, *, checkpoint: str | None = None, partition: int = 0) -> Any:
    r"""Load the plain River (or scikit-learn) estimator of a checkpoint.

    Parameters
    ----------
    store_url
        The checkpoint store of a run: ``OUT/checkpoints``, or any fsspec URL.
    checkpoint
        The id of a checkpoint, or its first digits; the newest when None.
    partition
        Of which partition.

    Returns
    -------
    River or scikit-learn estimator
        The estimator, ready for ``predict_one`` and ``learn_one``.

    Raises
    ------
    CheckpointError
        There is none, or it is damaged, signed with another key or from another River.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from stream import load_model, replay_files
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "data.csv").write_text("delay,late\n" + "3,0\n40,1\n" * 300)
    >>> config = {"task": "binary", "input": {"label": "late"}}
    >>> summary = replay_files(config, folder / "data.csv", folder / "out")
    >>> model = load_model(f"{folder}/out/checkpoints")
    >>> model.predict_one({"delay": 40.0})
    True
    """
    store = CheckpointStore(str(store_url), partition, find_key(str(store_url), create=False))
    headers = {blob: store.header(blob) for blob in store.blobs()}
    chosen = [
        blob
        for blob, header in headers.items()
        if checkpoint is None or header["checkpoint"].startswith(checkpoint.lower())
    ]
    if not chosen:
        what = "no checkpoint" if checkpoint is None else f"no checkpoint that begins {checkpoint}"
        raise CheckpointError(f"{what} in {store_url}, partition {partition}")
    newest = max(chosen, key=lambda blob: sum(headers[blob]["position"].values()))
    loaded = store.load(newest)
    config = parse_config(loaded.header["config"], "the checkpoint's configuration")
    return revive(loaded, allowed_of(config)).estimator
