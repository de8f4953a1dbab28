"""A valid document → the options of each room.  Nothing is checked here that a document can get wrong.

A room that refuses its options all the same has a check that `document` lacks; its sentence is said at the section.
"""

import json
from pathlib import Path

from provisioners.docker import DockerOptions
from splitter.alerts import Target
from splitter.config.analysis import Analysis, judge_config
from splitter.config.checks import absolute
from splitter.config.document import AccessLog, Admin, App, Document, Health, Listener, Rollout
from splitter.config.options import AdminOptions, Config
from splitter.config.problems import Misfit
from splitter.config.proxying import proxy_options
from splitter.config.traffic import allowed_testers, mirror_options, sticky_value
from splitter.errors import OperatorError
from splitter.judge.config import OnUndecided
from splitter.proxy.options import (
    STDOUT,
    AccessOptions,
    CertificateFiles,
    HealthOptions,
    ListenerOptions,
    TlsOptions,
)
from splitter.rollout.options import AppOptions, CostLimits, RolloutOptions
from splitter.routing import RouteRule


def build(document: Document, file: Path) -> tuple[Config | None, list[Misfit]]:
    """Return the configuration, or None and why a room refused its part."""
    apps: dict[str, AppOptions] = {}
    refused: list[Misfit] = []
    for name, app in document.apps.items():
        try:
            apps[name] = _app(name, app, file)
        except OperatorError as error:
            refused.append((("apps", name), str(error)))
    if refused:
        return None, refused
    config = Config(
        file=file.absolute(),
        listeners=tuple(_listener(each, file) for each in document.listeners),
        admin=_admin(document.admin, file),
        state_dir=absolute(document.state_dir, file),
        apps=apps,
        proxy=proxy_options(document.proxy),
        access_log=_access_log(document.access_log, file),
        health={name: _health(app.health) for name, app in document.apps.items()},
        docker=DockerOptions(
            base_url=document.docker.host,
            endpoint=document.docker.endpoint,
            pull=document.docker.pull,
            no_room=document.docker.no_room,
        ),
        alerts=tuple(Target(each.url.get_secret_value(), each.on) for each in document.alerts),
        inline_templates={_inline(file, name): _static(name, app) for name, app in document.apps.items() if app.static},
    )
    return config, []


def _listener(listener: Listener, file: Path) -> ListenerOptions:
    tls = None
    if listener.tls is not None:
        pairs = [(absolute(pair.cert, file), absolute(pair.key, file)) for pair in listener.tls.certificates]
        files = tuple(CertificateFiles(str(cert), str(key)) for cert, key in pairs)
        tls = TlsOptions(files, listener.tls.version_min)
    return ListenerOptions(listener.bind.host, listener.bind.port, tls, listener.proxy_protocol)


def _admin(admin: Admin, file: Path) -> AdminOptions:
    token = admin.token.get_secret_value() if admin.token else ""
    return AdminOptions(socket=absolute(admin.socket, file), bind=admin.bind, token=token)


def _access_log(section: AccessLog, file: Path) -> AccessOptions | None:
    if section.to is None:
        return None
    to = section.to if section.to == STDOUT else str(absolute(section.to, file))
    return AccessOptions(to=to, flush_s=section.flush, queue_max=section.queue_max)


def _health(section: Health) -> HealthOptions:
    return HealthOptions(
        interval_s=section.interval,
        timeout_s=section.timeout,
        unhealthy=section.unhealthy,
        healthy=section.healthy,
    )


def _app(name: str, app: App, file: Path) -> AppOptions:
    rollout = app.rollout
    files = (_inline(file, name),) if app.static else tuple(str(absolute(path, file)) for path in app.template)
    return AppOptions(
        name=name,
        provisioner=app.provisioner,
        template_files=files,
        routes=_routes(name, app),
        loader=app.loader,
        profiles=app.profiles,
        env_files=tuple(str(absolute(path, file)) for path in app.env_file),
        environment=dict(app.environment),
        rollout=_rollout(rollout, app.analysis),
        judge=judge_config(app.analysis, rollout.deadline, OnUndecided(rollout.on_undecided.value)),
        rollback_cost=CostLimits(warn=app.rollback_cost.warn, override=app.rollback_cost.override),
        on_stop=app.on_stop,
        waits_for_adoption=app.adopt,
        host_project_dir=app.host_project_dir or "",
        scopes={service: section.scope for service, section in app.services.items()},
        volumes=dict(app.volumes),
        subnets={network: tuple(map(str, subnets)) for network, subnets in app.subnets.items()},
    )


def _routes(name: str, app: App) -> tuple[RouteRule, ...]:
    testers, served_by = allowed_testers(app.testers), app.served_by or ""
    return tuple(
        RouteRule(name, route.host, route.path, route.service, route.port, testers, served_by, route.health or "")
        for route in app.routes
    )


def _rollout(rollout: Rollout, analysis: Analysis) -> RolloutOptions:
    return RolloutOptions(
        warm_up_s=rollout.warm_up,
        baseline_wait_s=rollout.baseline_wait,
        steps_bp=rollout.steps,
        hold_s=rollout.hold,
        deadline_s=rollout.deadline,
        on_undecided=rollout.on_undecided,
        mirror=mirror_options(rollout.mirror),
        sticky=sticky_value(rollout.sticky),
        standby_s=rollout.standby,
        drain_s=rollout.drain,
        drain_streams_s=rollout.drain_streams,
        drain_tunnels_s=rollout.drain_tunnels,
        tick_s=analysis.tick,
        sample_s=analysis.sample,
        provision_deadline_s=rollout.provision_deadline,
        override_deadline_s=rollout.override_deadline,
        rollback_deadline_s=rollout.rollback_deadline,
        held_deadline_s=rollout.held_deadline,
    )


def _inline(file: Path, app: str) -> str:
    """Return the name of the template that the configuration itself contains for `app`."""
    return f"{file.absolute()}#apps.{app}.static"


def _static(name: str, app: App) -> str:
    """Return the text of an inline template; JSON is YAML."""
    assert app.static is not None
    services = {
        service: {"endpoints": [str(endpoint) for endpoint in section.endpoints]}
        for service, section in app.static.services.items()
    }
    return json.dumps({"name": name, "services": services})
