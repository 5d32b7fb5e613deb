"""Where the command line prints: as wide as the terminal, wide enough in a pipe."""

import sys

from rich.console import Console

_PIPE_WIDTH = 140


def console() -> Console:
    """Give a console for standard output; in a pipe tables are not squeezed to 80 columns."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(soft_wrap=True, highlight=False, width=width)
