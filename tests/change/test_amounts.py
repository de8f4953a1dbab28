import pytest

from splitter.template import (
    BlockIo,
    DeviceRate,
    Limits,
    Ulimit,
)
from tests.change.compose import mistake, service

pytestmark = pytest.mark.usefixtures("every_key")


class TestLimits:
    def test_every_bound_of_a_container(self) -> None:
        """
        Sizes are bytes, times microseconds, and 0 is the engine's default.
        """
        limits = service(
            "mem_limit: 1g, mem_reservation: 512m, memswap_limit: 2g, mem_swappiness: 10, shm_size: 64m,"
            " cpus: 1.5, cpu_shares: 512, cpu_quota: 50000, cpu_period: '100000', cpu_rt_period: 10, cpu_rt_runtime: 5,"
            " cpuset: '0-1', oom_kill_disable: true, oom_score_adj: -500, pids_limit: 0"
        ).limits

        assert limits == Limits(
            memory_bytes=1024**3,
            memory_reservation_bytes=512 * 1024**2,
            memory_swap_bytes=2 * 1024**3,
            memory_swappiness=10,
            shm_bytes=64 * 1024**2,
            cpus=1.5,
            cpu_shares=512,
            cpu_quota_us=50_000,
            cpu_period_us=100_000,
            cpu_rt_period_us=10,
            cpu_rt_runtime_us=5,
            cpu_set="0-1",
            oom_kill_disable=True,
            oom_score_adj=-500,
        )

    def test_endless_swap(self) -> None:
        """
        A swap limit of -1 is a bound of its own.
        """
        assert service("memswap_limit: -1").limits.memory_swap_bytes == -1

    def test_reserved_memory_in_either_place(self) -> None:
        """
        A reservation may stand under deploy, and must then be the same.
        """
        nested = "deploy: {resources: {reservations: {memory: 1m}}}"

        assert service(nested).limits.memory_reservation_bytes == 1024**2
        assert "says another limit" in mistake(f"mem_reservation: 2m, {nested}")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("mem_swappiness: 101", "'101' is more than 100"),
            ("oom_score_adj: -1001", "'-1001' is less than -1000"),
            ("blkio_config: {weight: 5}", "5 is less than 10; write 0"),
            ("blkio_config: {device_read_bps: [{path: /dev/sda}]}", "a bound needs path and rate"),
            ("blkio_config: {weight_device: [{path: /dev/sda, rate: 1}]}", "unknown key 'rate'"),
        ],
    )
    def test_what_is_out_of_bounds(self, text: str, message: str) -> None:
        """
        A bound that the engine would refuse is a mistake at its place.
        """
        try:
            found = mistake(text)
        except AssertionError as error:  # a row without its value is two mistakes: the key, and what is missing
            found = str(error)

        assert message in found

    def test_block_devices(self) -> None:
        """
        Rates are bytes or operations a second, by device.
        """
        block_io = service(
            "blkio_config: {weight: 300, weight_device: [{path: /dev/sdb, weight: 400}, {path: /dev/sda, weight: 200}],"
            " device_read_bps: [{path: /dev/sda, rate: 12mb}], device_write_iops: [{path: /dev/sda, rate: 30}]}"
        ).limits.block_io

        assert block_io == BlockIo(
            weight=300,
            weight_device=(DeviceRate("/dev/sda", 200), DeviceRate("/dev/sdb", 400)),
            device_read_bps=(DeviceRate("/dev/sda", 12 * 1024**2),),
            device_write_iops=(DeviceRate("/dev/sda", 30),),
        )


class TestUlimits:
    def test_one_number_is_both(self) -> None:
        """
        A single number is the soft and the hard limit.
        """
        ulimits = service("ulimits: {nproc: 65535, nofile: {soft: 20000, hard: '40000'}, core: -1}").limits.ulimits

        assert ulimits == (Ulimit("core", -1, -1), Ulimit("nofile", 20_000, 40_000), Ulimit("nproc", 65_535, 65_535))

    def test_soft_is_not_above_hard(self) -> None:
        """
        A soft limit above the hard one is a mistake.
        """
        assert "soft (2) is more than hard (1)" in mistake("ulimits: {nofile: {soft: 2, hard: 1}}")

    def test_both_are_needed(self) -> None:
        """
        A mapping with one of the two is a mistake.
        """
        assert "a limit needs soft and hard" in mistake("ulimits: {nofile: {soft: 2}}")


class TestAmounts:
    def test_limits_in_either_place(self) -> None:
        """
        Limits beside the service and under deploy are the same limits.
        """
        beside = service("mem_limit: 64m, cpus: '0.5', pids_limit: 100")
        nested = service("deploy: {resources: {limits: {memory: 64M, cpus: 0.5, pids: 100}}}")

        assert beside == nested
        assert beside.limits == Limits(64 * 1024 * 1024, 0.5, 100)

    def test_zero_is_unbounded(self) -> None:
        """
        A limit of 0, and -1 processes, bound nothing.
        """
        assert service("mem_limit: 0, cpus: 0, pids_limit: -1").limits == Limits()

    def test_two_limits_must_agree(self) -> None:
        """
        Two places that say different things are a mistake.
        """
        text = "mem_limit: 1g, deploy: {resources: {limits: {memory: 2g}}}"

        assert "deploy.resources says another limit" in mistake(text)

    def test_replicas_have_an_end(self) -> None:
        """
        Each replica is a container, so a slip of the finger is not taken for a wish.
        """
        assert mistake("scale: 1000000000").endswith("'1000000000' is more than 1000")
        assert mistake("deploy: {replicas: 1001}").endswith("'1001' is more than 1000")

    def test_replicas_in_either_place(self) -> None:
        """
        scale and deploy.replicas are the same number, also as text.
        """
        assert service("scale: 3").replicas == 3
        assert service("deploy: {replicas: '3'}").replicas == 3
        assert service("scale: 2, deploy: {replicas: 2}").replicas == 2
        assert "scale is 2, deploy.replicas is 3" in mistake("scale: 2, deploy: {replicas: 3}")

    def test_one_name_is_for_one_container(self) -> None:
        """
        A container name excludes replicas.
        """
        assert "2 replicas cannot have one name" in mistake("container_name: shop, scale: 2")

    @pytest.mark.parametrize(
        ("text", "restart"),
        [
            ("restart: no", "no"),
            ("restart: always", "always"),
            ("restart: on-failure:3", "on-failure:3"),
            ("deploy: {restart_policy: {condition: any}}", "always"),
            ("deploy: {restart_policy: {condition: none}}", "no"),
            ("deploy: {restart_policy: {condition: on-failure, max_attempts: 3}}", "on-failure:3"),
            ("deploy: {restart_policy: {}}", "always"),
        ],
    )
    def test_restart(self, text: str, restart: str) -> None:
        """
        Both ways to say when a container restarts have one value.
        """
        assert restart == service(text).restart

    def test_restart_mistakes(self) -> None:
        """
        A boolean or an unknown word is refused with the words that are known.
        """
        assert "on-failure" in mistake("restart: false")
        assert "'sometimes' is not one of no, always" in mistake("restart: sometimes")
