"""Stacks as containers of a Docker engine."""

from provisioners.docker.engine import Engine
from provisioners.docker.folders import ProjectFolder
from provisioners.docker.provisioner import DockerOptions, DockerProvisioner

__all__ = ["DockerOptions", "DockerProvisioner", "Engine", "ProjectFolder"]
