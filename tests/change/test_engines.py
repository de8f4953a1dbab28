import pytest

from splitter.change.engines import data_mounts, identified, image_name, is_stateful, series
from splitter.template import Mount, MountType, Service


class TestImageNames:
    @pytest.mark.parametrize(
        ("image", "base", "tag", "engine", "version"),
        [
            ("postgres", "postgres", "", "postgres", ()),
            ("postgres:15.3-alpine", "postgres", "15.3-alpine", "postgres", (15, 3)),
            ("reg:5000/team/postgres:16", "postgres", "16", "postgres", (16,)),
            ("reg:5000/team/postgres", "postgres", "", "postgres", ()),
            ("postgres:16@sha256:ab", "postgres", "16", "postgres", (16,)),
            ("bitnami/postgresql:16.1.0-debian-12", "postgresql", "16.1.0-debian-12", "postgres", (16, 1, 0)),
            ("clickhouse/clickhouse-server:24.3", "clickhouse-server", "24.3", "clickhouse", (24, 3)),
            ("grafana/loki:v2.9.1", "loki", "v2.9.1", "loki", (2, 9, 1)),
            ("minio/minio:RELEASE.2024-01-01", "minio", "RELEASE.2024-01-01", "minio", ()),
            ("redis:latest", "redis", "latest", "redis", ()),
            ("mcr.microsoft.com/mssql/server:2022-latest", "mssql", "2022-latest", "mssql", (2022,)),
            ("container-registry.oracle.com/database/free:23.4", "oracle", "23.4", "oracle", (23, 4)),
            ("tomcat/server:1", "server", "1", "", (1,)),
            ("timescale/timescaledb:2.14.2-pg15", "timescaledb", "2.14.2-pg15", "timescaledb", (15,)),
            ("pgvector/pgvector:pg16", "pgvector", "pg16", "pgvector", (16,)),
            ("timescale/timescaledb:2.14.2", "timescaledb", "2.14.2", "timescaledb", ()),
            ("oliver006/redis_exporter:1", "redis_exporter", "1", "", (1,)),
            ("shop/web:2f00ab", "web", "2f00ab", "", ()),
            ("", "", "", "", ()),
        ],
    )
    def test_are_taken_apart(self, image: str, base: str, tag: str, engine: str, version: tuple[int, ...]) -> None:
        """
        Registry, team and digest do not matter; the tag's leading numbers are the version.
        """
        name = image_name(image)

        assert (name.base, name.tag, name.engine, name.version) == (base, tag, engine, version)


class TestSeries:
    @pytest.mark.parametrize(
        ("image", "numbers"),
        [
            ("postgres:15.3", (15,)),
            ("mysql:8.4.1", (8, 4)),
            ("mongo:4.4", (4, 4)),
            ("mongo:7.0", (7,)),
            ("rabbitmq:3.13-management", (3, 13)),
            ("redis:latest", ()),
            ("cockroachdb/cockroach:v23.2.4", (23, 2)),
            ("percona/percona-server:8.0.36", (8, 0)),
            ("timescale/timescaledb:2.14-pg15", (15,)),
        ],
    )
    def test_numbers_that_must_be_equal(self, image: str, numbers: tuple[int, ...]) -> None:
        """
        Most engines break with their first number, some with their second.
        """
        assert series(image_name(image)) == numbers


class TestIdentified:
    def test_by_the_postgresql_inside(self) -> None:
        """
        An extension's own number says nothing of the data; where the tag has no other, the image's variables do.
        """
        name = identified("timescale/timescaledb:2.14.2", {"PG_VERSION": "15.6", "PG_MAJOR": "15"})

        assert series(name) == (15,)


class TestStateful:
    @pytest.mark.parametrize(
        ("service", "stateful"),
        [
            (Service(name="a", image="postgres:15"), True),
            (Service(name="a", image="web"), False),
            (Service(name="a", image="web", mounts=(Mount(MountType.VOLUME, "/uploads", "v"),)), False),
            (Service(name="a", image="own", mounts=(Mount(MountType.VOLUME, "/var/lib/mysql", "v"),)), True),
            (Service(name="a", image="own", mounts=(Mount(MountType.BIND, "/bitnami/x", "/d"),)), True),
            (Service(name="a", image="own", mounts=(Mount(MountType.VOLUME, "/data/db", "v", read_only=True),)), False),
            (Service(name="a", image="own", mounts=(Mount(MountType.TMPFS, "/data/db"),)), False),
            (Service(name="a", image="redis", labels={"splitter.stateful": "false"}), False),
            (Service(name="a", image="web", labels={"splitter.stateful": "true"}), True),
        ],
    )
    def test_label_then_image_then_folder(self, service: Service, stateful: bool) -> None:
        """
        The label decides, else the image's name, else a writable mount at a known data folder.
        """
        assert is_stateful(service) is stateful

    def test_data_mounts(self) -> None:
        """
        Data is at the known folders, and anywhere writable where there is none.
        """
        known = Mount(MountType.VOLUME, "/var/lib/postgresql/data", "pg")
        other = Mount(MountType.BIND, "/etc/conf", "/conf")
        fixed = Mount(MountType.BIND, "/init", "/init", read_only=True)

        assert data_mounts(Service(name="a", mounts=(known, other, fixed))) == (known,)
        assert data_mounts(Service(name="a", mounts=(other, fixed))) == (other,)
