"""An estimator that cannot bear to be fitted on much."""

from sklearn.tree import DecisionTreeClassifier


class Fragile(DecisionTreeClassifier):  # type: ignore[misc]
    """Fails on more than a hundred rows."""

    def fit(self, matrix, labels):
        if len(labels) > 100:
            raise ValueError("it cannot bear so many")
        return super().fit(matrix, labels)


def build():
    return Fragile(max_depth=3, random_state=1)
