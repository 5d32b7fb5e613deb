"""A model out of the registry: what ``mlflow.pyfunc.load_model`` makes of a signed checkpoint.

No pickle of MLflow's is involved: its artefact is the checkpoint as the store had it, read as
`stream.load_model` reads one, so that its signature and the list of allowed names hold. The
key never leaves its place; whoever loads a model has to have it.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import orjson

from learners.build import wrap
from stream.app.config import parse_config
from stream.app.engine import allowed_of
from stream.app.export.shelf import places_in
from stream.core.contract import Contract
from stream.core.errors import CheckpointError
from stream.core.records import Fault, Row
from stream.state.blob import check_versions, revive, unpack
from stream.state.keys import ENVIRONMENT, Key

CHECKPOINT = "checkpoint"
VERSION = "version"


class Loaded:
    """One model: holds a row to the contract and predicts, as the stream did.

    Parameters
    ----------
    data
        A checkpoint.
    version
        Which of the models in it.

    Raises
    ------
    CheckpointError
        It is damaged, signed with another key or from another River; or has no such model.
    """

    def __init__(self, data: bytes, version: str, key: Key) -> None:
        blob = unpack(data, key, f"the checkpoint of {version}")
        check_versions(blob.header, f"the checkpoint of {version}")
        places = places_in(blob)
        if version not in places:
            raise CheckpointError(f"the checkpoint holds {', '.join(places)}, and no {version}")
        config = parse_config(blob.header["config"], "the checkpoint's configuration")
        objects, place = revive(blob, allowed_of(config)), places[version]
        self.estimator: Any = objects.estimator if place is None else objects.others[place]
        self._learner = wrap(self.estimator, config.task, config.learner.classes)
        settings = config.settings()
        named = (settings.id_field, settings.time_field, settings.label_field)
        ignore = (*settings.ignore, *filter(None, named))
        self._contract = Contract(replace(
            settings, id_field=None, time_field=None, label_field=None, ignore=ignore, reference=0,
        ))  # fmt: skip
        self._contract.restore(orjson.loads(blob.sections["plain"])["contract"])

    def get_raw_model(self) -> Any:
        """Give the estimator itself."""
        return self.estimator

    def predict(self, data: Any, params: Mapping[str, Any] | None = None) -> list[Any]:
        """Predict for rows, without learning from them.

        Parameters
        ----------
        data
            A pandas DataFrame, or rows as mappings; id, time and label may be there or not.
        params
            ``{"detail": True}`` for the probability and the reason of a refusal as well.

        Returns
        -------
        list
            A prediction for each row; None where the model has none, or the contract refuses
            the row. With `detail` a mapping each: `prediction`, `probability`, `refused`.
        """
        details = [self._answer(number, row) for number, row in enumerate(_rows(data))]
        detailed = bool(params and params.get("detail"))
        return details if detailed else [each["prediction"] for each in details]

    def _answer(self, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
        fields = {name: _plain(value) for name, value in row.items()}
        event = self._contract.event(number, Row(fields, b""))
        if isinstance(event, Fault):
            refused = f"{event.reason}: {event.detail}"
            return {"prediction": None, "probability": None, "refused": refused}
        prediction, probability = self._learner.predict(event.features)
        return {"prediction": prediction, "probability": probability, "refused": None}


def _rows(data: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(data, Mapping):
        return [data]
    if hasattr(data, "columns"):
        data = data.to_dict("records")
    rows: Iterable[Mapping[str, Any]] = data
    return rows


def _plain(value: Any) -> Any:
    """Give a value as JSON has it: numpy's scalars as Python's, not a number as missing."""
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and isnan(value) else value


def _load_pyfunc(path: str) -> Loaded:
    """Load what the exporter has registered; called by MLflow by this name.

    Raises
    ------
    CheckpointError
        There is no key in the environment, or the checkpoint cannot be used.
    """
    secret = os.environ.get(ENVIRONMENT)
    if not secret:
        raise CheckpointError(
            f"a model of driftline is a signed checkpoint: set {ENVIRONMENT} to the key that it "
            f"was signed with; of a store that is a folder: {ENVIRONMENT}=$(cat FOLDER.key)"
        )
    key = Key(secret.encode(), f"the environment ({ENVIRONMENT})")
    folder = Path(path)
    version = (folder / VERSION).read_text()
    return Loaded((folder / CHECKPOINT).read_bytes(), version, key)
