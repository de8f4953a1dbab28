"""What the configuration says of services and volumes, written onto the template as the labels that would say it.

For people who cannot put labels into their Compose file.  Whoever reads a template's labels afterwards does not ask
who wrote them, so there is one path: the configuration wins over the label, the label over what is usual.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from splitter.change import labels
from splitter.change.canonical import digest
from splitter.change.spelling import nearest
from splitter.errors import OperatorError
from splitter.placement import VolumeMode
from splitter.template import Service, Template, Volume


def relabelled(
    template: Template,
    app: str,
    scopes: Mapping[str, str],
    volumes: Mapping[str, str],
    networks: Collection[str] = (),
) -> Template:
    """Return the template of `app` with its configuration's scopes of services and modes of volumes, by name.

    `networks` are those that the configuration names subnets for.  Raises OperatorError with all that is named and
    the template does not have.
    """
    wrong = [*_misplaced(template, app, scopes, volumes), *_not_numbered(template, app, networks)]
    if wrong:
        raise OperatorError("\n".join(wrong))
    if not (scopes or volumes):
        return template
    changed = replace(
        template,
        services={**template.services, **{name: _scoped(template.services[name], scopes[name]) for name in scopes}},
        volumes={**template.volumes, **{key: _with_mode(template.volumes[key], volumes[key]) for key in volumes}},
    )
    return replace(changed, digest=digest(changed))


def _misplaced(template: Template, app: str, scopes: Mapping[str, str], volumes: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(scopes.keys() - template.services.keys()):
        yield f"apps.{app}.services.{name}: {_unknown('service', name, template.services)}"
    for key in sorted(volumes):
        place = f"apps.{app}.volumes.{key}"
        if key not in template.volumes:
            yield f"{place}: {_unknown('volume', key, template.volumes)}"
        elif template.volumes[key].external and volumes[key] != VolumeMode.EXTERNAL:
            yield f"{place}: the template says that it is external, so splitter never touches it; remove the option"


def _not_numbered(template: Template, app: str, networks: Collection[str]) -> Iterator[str]:
    for key in sorted(networks):
        place = f"apps.{app}.subnets.{key}"
        if key not in template.networks:
            yield f"{place}: {_unknown('network', key, template.networks)}"
        elif template.networks[key].external:
            yield f"{place}: the template says that it is external, so somebody else numbers it; remove the option"


def _unknown(kind: str, name: str, known: Mapping[str, object]) -> str:
    closest = nearest(name, known)
    there = f"did you mean {closest!r}?" if closest else f"it uses: {', '.join(sorted(known)) or 'none'}"
    return f"the template uses no {kind} {name!r}; {there}"


def _scoped(service: Service, scope: str) -> Service:
    return replace(service, labels=_with_label(service.labels, labels.SCOPE, scope))


def _with_mode(volume: Volume, mode: str) -> Volume:
    """Return the volume with its mode; an external one is there already, by the name that the file says, or its key."""
    said = replace(volume, labels=_with_label(volume.labels, labels.VOLUME, mode))
    return replace(said, external=True, name=volume.name or volume.key) if mode == VolumeMode.EXTERNAL else said


def _with_label(written: Mapping[str, str], label: str, value: str) -> dict[str, str]:
    """Return the labels with one more, in the order in which the loader has them."""
    return dict(sorted({**written, label: value}.items()))
