"""The list of commands, in the order in which `splitter --help` shows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import typer

from splitter.cli import deciding, rolling, starting, telling
from splitter.cli.drafting import init
from splitter.cli.replaying import app as judge
from splitter.cli.templates import config

TELLING: Final = "Know why"

COMMANDS: Final[Mapping[str, Sequence[Callable[..., None]]]] = {
    "Begin": (init, starting.validate, config, starting.schema, starting.run, starting.demo, starting.version),
    "Roll out, and look on": (rolling.plan, rolling.deploy, rolling.status, rolling.watch, rolling.events),
    TELLING: (telling.explain, telling.report),
    "Decide yourself": (
        deciding.pause,
        deciding.resume,
        deciding.promote,
        deciding.rollback,
        deciding.undo,
        deciding.override,
        deciding.park,
        deciding.unpark,
        deciding.adopt,
    ),
}
"""Each function is a command of its own name."""

app = typer.Typer(
    name="splitter",
    help="Puts a docker-compose stack behind a proxy, shows the next version a share of the traffic, and promotes it "
    "or rolls it back by itself.",
    epilog="Exit codes: 0 promoted, or done; 1 rolled back; 2 usage or configuration; 3 held or undecided; "
    "4 the daemon is not reachable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for panel, commands in COMMANDS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(judge, name="judge", rich_help_panel=TELLING)


def main() -> None:
    """Run the command line."""
    app()
