"""What River 0.26 cannot do in a way that can be replayed, each with its reason."""

from collections.abc import Mapping

REFUSED: Mapping[str, str] = {}
"""Import path of a class to why it is refused."""
