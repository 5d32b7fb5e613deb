"""The command that hands what is known of models to another system."""

from typing import Annotated

import typer

from stream.app.arguments import Number, RunPlace

export = typer.Typer(
    help="Hand what is known of models to another system.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@export.callback()
def _several() -> None:
    """Hand what is known of models to another system."""


@export.command(
    "mlflow",
    epilog="Example: driftline export mlflow out/demo --tracking-uri http://localhost:5000; of a "
    "service, going on: driftline export mlflow app.toml --tracking-uri URI --follow",
)
def export_mlflow(
    place: RunPlace,
    tracking_uri: Annotated[
        str,
        typer.Option(
            "--tracking-uri", metavar="URI", envvar="MLFLOW_TRACKING_URI",
            help="The MLflow server, or sqlite:///FILE.",
        ),
    ],
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="The application's name if not given.")
    ] = None,
    registered_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the registered model; the application's if not given."
        ),
    ] = None,
    artifacts: Annotated[
        str | None,
        typer.Option(metavar="URI", help="Where a new experiment keeps its files."),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="Go on with what comes; a server that is down is waited for."
        ),
    ] = False,
    refresh: Annotated[
        float,
        typer.Option(
            min=0,
            help="With --follow: seconds until a model that learns on is registered again.",
        ),
    ] = 3600.0,
    partition: Number = None,
) -> None:
    """Export models to MLflow: runs, scores over event time, versions, champion and challenger."""
    from stream.app.export.following import run_export
    from stream.app.export.server import Place

    place_there = Place(
        tracking_uri, experiment, registered_name, artifacts, refresh if follow else 0.0
    )
    run_export(place, partition, place_there, follow=follow)
