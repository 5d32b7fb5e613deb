"""Which models lie in which checkpoints: the champion, and those in its shadow."""

from typing import Any

import orjson

from stream.app.export.outputs import Look
from stream.core.errors import CheckpointError
from stream.state.blob import Blob, Manifest


class Shelf:
    """Remembers what it has found in checkpoints, which never change."""

    def __init__(self) -> None:
        self._inside: dict[str, dict[str, int | None]] = {}
        self.damaged: list[str] = []

    def newest(self, look: Look) -> dict[str, Manifest]:
        """Give for each model the newest checkpoint that is kept and holds it.

        One that was collected meanwhile, or is damaged, is passed over.
        """
        here = set(look.store.blobs())
        found: dict[str, Manifest] = {}
        for manifest in look.manifests:
            if manifest["blob"] in here:
                found |= dict.fromkeys(self._models(look, manifest), manifest)
        return found

    def _models(self, look: Look, manifest: Manifest) -> list[str]:
        blob = manifest["blob"]
        if blob not in self._inside:
            try:
                self._inside[blob] = places_in(look.store.load(blob, any_version=True))
            except CheckpointError as error:
                self._inside[blob] = {}
                self.damaged.append(str(error))
        return list(self._inside[blob])


def places_in(blob: Blob) -> dict[str, int | None]:
    """Give the models of a checkpoint: None for the champion, for others their place."""
    plain: dict[str, Any] = orjson.loads(blob.sections["plain"])
    rivals = plain["training"]["rivals"]
    others = {f"v{rival['version']}": place for place, rival in enumerate(rivals)}
    return {f"v{plain['champion']}": None, **others}
