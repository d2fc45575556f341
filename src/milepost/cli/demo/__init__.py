"""`milepost demo`: a real process on real data, killed part-way and continued before the user's eyes."""

from __future__ import annotations

from pathlib import Path

import click

from milepost.cli.options import common_options


@click.command("demo", help="Run a real process on 336,776 flights, kill it part-way, continue it, change it.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("milepost-demo"),
    show_default=True,
    help="Where flights.py, its data and its workspace are put.",
)
@common_options
def demo_command(folder: Path) -> int:
    """Hand over to the tour."""
    import sys

    from milepost.cli.demo.tour import demo

    return demo(folder, sys.stdout)
