"""MLflow: a run for each model, a model version for each that a checkpoint holds.

The only file that imports MLflow. What is there already is looked up by tags, and only what
differs is written: an export that was cut off is gone on with, and one that is done again
changes nothing.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import orjson

from stream.app.export import loaded
from stream.app.export.cards import Card, Point, cards_of, milliseconds, params_of
from stream.app.export.cards import points_of_report as points_of
from stream.app.export.outputs import Look, Outputs
from stream.app.export.shelf import Shelf
from stream.core.errors import CheckpointError, ConfigError, DriftlineError
from stream.state.blob import Manifest

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

_EXPORTED = "driftline.exported"
"""Tag of the parent run: how far the export has come in the outputs."""

_MOST_METRICS = 1000
_MOST_TAG = 5000
"""What the server takes: metrics in a request, characters of a tag or a parameter."""

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nobody hears of it but the server that was named
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own seven take minutes to say that nobody answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


class RegistryError(DriftlineError):
    """The MLflow server refused something for good: no permission, a name that cannot be."""


class RegistryUnavailableError(RegistryError):
    """The MLflow server does not answer, or is in trouble."""

    retriable: ClassVar[bool] = True


class Place(NamedTuple):
    """Where an export goes.

    Attributes
    ----------
    uri
        Of the tracking server, which is the model registry as well.
    experiment
        The application's name when None.
    model
        Name of the registered model; the application's when None. With several partitions each
        is a model of its own, and has its number behind it.
    artifacts
        Where a new experiment keeps its files; None for where the server says.
    refresh
        Seconds until a model that goes on learning is registered again, from a newer checkpoint.
    """

    uri: str
    experiment: str | None = None
    model: str | None = None
    artifacts: str | None = None
    refresh: float = 0.0


class Told(NamedTuple):
    """What an export has done, and how it left the registry."""

    app: str
    model: str
    runs: int
    registered: int
    champion: str | None
    finished: bool


class Registry:
    """Exports to one MLflow server.

    Raises
    ------
    ConfigError
        MLflow is not installed.
    """

    def __init__(self, place: Place) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow.pyfunc  # noqa: F401  # to find out now, not half way through
        except ImportError as error:
            raise ConfigError(
                f'MLflow is not installed ({error}): pip install "driftline[mlflow]"'
            ) from error
        self._place = place
        self._shelf = Shelf()

    def export(self, outputs: Outputs) -> Told | None:
        """Bring the server up to what is committed; None when there is no checkpoint yet.

        Raises
        ------
        RegistryUnavailableError
            The server does not answer; what it has taken so far is not sent again.
        RegistryError
            It refuses something for good.
        """
        look = outputs.look()
        if look is None:
            return None
        with _answering(self._place.uri):
            runs = _Runs(self._place, look)
            runs.bring_up(outputs)
            models = _Models(self._place, look, runs, self._shelf)
            count = models.register()
            champion = models.name_roles()
        return Told(look.app, models.name, len(runs), count, champion, look.finished)

    def said(self) -> list[str]:
        """Give what is wrong with checkpoints that were passed over, once."""
        said, self._shelf.damaged = self._shelf.damaged, []
        return said


class _Runs:
    """The runs of one partition: a parent with what was served, and one for each model."""

    def __init__(self, place: Place, look: Look) -> None:
        self.client = _client(place.uri)
        self._look = look
        self._experiment = self._find_experiment(place)
        found = {run.data.tags["driftline.model"]: run for run in self._search()}
        self._of: dict[str, Run] = found
        self._params = params_of(look)
        self._cards = {card.version: card for card in cards_of(look)}
        self._until: int | None = None

    def __len__(self) -> int:
        return len(self._of) - 1

    def id_of(self, version: str) -> str:
        """Give the id of the run of a model."""
        run_id: str = self._of[f"{self._look.app}/{version}"].info.run_id
        return run_id

    def bring_up(self, outputs: Outputs) -> None:
        """Write what is new; how far it has come is noted last."""
        parent = self._of.get(self._look.app) or self._begin_parent(outputs)
        done = orjson.loads(parent.data.tags.get(_EXPORTED, '{"reports": 0, "models": 0}'))
        while (portion := outputs.reports(done["reports"])).reports:
            self._report(portion.reports)
            done["reports"] = portion.end
            self._note(parent, done)
        for card in self._cards.values():
            self._write(card, done["models"])
        done["models"] = self._look.records[-1]["seq"] if self._look.records else 0
        self._note(parent, done)
        self._settle(parent, "FINISHED" if self._look.finished else "RUNNING", None)

    def _note(self, parent: "Run", done: Mapping[str, int]) -> None:
        text, tags = orjson.dumps(done).decode(), parent.data.tags
        if tags.get(_EXPORTED) != text:
            self.client.set_tag(parent.info.run_id, _EXPORTED, text)
            tags[_EXPORTED] = text

    def _find_experiment(self, place: Place) -> str:
        name = place.experiment or self._look.name
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            known: str = found.experiment_id
            return known
        made: str = self.client.create_experiment(name, artifact_location=place.artifacts)
        return made

    def _search(self) -> Iterator["Run"]:
        query = (
            f"tags.`driftline.app` = '{self._look.app}' and "
            f"tags.`driftline.run` = '{self._look.run}'"
        )
        token = None
        while True:
            page = self.client.search_runs([self._experiment], query, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def _begin(self, model: str, name: str, start: int | None, parent: "Run | None") -> "Run":
        tags = {
            "driftline.model": model,
            "driftline.app": self._look.app,
            "driftline.run": self._look.run,
            "driftline.name": self._look.name,
            "driftline.partition": str(self._look.number),
        }
        if parent is not None:
            tags |= {"mlflow.parentRunId": parent.info.run_id, "driftline.version": name}
        made = self.client.create_run(self._experiment, start, tags, run_name=name)
        self._of[model] = made
        return made

    def _begin_parent(self, outputs: Outputs) -> "Run":
        first = outputs.reports(0).reports[:1]
        start = milliseconds(first[0]["time"]) if first else None
        return self._begin(self._look.app, self._look.app, start, None)

    def _run_of(self, version: str) -> "Run":
        """Find the run of a model, or begin it: with the parent, when nobody knows better."""
        model, parent = f"{self._look.app}/{version}", self._of[self._look.app]
        if model in self._of:
            return self._of[model]
        card = self._cards.get(version)
        start = card.start if card and card.start is not None else parent.info.start_time
        return self._begin(model, version, start, parent)

    def _write(self, card: Card, done: int) -> None:
        """Write what differs of tags and parameters, and the points of records that are new."""
        run = self._run_of(card.version)
        self._send(run, [point for point in card.points if point.step > done])
        tags = {f"driftline.{name}": value[:_MOST_TAG] for name, value in card.tags.items()}
        known, params = run.data.tags, run.data.params
        new = {name: value for name, value in tags.items() if known.get(name) != value}
        unset = {name: v[:_MOST_TAG] for name, v in self._params.items() if name not in params}
        if new or unset:
            from mlflow.entities import Param, RunTag

            self.client.log_batch(
                run.info.run_id,
                params=[Param(name, value) for name, value in unset.items()],
                tags=[RunTag(name, value) for name, value in new.items()],
            )
        self._settle(run, card.status, card.end)

    def _settle(self, run: "Run", status: str, end: int | None) -> None:
        if run.info.status == status:
            return
        if status == "RUNNING":
            self.client.update_run(run.info.run_id, status=status)
        else:
            self.client.set_terminated(run.info.run_id, status, end or self._until)

    def _report(self, reports: Iterable[Mapping[str, Any]]) -> None:
        """Give each report to the model that was the champion, and all of them to the parent."""
        of: dict[str, list[Point]] = {}
        everything: list[Point] = []
        for report in reports:
            points = list(points_of(report))
            of.setdefault(report["model"], []).extend(points)
            everything += points
        for version, points in of.items():
            self._send(self._run_of(version), points)
        self._send(self._of[self._look.app], everything)
        self._until = everything[-1].time if everything else self._until

    def _send(self, run: "Run", points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        metrics = (Metric(p.key, p.value, p.time, p.step) for p in points)
        while batch := list(islice(metrics, _MOST_METRICS)):
            self.client.log_batch(run.info.run_id, metrics=batch)


class _Models:
    """The registered model of one partition."""

    def __init__(self, place: Place, look: Look, runs: _Runs, shelf: Shelf) -> None:
        self._client = runs.client
        self._look, self._runs, self._shelf = look, runs, shelf
        self._refresh = 0.0 if look.finished else place.refresh
        self.name = (place.model or look.name) + ("" if look.alone else f"-{look.number}")
        self._there = self._known()

    def _known(self) -> dict[str, "ModelVersion"]:
        """Give the newest model version of each model of ours."""
        known: dict[str, ModelVersion] = {}
        query, token = f"name = '{self.name}'", None
        while True:
            page = self._client.search_model_versions(query, page_token=token)
            for found in page:
                ours = found.tags.get("driftline.run") == self._look.run
                key = found.tags.get("driftline.version", "")
                if ours and (key not in known or int(known[key].version) < int(found.version)):
                    known[key] = found
            token = page.token
            if not token:
                return known

    def register(self) -> int:
        """Register what a newer checkpoint holds; gives how many model versions are new."""
        newest = self._shelf.newest(self._look)
        due = [life.version for life in self._look.lives if self._is_due(life.version, newest)]
        for model in due:
            try:
                data = self._look.store.raw(newest[model]["blob"])
            except CheckpointError:  # collected this moment: a newer one is there next time
                continue
            self._there[model] = self._add(model, newest[model], data)
        return len(due)

    def _is_due(self, model: str, newest: Mapping[str, Manifest]) -> bool:
        if model not in newest:
            return False
        there = self._there.get(model)
        if there is None:
            return True
        if there.tags.get("driftline.checkpoint") == newest[model]["checkpoint"]:
            return False
        return bool(time.time() - there.creation_timestamp / 1000 >= self._refresh)

    def _add(self, model: str, manifest: Manifest, data: bytes) -> "ModelVersion":
        if not self._client.search_registered_models(f"name = '{self.name}'"):
            self._client.create_registered_model(
                self.name, description=f"The models of driftline's {self._look.app}"
            )
        run_id = self._runs.id_of(model)
        # Always the same place for the same model: one that was cut off is written over.
        path = f"model-{manifest['checkpoint'][:12]}"
        with tempfile.TemporaryDirectory() as folder:
            packed = _packed(Path(folder), model, manifest, data)
            self._client.log_artifacts(run_id, str(packed), path)
        return self._client.create_model_version(
            self.name,
            source=f"{self._client.get_run(run_id).info.artifact_uri}/{path}",
            run_id=run_id,
            tags={
                "driftline.run": self._look.run,
                "driftline.app": self._look.app,
                "driftline.version": model,
                "driftline.checkpoint": manifest["checkpoint"],
                "driftline.position": orjson.dumps(manifest["position"]).decode(),
            },
            description=f"{model} of {self._look.app}, {manifest['reason']} checkpoint",
        )

    def name_roles(self) -> str | None:
        """Have the aliases name champion and challenger; gives the champion's model.

        A model that no checkpoint holds yet gets its alias once there is one; until then
        ``champion`` stays where it was, and ``challenger`` is nobody.
        """
        if not self._there:
            return None
        lives, there = self._look.lives, self._there
        aliases: dict[str, str] = self._client.get_registered_model(self.name).aliases
        champion = there.get(lives.champion or "")
        challengers = [there[life.version] for life in lives.challengers if life.version in there]
        if champion is not None:
            self._name("champion", champion, aliases)
        if challengers:
            self._name("challenger", challengers[-1], aliases)
        elif "challenger" in aliases:
            self._client.delete_registered_model_alias(self.name, "challenger")
        return None if champion is None else champion.tags["driftline.version"]

    def _name(self, role: str, model: "ModelVersion", aliases: Mapping[str, str]) -> None:
        if str(aliases.get(role)) != str(model.version):
            self._client.set_registered_model_alias(self.name, role, str(model.version))


def _packed(folder: Path, model: str, manifest: Manifest, data: bytes) -> Path:
    """Write a checkpoint as a model that MLflow can load, without a pickle of its own."""
    from mlflow.models import ModelSignature
    from mlflow.pyfunc import save_model
    from mlflow.types import ParamSchema, ParamSpec

    inside = folder / "data"
    inside.mkdir()
    (inside / loaded.CHECKPOINT).write_bytes(data)
    (inside / loaded.VERSION).write_text(model)
    detail = ParamSpec("detail", "boolean", False)
    needed = [f"{name}=={manifest['versions'][name]}" for name in ("river", "numpy")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that there is no example: events are data
        save_model(
            folder / "model",
            loader_module=loaded.__name__,
            data_path=str(inside),
            pip_requirements=needed,
            signature=ModelSignature(params=ParamSchema([detail])),
            metadata={"driftline": {"model": model, "checkpoint": manifest["checkpoint"]}},
        )
    return folder / "model"


def _client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


@contextmanager
def _answering(uri: str) -> Iterator[None]:
    """Tell trouble of the server as one error, and whether it may pass."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        status = error.get_http_status_code()
        said = str(error).strip().splitlines()[0][:300]
        if status >= 500 or status == 429:
            raise RegistryUnavailableError(_trouble(uri, said)) from error
        raise RegistryError(f"MLflow at {uri} refused: {said}") from error
    except (OSError, SQLAlchemyError) as error:
        said = str(error).strip().splitlines()[0][:300]
        raise RegistryUnavailableError(_trouble(uri, said)) from error


def _trouble(uri: str, said: str) -> str:
    return (
        f"MLflow at {uri} does not answer, or is in trouble: {said}; nothing is lost: run the same "
        f"command again once it is there, or give --follow, which waits for it"
    )
