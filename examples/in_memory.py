"""Three learners on one history: which would have served best, with drift and late labels.

The same history is folded once for each learner: an order is predicted when it is placed, and its
label comes two days later. After half of them the customers change their ways.
"""

import random
from datetime import UTC, datetime, timedelta

from stream import replay

ORDERS = 6000
START = datetime(2025, 1, 1, tzinfo=UTC)
LEARNERS = {
    "Hoeffding tree": {"class": "river.tree.HoeffdingTreeClassifier"},
    "naive Bayes": {"class": "river.naive_bayes.GaussianNB"},
    "logistic regression": {
        "steps": [
            {"class": "river.preprocessing.FeatureHasher", "params": {"n_features": 64, "seed": 1}},
            {"class": "river.preprocessing.StandardScaler"},
            {"class": "river.linear_model.LogisticRegression"},
        ]
    },
}


def history():
    """Give the orders, and apart from them whether each was sent back, two days later."""
    draw = random.Random(7)
    orders, outcomes = [], []
    for number in range(ORDERS):
        placed = START + timedelta(minutes=5 * number)
        price, express = draw.uniform(5, 200), draw.random() < 0.3
        dear = price > 120
        returned = (dear if number < ORDERS / 2 else not dear) != (draw.random() < 0.1)
        order = {"id": f"o{number}", "time": placed.isoformat(), "price": price, "express": express}
        known = placed + timedelta(days=2)
        outcome = {"id": f"o{number}", "returned": returned, "time": known.isoformat()}
        orders.append(order)
        outcomes.append(outcome)
    return orders, outcomes


def main():
    """Fold the history for each learner and print the scores of what would have been served."""
    orders, outcomes = history()
    for name, learner in LEARNERS.items():
        config = {
            "task": "binary",
            "input": {"id": "id", "time": "time", "label": "returned"},
            "learner": learner,
            "scoring": {"every": 500, "window": 500},
            "response": {"concept": "reset"},  # start over when the error rises
        }
        run = replay(config, orders, outcomes)
        last = run.metrics[-1]
        served, guess = last["cumulative"]["Accuracy"], last["baselines"]["majority"]["Accuracy"]
        alarms = ", ".join(alarm["time"][:10] for alarm in run.alarms) or "none"
        print(f"{name:20} accuracy {served:.3f} (majority {guess:.3f}), alarms: {alarms}")


if __name__ == "__main__":
    main()
