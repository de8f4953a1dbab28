"""What people type.

`commands` is the list of commands and `telling` those about rollouts of any time, `options` is what many of them share,
`calls` what they ask the daemon, `outcome` how they end.
"""

from splitter.cli.commands import main

__all__ = ["main"]
