"""Secrets and configs inside a container.

A file is mounted, read-only, unless its entry asks for an owner or a mode, which a mount cannot give.  Everything else
is copied in between the create and the start: it never touches a disk of ours.  What it holds stands in no label and
in no environment; the plan and the journal know its digest alone.
"""

import hashlib
import io
import os
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from splitter.errors import StackError
from splitter.template import Document, Grant, Service, Template

MODE = 0o444


def grants(service: Service, template: Template) -> Iterator[tuple[Grant, Document]]:
    """Yield what a service may read: each secret, then each config."""
    for grant in service.secrets:
        yield grant, template.secrets[grant.source]
    for grant in service.configs:
        yield grant, template.configs[grant.source]


def binds(service: Service, template: Template) -> list[str]:
    """Return the mounts of the files that are mounted."""
    found = grants(service, template)
    return [f"{document.file}:{grant.target}:ro" for grant, document in found if is_mounted(grant, document)]


def archive(service: Service, template: Template) -> bytes:
    """Return what is to be copied in, as a tar archive for the container's root; empty where there is nothing.

    Raises StackError for what cannot be read.  Blocks.
    """
    copied = [each for each in grants(service, template) if not is_mounted(*each)]
    if not copied:
        return b""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for grant, document in copied:
            content = content_of(document)
            entry = tarfile.TarInfo(grant.target.lstrip("/"))
            entry.size = len(content)
            entry.uid, entry.gid = grant.uid or 0, grant.gid or 0
            entry.mode = MODE if grant.mode is None else grant.mode
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def problems(
    services: Iterable[Service], template: Template, environment: Mapping[str, str] = os.environ
) -> Iterator[str]:
    """Yield what cannot be given to a container, before one is made.  Blocks."""
    for service in services:
        for grant, document in grants(service, template):
            where = f"service {service.name}: {document.key}"
            if document.file and not Path(document.file).is_file():
                yield f"{where}: {document.file} is no file; write it, or correct the path"
            elif document.environment and document.value is None and document.environment not in environment:
                yield f"{where}: the variable {document.environment} is not set; set it where splitter runs"
            elif service.read_only and not is_mounted(grant, document):
                yield (
                    f"{where} is copied into the container, which is read_only; give it as a file without uid, gid and "
                    "mode, or drop read_only"
                )


def is_mounted(grant: Grant, document: Document) -> bool:
    if ":" in document.file + grant.target:
        return False  # the colon would end the path where a mount is written
    return bool(document.file) and grant.uid is None and grant.gid is None and grant.mode is None


def content_of(document: Document) -> bytes:
    """Return what a secret or config holds.  Raises StackError for what cannot be read.  Blocks."""
    if document.content is not None:
        return document.content.encode()
    if document.file:
        try:
            return Path(document.file).read_bytes()
        except OSError as error:
            raise StackError(f"{document.key}: {document.file} cannot be read: {error.strerror}") from error
    value = document.value if document.value is not None else os.environ.get(document.environment)
    if value is None:
        raise StackError(f"{document.key}: the variable {document.environment} is not set; set it where splitter runs")
    content = value.encode()
    if document.digest and hashlib.sha256(content).hexdigest() != document.digest:
        raise StackError(
            f"{document.key}: the variable {document.environment} holds something else than when the template was "
            "read; deploy the template again to take it over"
        )
    return content
