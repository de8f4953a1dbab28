"""Which services keep state, which engine they run, and which of its versions can read each other's data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from splitter.change import labels
from splitter.template import Mount, Service

# fmt: off
ENGINES = frozenset({
    "postgres", "postgis", "timescaledb", "pgvector", "mysql", "mariadb", "percona", "mongo", "redis", "valkey",
    "keydb", "elasticsearch", "opensearch", "solr", "cassandra", "scylla", "couchdb", "couchbase", "neo4j",
    "influxdb", "clickhouse", "cockroach", "tidb", "mssql", "oracle", "rabbitmq", "kafka", "redpanda", "zookeeper",
    "nats", "pulsar", "etcd", "consul", "vault", "minio", "meilisearch", "typesense", "qdrant", "weaviate", "milvus",
    "prometheus", "loki", "victoria-metrics",
})
# fmt: on
_ALIASES: Mapping[str, str] = {
    "postgresql": "postgres",
    "timescaledb-ha": "timescaledb",
    "mysql-server": "mysql",
    "mariadb-galera": "mariadb",
    "percona-server": "percona",
    "mongodb": "mongo",
    "mongodb-community-server": "mongo",
    "redis-stack": "redis",
    "redis-stack-server": "redis",
    "redis-cluster": "redis",
    "clickhouse-server": "clickhouse",
    "cp-kafka": "kafka",
    "cp-zookeeper": "zookeeper",
    "elasticsearch-oss": "elasticsearch",
    "neo4j-enterprise": "neo4j",
    "rabbitmq-server": "rabbitmq",
    "oracle-xe": "oracle",
    "oracle-free": "oracle",
    "azure-sql-edge": "mssql",
}
_PLACES: Mapping[str, str] = {
    "mssql/server": "mssql",
    "database/express": "oracle",
    "database/free": "oracle",
    "database/enterprise": "oracle",
}
"""Images that are named by what they are of, and not by what they are."""
DATA_FOLDERS = (
    "/var/lib/postgresql",
    "/var/lib/mysql",
    "/data/db",
    "/var/lib/mongodb",
    "/usr/share/elasticsearch/data",
    "/usr/share/opensearch/data",
    "/var/lib/rabbitmq",
    "/var/lib/kafka",
    "/bitnami",
    "/var/lib/clickhouse",
    "/var/lib/cassandra",
    "/var/lib/influxdb",
    "/var/opt/mssql",
)
_TWO_NUMBERS = frozenset(
    {"mysql", "mariadb", "percona", "cassandra", "rabbitmq", "clickhouse", "kafka", "cockroach", "etcd"}
)
"""Engines whose second number is a series of its own (and MongoDB below 5)."""
_POSTGRES_INSIDE = frozenset({"timescaledb", "pgvector"})
"""Extensions that are numbered by themselves: the data's version is that of the PostgreSQL below (`2.14-pg15`)."""

_POSTGRES = ("PG_VERSION", "PG_MAJOR")
_VERSION_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "postgres": _POSTGRES,
    "postgis": _POSTGRES,
    "timescaledb": _POSTGRES,
    "pgvector": _POSTGRES,
    "mysql": ("MYSQL_VERSION", "MYSQL_MAJOR"),
    "mariadb": ("MARIADB_VERSION", "MARIADB_MAJOR"),
    "percona": ("PS_VERSION", "PERCONA_MAJOR"),
    "mongo": ("MONGO_VERSION", "MONGO_MAJOR"),
    "redis": ("REDIS_VERSION",),
    "valkey": ("VALKEY_VERSION",),
    "rabbitmq": ("RABBITMQ_VERSION",),
    "cassandra": ("CASSANDRA_VERSION",),
    "influxdb": ("INFLUXDB_VERSION",),
    "solr": ("SOLR_VERSION",),
    "kafka": ("KAFKA_VERSION",),
}
"""Variables by which images of an engine say their version, the most exact first."""

_POSTGRES_TAG = re.compile(r"(?:^|[.-])pg(\d{1,9})(?![0-9A-Za-z])", re.ASCII)
_VERSION = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,3})(?![0-9A-Za-z])", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageName:
    """An image's name taken apart: the last part of the name, and the tag (empty: none).

    `is_of_variables`: the tag is a version that the image's variables say.
    """

    base: str
    tag: str
    is_of_variables: bool = False

    @property
    def engine(self) -> str:
        """Return the engine this image is known to be, or nothing."""
        name = _ALIASES.get(self.base, self.base)
        return name if name in ENGINES else ""

    @property
    def version(self) -> tuple[int, ...]:
        """Return the numbers that the tag begins with; none where it says no version."""
        is_said_behind = self.engine in _POSTGRES_INSIDE and not self.is_of_variables
        match = _POSTGRES_TAG.search(self.tag) if is_said_behind else _VERSION.match(self.tag)
        return tuple(int(number) for number in match[1].split(".")) if match else ()


def image_name(image: str) -> ImageName:
    """Take `registry:5000/team/postgres:15.3-alpine@sha256:…` apart."""
    place, _, name = image.partition("@")[0].rpartition("/")
    base, _, tag = name.partition(":")
    base = base.lower()
    return ImageName(_PLACES.get(f"{place.rpartition('/')[2]}/{base}", base), tag)


def identified(image: str, variables: Mapping[str, str]) -> ImageName:
    """Return the name of an image; where its tag says no version, the variables that it brings may.

    An engine that is built or renamed is known by its variables as well.
    """
    name = image_name(image)
    engines = (name.engine,) if name.engine else tuple(_VERSION_VARIABLES)
    for engine in engines:
        said = next((variables[each] for each in _VERSION_VARIABLES.get(engine, ()) if each in variables), "")
        if said and not (name.engine and name.version):
            return ImageName(name.base if name.engine else engine, said.rpartition(":")[2], is_of_variables=True)
    return name


def series(name: ImageName) -> tuple[int, ...]:
    """Return the numbers of the version that must be equal for two versions to share data; none if not known."""
    version = name.version
    needs_two = name.engine in _TWO_NUMBERS or (name.engine == "mongo" and version[:1] < (5,))
    return version[:2] if needs_two else version[:1]


def is_stateful(service: Service) -> bool:
    """Return whether a service keeps state: by its label, its image, or a volume at a known data folder."""
    if (said := service.labels.get(labels.STATEFUL)) is not None:
        return said == "true"
    return bool(image_name(service.image).engine) or any(is_data_folder(mount) for mount in service.mounts)


def is_data_folder(mount: Mount) -> bool:
    """Return whether `mount` is a writable place where an engine is known to keep its data."""
    if not mount.is_storage or mount.read_only:
        return False
    return any(mount.target == folder or mount.target.startswith(f"{folder}/") for folder in DATA_FOLDERS)


def data_mounts(service: Service) -> tuple[Mount, ...]:
    """Return the mounts that hold a stateful service's data: at known folders, else all writable ones."""
    writable = tuple(m for m in service.mounts if m.is_storage and not m.read_only)
    return tuple(mount for mount in writable if is_data_folder(mount)) or writable
