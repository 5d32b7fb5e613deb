"""What features look like to a learner, and which values are numbers as any other."""

from typing import Any, Final

Features = dict[Any, Any]  # a step before may have named them as it likes

_EXACT: Final = 2**53


def is_number(value: Any) -> bool:
    """Tell whether it may be taken for a float: integers only where they compare as one."""
    kind: Any = type(value)
    return kind is float or kind is bool or (kind is int and -_EXACT <= value <= _EXACT)
