"""Small files that are replaced as a whole: a reader sees the old one or the new one, never half of it."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, plain: Any) -> None:
    """Write `plain` to `path`, for the owner's eyes only; blocks until it is on the disk."""
    beside = path.with_name(f".{path.name}.new")
    beside.touch(0o600)
    with beside.open("w") as file:
        json.dump(plain, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
