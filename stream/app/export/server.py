"""The MLflow server as the export uses it. The only file that imports MLflow."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from stream.app.export import loaded
from stream.app.export.cards import Point
from stream.core.errors import ConfigError, DriftlineError
from stream.state.blob import Manifest

if TYPE_CHECKING:
    from mlflow.entities import Run as Run
    from mlflow.entities.model_registry import ModelVersion as ModelVersion

_MOST_METRICS = 1000
_MOST_FACTS = 50
MOST_TEXT = 5000
"""What a server takes: numbers and facts in a request, characters of a tag or a parameter."""

_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nobody hears of it but the server that was named
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # its own seven take minutes to say that nobody answers
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
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


class Server:
    """A client of one server, which is the model registry as well.

    Raises
    ------
    ConfigError
        MLflow is not installed.
    """

    def __init__(self, place: Place) -> None:
        for name, value in _DEFAULTS.items():
            os.environ.setdefault(name, value)
        try:
            import mlflow.pyfunc
        except ImportError as error:
            raise ConfigError(
                f'MLflow is not installed ({error}): pip install "driftline[mlflow]"'
            ) from error
        self.place = place
        self._new = mlflow.MlflowClient
        self._client: Any = None

    @property
    def client(self) -> Any:
        """The client; made when it is needed, since a database is opened with it."""
        if self._client is None:
            self._client = self._new(self.place.uri, self.place.uri)
        return self._client

    def experiment(self, name: str) -> str:
        """Find an experiment, or make it; gives its id."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            known: str = found.experiment_id
            return known
        made: str = self.client.create_experiment(name, artifact_location=self.place.artifacts)
        return made

    def runs(self, experiment: str, tags: Mapping[str, str]) -> Iterator["Run"]:
        """Find the runs with these tags."""
        query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in tags.items())
        token = None
        while True:
            page = self.client.search_runs([experiment], query, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def versions(self, name: str) -> Iterator["ModelVersion"]:
        """Find the versions of a registered model; none when there is no such model."""
        token = None
        while True:
            page = self.client.search_model_versions(f"name = '{name}'", page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def send_points(self, run_id: str, points: Iterable[Point]) -> None:
        """Write numbers to a run."""
        from mlflow.entities import Metric

        metrics = (Metric(p.key, p.value, p.time, p.step) for p in points)
        while batch := list(islice(metrics, _MOST_METRICS)):
            self.client.log_batch(run_id, metrics=batch)

    def send_facts(self, run_id: str, params: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Write parameters and tags to a run, as many as the server takes at once."""
        from mlflow.entities import Param, RunTag

        unsent = [Param(name, value) for name, value in params.items()]
        noted = [RunTag(name, value) for name, value in tags.items()]
        while unsent or noted:
            now, unsent = unsent[:_MOST_FACTS], unsent[_MOST_FACTS:]
            these, noted = noted[:_MOST_FACTS], noted[_MOST_FACTS:]
            self.client.log_batch(run_id, params=now, tags=these)


def packed(folder: Path, model: str, manifest: Manifest, data: bytes) -> str:
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
    return str(folder / "model")


@contextmanager
def answering(uri: str) -> Iterator[None]:
    """Tell trouble of the server as one error, and whether it may pass."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except MlflowException as error:
        status = error.get_http_status_code()
        said = _short(error)
        if status >= 500 or status == 429:
            raise RegistryUnavailableError(_trouble(uri, said)) from error
        raise RegistryError(f"MLflow at {uri} refused: {said}") from error
    except (OSError, SQLAlchemyError) as error:
        raise RegistryUnavailableError(_trouble(uri, _short(error))) from error


def _short(error: Exception) -> str:
    """Give the first line of what went wrong, without the exceptions inside it."""
    line = str(error).strip().splitlines()[0]
    before, inside, _ = line.partition(" with exception ")
    return before if inside else line[:300]


def _trouble(uri: str, said: str) -> str:
    return (
        f"MLflow at {uri} does not answer, or is in trouble: {said}; nothing is lost: run the same "
        f"command again once it is there, or give --follow, which waits for it"
    )
