"""The export of one partition to MLflow.

What is there already is looked up by tags, and only what differs is written: an export that was
cut off is gone on with, and one that is done again changes nothing.
"""

from typing import NamedTuple

from stream.app.export.outputs import Outputs
from stream.app.export.runs import Runs
from stream.app.export.server import Place, Server, answering
from stream.app.export.shelf import Shelf
from stream.app.export.versions import Versions


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
        self._server = Server(place)
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
        with answering(self._server.place.uri):
            runs = Runs(self._server, look)
            runs.bring_up(outputs)
            models = Versions(self._server, look, runs, self._shelf)
            count = models.register()
            champion = models.name_roles()
        return Told(look.app, models.name, len(runs), count, champion, look.finished)

    def said(self) -> list[str]:
        """Give what is wrong with checkpoints that were passed over, once."""
        said, self._shelf.damaged = self._shelf.damaged, []
        return said
