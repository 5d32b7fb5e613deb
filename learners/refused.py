"""What River and scikit-learn have and the fold cannot use or replay, each with its reason."""

from collections.abc import Mapping
from typing import Final

REFUSED: Final[Mapping[str, str]] = {
    "river.active.base.ActiveLearningClassifier": (
        "it answers with a wish for a label beside the prediction; name its classifier instead"
    ),
    "river.bandit.thompson.ThompsonSampling": (
        "River's model selection rewards by a metric, and this policy draws from a distribution"
    ),
    "river.base.multi_output.MultiTargetRegressor": "it predicts several targets, and here is one",
    "river.compat.sklearn_to_river.SKL2RiverBase": (
        "it needs the same numbers in every event; name (or return) the scikit-learn estimator "
        "itself, which copes with missing and late features, and with text"
    ),
    "river.feature_extraction.kernel_approx.RandomTreesEmbedding": (
        "it knows leaves by their address in memory, which no checkpoint can bring back"
    ),
    "sklearn.naive_bayes.GaussianNB": (
        "event by event it divides by the variance of features that have not changed yet, 0; "
        "name river.naive_bayes.GaussianNB"
    ),
}
"""Where a class is defined, to why no learner may be or hold one."""


def reason_against(cls: type) -> str | None:
    """Give the reason why a class, or one that it derives from, is refused; None if it is not."""
    names = (f"{each.__module__}.{each.__qualname__}" for each in cls.__mro__)
    return next((REFUSED[name] for name in names if name in REFUSED), None)
