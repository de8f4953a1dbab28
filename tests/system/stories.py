"""Templates and configurations that the system's tests are about, for both provisioners that make something.

Times are short; what the judge tolerates and how sure it must be are the defaults.  Traffic is heavy enough for that.
Only the deadlines are long: on a busy machine requests share the fate of its stalls, and proof needs the more of them.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

from splitter.demo import stage
from tests.system.harness import APP, Json

IMAGE = f"splitter-demo:{APP}"


@dataclass(frozen=True)
class World:
    """Where stacks are made: as child processes or as containers."""

    provisioner: str

    @property
    def command(self) -> list[str]:
        return ["/python", "/app.py"] if self.provisioner == "docker" else [sys.executable, str(stage.APP_PROGRAM)]

    def service(self, version: str, **environment: str) -> Json:
        """Return the demo's app as a service: healthy once it answers, and as `environment` has it misbehave."""
        service: Json = {
            "command": self.command,
            "expose": ["8000"],
            "environment": {"VERSION": version, "LATENCY_MS": "2", "PORT": "8000", **environment},
            "healthcheck": {
                "test": ["CMD", *self.command, "--check"],
                "interval": "500ms",
                "timeout": "30s",  # a busy machine takes seconds to start a program in a container
                "retries": 3,
            },
        }
        if self.provisioner == "docker":
            service["image"] = IMAGE
        else:
            del service["environment"]["PORT"]
        return service

    def template(self, directory: Path, name: str, services: Json) -> Path:
        """Write a template and return its path."""
        path = directory / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump({"services": services}))
        return path

    def release(self, directory: Path, name: str, **environment: str) -> Path:
        """Write a template of one web service of that version and return its path."""
        return self.template(directory, name, {"web": self.service(name, **environment)})


def config(
    world: World, template: Path, *, rollout: Json | None = None, analysis: Json | None = None, **app: object
) -> str:
    """Return a configuration for one app, `APP`."""
    times = {"warm_up": "500ms", "steps": ["20%", "50%"], "hold": "500ms", "standby": "1s", "deadline": "230s"}
    judge = {
        "tick": "250ms",
        "warmup": {"time": "500ms", "requests": 20},
        "dwell": "500ms",
        "min_duration": "1s",
        "max_duration": "220s",
        # Too short to measure how much a busy machine varies: what hangs on that is the judge's own tests' to show.
        "baseline": {"window": "30s", "design_window": "50s"},
    }
    document = {
        "listeners": [{"bind": "127.0.0.1:@PORT@"}],
        "state_dir": "state",
        "admin": {"socket": "s.sock"},
        "apps": {
            APP: {
                "provisioner": world.provisioner,
                "template": str(template),
                "on_stop": "retire",
                "routes": [{"path": "/", "service": "web", "port": 8000}],
                "rollout": {**times, **(rollout or {})},
                "analysis": {**judge, **(analysis or {})},
                **app,
            }
        },
    }
    return yaml.safe_dump(document)
