"""The commands about models: their lives, and what a person asks of a running service."""

from typing import Annotated, Any, Literal

import typer

from stream.app.arguments import ConfigFile, Number, RunPlace

models = typer.Typer(
    help="List and show the models of a run or a service; promote, roll back and drop them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Version = Annotated[str, typer.Argument(metavar="VERSION", help="Of a model, such as v3.")]
Wait = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds to wait until the service has taken it.")
]
WAIT = 30.0


@models.command("list", epilog="Example: driftline models list out/demo")
def list_models(place: RunPlace, partition: Number = None) -> None:
    """List the models that there were, with what became of them and what they cost."""
    from stream.app.models import list_all

    list_all(place, partition)


@models.command("show", epilog="Example: driftline models show out/demo v3")
def show_model(place: RunPlace, version: Version, partition: Number = None) -> None:
    """Show the whole life of a model: lineage, records, evidence, checkpoints."""
    from stream.app.models import show_one

    show_one(place, version, partition)


@models.command(epilog="Example: driftline models promote app.toml v3")
def promote(
    config: ConfigFile, version: Version, partition: Number = None, wait: Wait = WAIT
) -> None:
    """Have a service serve another of its models, from its next record on."""
    from stream.app.asking import promote_model

    promote_model(config, version, partition, wait)


@models.command("rollback", epilog="Example: driftline models rollback app.toml")
def roll_back(config: ConfigFile, partition: Number = None, wait: Wait = WAIT) -> None:
    """Have a service serve its previous champion again."""
    from stream.app.asking import promote_previous

    promote_previous(config, partition, wait)


@models.command(epilog="Example: driftline models drop app.toml v4")
def drop(
    config: ConfigFile, version: Version, partition: Number = None, wait: Wait = WAIT
) -> None:
    """Have a service give up a challenger, or a champion of before."""
    from stream.app.asking import drop_model

    drop_model(config, version, partition, wait)


def retrain(
    config: ConfigFile,
    how: Annotated[
        Literal["fresh", "warm", "transfer"] | None,
        typer.Option(help="How the challenger is made; as configured if not given."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="N|POLICY",
            help="On how many labelled events, or none, fixed, change, dynamic, representative.",
        ),
    ] = None,
    partition: Number = None,
    wait: Wait = WAIT,
) -> None:
    """Have a service start a challenger, from its next record on."""
    from stream.app.asking import start_challenger

    size: Any = int(window) if window is not None and window.isdecimal() else window
    start_challenger(config, how, size, partition, wait)
