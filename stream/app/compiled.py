"""Whether what runs was compiled, and from the sources that stand beside it."""

from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

ROOT = Path(__file__).parents[2]


def is_compiled(root: Path = ROOT) -> bool:
    """Tell whether the way of an event is compiled here (see `setup.py`)."""
    return _library(root) is not None


def stale(root: Path = ROOT) -> list[str]:
    """Name the sources of a checkout that were changed since they were compiled.

    What runs is not what they say, until ``make setup`` compiles them again.
    """
    modules, made = root / "compiled.txt", _library(root)
    if made is None or not modules.is_file():  # where it is installed sources do not change
        return []
    compiled = made.stat().st_mtime
    names = modules.read_text("utf-8").split()
    return [name for name in names if (root / name).stat().st_mtime > compiled]


def _library(root: Path) -> Path | None:
    """Give what all compiled modules lie in."""
    places = (root / f"driftline__mypyc{suffix}" for suffix in EXTENSION_SUFFIXES)
    return next((place for place in places if place.is_file()), None)
