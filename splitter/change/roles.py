"""Services that must not simply run twice: singletons and one-shot jobs, each with the rule that found it."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from splitter.change import labels
from splitter.change.engines import image_name, is_stateful
from splitter.template import Condition, Service, Template

_SINGLETON = re.compile(
    r"(?<![a-z])(cron[a-z]*|schedulers?|beat|workers?|consumers?|queues?|sidekiq|celery|rq|resque|horizon|bull"
    r"|temporal-worker)(?![a-z])",
    re.IGNORECASE,
)
_MIGRATION = re.compile(
    r"(?<![a-z])(migrat(e|es|ion|ions|or)|alembic|flyway|liquibase|prisma|knex|sequelize|goose|dbmate|sqitch"
    r"|rake\s+db:|manage\.py|bench|artisan)(?![a-z])",
    re.IGNORECASE,
)
_SERVING = re.compile(
    r"(?<![a-z])(runserver|serve|server|start|workers?|beat|schedule|queue:work|horizon|gunicorn|uvicorn|daphne|celery)"
    r"(?![a-z])",
    re.IGNORECASE,
)
"""Words of a command that goes on running, whatever tool it is started with."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A service with a special role, and why it is thought to have it."""

    service: str
    rule: str


def singletons(template: Template, routed: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return the services that work through a queue or a timetable, so that two of them would do things twice."""
    needed = {dependency.service for service in template.services.values() for dependency in service.depends_on}
    jobs = {job.service for job in one_shot_jobs(template)}
    findings = []
    for name, service in sorted(template.services.items()):
        if (said := service.labels.get(labels.SINGLETON)) is not None:
            findings.append(Finding(name, f"its label {labels.SINGLETON} says {said}"))
        elif name in needed or name in jobs or name in routed or service.ports or is_stateful(service):
            continue
        elif rule := _singleton_rule(service):
            findings.append(Finding(name, rule))
    return tuple(findings)


def one_shot_jobs(template: Template) -> tuple[Finding, ...]:
    """Return the services that run once and end, as migrations do."""
    awaited = {
        dependency.service: name
        for name, service in sorted(template.services.items(), reverse=True)
        for dependency in service.depends_on
        if dependency.condition is Condition.COMPLETED
    }
    findings = []
    for name, service in sorted(template.services.items()):
        if (said := service.labels.get(labels.JOB)) is not None:
            findings.append(Finding(name, f"its label {labels.JOB} says {said}"))
        elif name in awaited:
            findings.append(Finding(name, f"{awaited[name]} waits until it has completed"))
        elif rule := _job_rule(service):
            findings.append(Finding(name, rule))
    return tuple(findings)


def _singleton_rule(service: Service) -> str:
    places = {
        "name": service.name,
        "command": _command(service),
        "image": image_name(service.image).base,
    }
    for place, text in places.items():
        if match := _SINGLETON.search(text):
            return f"its {place} says {match[0]!r}, and nothing reaches or waits for it"
    return ""


def _job_rule(service: Service) -> str:
    command = _command(service)
    if service.restart != "no" or service.ports or service.expose or _SERVING.search(command):
        return ""
    match = _MIGRATION.search(command)
    return f"its command says {match[0]!r} and it is not restarted" if match else ""


def _command(service: Service) -> str:
    return " ".join((*(service.entrypoint or ()), *(service.command or ())))
