"""What several commands are given: a configuration, a run, a partition."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration, app.toml.")]
RunPlace = Annotated[
    Path,
    typer.Argument(
        metavar="DIR|CONFIG", help="The output folder of a run, or a service's configuration."
    ),
]
Number = Annotated[
    int | None,
    typer.Option("--partition", min=0, help="Which partition of a service, where it has several."),
]
