"""What people type.  `commands` is the list of commands, `calls` what they ask the daemon, `outcome` how they end."""

from splitter.cli.commands import main

__all__ = ["main"]
