"""The same work with Quix Streams, as its documentation would have it; run by benchmarks/kafka.py.

It runs in an environment of its own, since Quix pins another version of the Kafka client.

``python quix_app.py BROKER EVENTS OUTPUT GROUP GUARANTEE LEARNER COMMIT_SECONDS``
"""

import sys
from typing import Any

from quixstreams import Application
from river import drift, linear_model, metrics, preprocessing, tree


class Model:
    """Predict, score, detect, learn: the bare loop, for one event at a time."""

    def __init__(self, learner: str) -> None:
        self._model: Any = (
            tree.HoeffdingTreeClassifier()
            if learner == "Hoeffding tree"
            else preprocessing.StandardScaler() | linear_model.LogisticRegression()
        )
        self._accuracy = metrics.Accuracy()
        self._adwin, self._hinkley = drift.ADWIN(), drift.PageHinkley()
        self.alarms = 0

    def __call__(self, event: dict[str, Any]) -> dict[str, Any]:
        """Give the record of the prediction."""
        identity, at, y = event.pop("id"), event.pop("at"), bool(event.pop("y"))
        answer = self._model.predict_one(event)
        if answer is not None:
            self._accuracy.update(y, answer)
            error = int(answer != y)
            self._adwin.update(error)
            self._hinkley.update(error)
            self.alarms += self._adwin.drift_detected or self._hinkley.drift_detected
        self._model.learn_one(event, y)
        return {"id": identity, "time": at, "prediction": answer}


def main() -> None:
    """Run until killed."""
    broker, events, output, group, guarantee, learner, seconds = sys.argv[1:]
    app = Application(
        broker, consumer_group=group, auto_offset_reset="earliest",
        commit_interval=float(seconds), processing_guarantee=guarantee,  # type: ignore[arg-type]
        loglevel="WARNING",
    )  # fmt: skip
    frame = app.dataframe(app.topic(events, value_deserializer="json"))
    frame.apply(Model(learner)).to_topic(app.topic(output, value_serializer="json"))
    app.run()


if __name__ == "__main__":
    main()
