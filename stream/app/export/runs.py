"""Runs in MLflow: one for each model of a partition, below one for the partition."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from stream.app.export.cards import (
    Card,
    Point,
    cards_of,
    milliseconds,
    params_of,
    points_of_report,
)
from stream.app.export.outputs import Look, Outputs
from stream.app.export.server import MOST_TEXT, Server

if TYPE_CHECKING:
    from stream.app.export.server import Run

_EXPORTED = "driftline.exported"
_NOTHING = '{"reports": 0, "models": 0, "until": null}'
"""Tag of the parent run, how far the export has come in the outputs; and its first value."""


class Runs:
    """The runs of one partition: a parent with what was served, and one for each model."""

    def __init__(self, server: Server, look: Look) -> None:
        self._server, self._look = server, look
        self._experiment = server.experiment(server.place.experiment or look.name)
        mine = {"driftline.app": look.app, "driftline.run": look.run}
        found = server.runs(self._experiment, mine)
        self._of = {run.data.tags["driftline.model"]: run for run in found}
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
        done = orjson.loads(parent.data.tags.get(_EXPORTED, _NOTHING))
        while (portion := outputs.reports(done["reports"], self._look.end)).reports:
            done["until"] = self._report(portion.reports)
            done["reports"] = portion.end
            self._note(parent, done)
        self._until = done["until"]
        for card in self._cards.values():
            self._write(card, done["models"])
        done["models"] = self._look.records[-1]["seq"] if self._look.records else 0
        self._note(parent, done)
        self._settle(parent, "FINISHED" if self._look.finished else "RUNNING", None)

    def _note(self, parent: "Run", done: Mapping[str, int | None]) -> None:
        text, tags = orjson.dumps(done).decode(), parent.data.tags
        if tags.get(_EXPORTED) != text:
            self._server.client.set_tag(parent.info.run_id, _EXPORTED, text)
            tags[_EXPORTED] = text

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
        made = self._server.client.create_run(self._experiment, start, tags, run_name=name)
        self._of[model] = made
        return made

    def _begin_parent(self, outputs: Outputs) -> "Run":
        first = outputs.reports(0, self._look.end).reports[:1]
        start = milliseconds(first[0]["time"]) if first else None
        return self._begin(self._look.app, self._look.app, start, None)

    def _run_of(self, version: str, seen: int | None = None) -> "Run":
        """Find the run of a model, or begin it.

        Parameters
        ----------
        seen
            When it was there for certain; with the parent, when nobody knows.
        """
        model, parent = f"{self._look.app}/{version}", self._of[self._look.app]
        if model in self._of:
            return self._of[model]
        card = self._cards.get(version)
        start = seen if card is None or card.start is None else card.start
        return self._begin(model, version, start or parent.info.start_time, parent)

    def _write(self, card: Card, done: int) -> None:
        """Write what differs of tags and parameters, and the points of records that are new."""
        run = self._run_of(card.version)
        self._send(run, [point for point in card.points if point.step > done])
        tags = {f"driftline.{name}": value[:MOST_TEXT] for name, value in card.tags.items()}
        known, params = run.data.tags, run.data.params
        new = {name: value for name, value in tags.items() if known.get(name) != value}
        unset = {name: v[:MOST_TEXT] for name, v in self._params.items() if name not in params}
        self._server.send_facts(run.info.run_id, unset, new)
        self._settle(run, card.status, card.end)

    def _settle(self, run: "Run", status: str, end: int | None) -> None:
        if run.info.status == status:
            return
        if status == "RUNNING":
            self._server.client.update_run(run.info.run_id, status=status)
        else:
            self._server.client.set_terminated(run.info.run_id, status, end or self._until)

    def _report(self, reports: Sequence[Mapping[str, Any]]) -> int:
        """Give each report to the model that was the champion, and all of them to the parent.

        Returns
        -------
        int
            The time of the last one.
        """
        of: dict[str, list[Point]] = {}
        everything: list[Point] = []
        for report in reports:
            points = list(points_of_report(report))
            of.setdefault(report["model"], []).extend(points)
            everything += points
        for version, points in of.items():
            self._send(self._run_of(version, points[0].time if points else None), points)
        self._send(self._of[self._look.app], everything)
        return milliseconds(reports[-1]["time"])

    def _send(self, run: "Run", points: Iterable[Point]) -> None:
        self._server.send_points(run.info.run_id, points)
