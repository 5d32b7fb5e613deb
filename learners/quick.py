"""River without what it would import for one function that nobody calls here."""

import sys


def import_river() -> None:
    """Import River's streams without scikit-learn.

    `river.stream.iter_sklearn_dataset` is the only reason why a Hoeffding tree imports
    scikit-learn, and with it pandas: a third of the time to start. River does without where
    scikit-learn is missing, so it is missing for that one import; whoever needs it later finds it.
    """
    if "sklearn" in sys.modules or "river.stream" in sys.modules:
        return
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # Python's way to say: not there
    try:
        import river.stream  # noqa: F401
    finally:
        del sys.modules["sklearn"]
