"""The MLflow model registry: a version for each model that a checkpoint holds, and two aliases."""

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from stream.app.export.outputs import Look
from stream.app.export.runs import Runs
from stream.app.export.server import Server, packed
from stream.app.export.shelf import Shelf
from stream.core.errors import CheckpointError
from stream.state.blob import Manifest

if TYPE_CHECKING:
    from stream.app.export.server import ModelVersion


class Versions:
    """The registered model of one partition."""

    def __init__(self, server: Server, look: Look, runs: Runs, shelf: Shelf) -> None:
        place, self._client = server.place, server.client
        self._look, self._runs, self._shelf = look, runs, shelf
        self._refresh = 0.0 if look.finished else place.refresh
        self.name = (place.model or look.name) + ("" if look.alone else f"-{look.number}")
        self._there: dict[str, ModelVersion] = {}
        for found in sorted(server.versions(self.name), key=lambda each: int(each.version)):
            if found.tags.get("driftline.run") == look.run:  # the newest of each is what counts
                self._there[found.tags["driftline.version"]] = found

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
            self._client.log_artifacts(run_id, packed(Path(folder), model, manifest, data), path)
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
