"""Stacks as plain processes of this machine."""

from provisioners.process.provisioner import ProcessProvisioner

__all__ = ["ProcessProvisioner"]
