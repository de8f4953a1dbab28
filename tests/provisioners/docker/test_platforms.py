import pytest

from provisioners.docker.platforms import choose, is_for, of_engine
from splitter.template import Build

SEVERAL = Build("/srv", platforms=("linux/amd64", "linux/arm64/v8"))


class TestPlatforms:
    @pytest.mark.parametrize("asked", ["linux/arm64", "linux/arm64/v8", "linux/aarch64", "arm64", "linux"])
    def test_may_say_less_than_the_image(self, asked: str) -> None:
        """
        A platform may leave out the system, the architecture or the variant, and has old names too.
        """
        assert is_for(asked, "linux/arm64")

    def test_of_an_engine_have_today_s_names(self) -> None:
        """
        Engines say what the kernel says.
        """
        assert of_engine({"OSType": "linux", "Architecture": "x86_64"}) == "linux/amd64"
        assert of_engine({"Architecture": "riscv64"}) == "linux/riscv64"


class TestChoice:
    @pytest.mark.parametrize(
        ("build", "asked", "chosen"),
        [
            (Build("/srv"), "", ""),
            (Build("/srv"), "linux/arm64", "linux/arm64"),
            (Build("/srv", platform="linux/s390x"), "", "linux/s390x"),
            (SEVERAL, "", "linux/arm64/v8"),
            (SEVERAL, "linux/amd64", "linux/amd64"),
        ],
    )
    def test_is_what_the_engine_runs(self, build: Build, asked: str, chosen: str) -> None:
        """
        Of several platforms that of the engine is built, unless the service asks for one.
        """
        assert chosen == choose(build, asked, "linux/arm64")

    def test_may_be_empty(self) -> None:
        """
        A build for other machines alone cannot be run here, which is said with both.
        """
        with pytest.raises(ValueError, match=r"built for linux/amd64, linux/arm64/v8, and the engine runs linux/s390x"):
            choose(SEVERAL, "", "linux/s390x")
