"""splitter's own YAML: read, checked, explained."""

from splitter.config.loading import load_config, socket_path
from splitter.config.options import AdminOptions, Config
from splitter.config.reference import json_schema, reference

__all__ = ["AdminOptions", "Config", "json_schema", "load_config", "reference", "socket_path"]
