"""What people type.

`commands` is the list of commands: `starting` needs no daemon, `rolling` rolls out and looks on, `telling` says why,
`deciding` is for a person who decides, `drafting`, `templates` and `replaying` read files.  `options` is what many of
them share, `calls` what they ask the daemon, `outcome` how they end.
"""

from splitter.cli.commands import main

__all__ = ["main"]
