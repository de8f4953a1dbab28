from splitter.model import StackId
from splitter.placement import ALONE, Placement, VolumeMode


class TestJournal:
    def test_keeps_every_field(self) -> None:
        """
        What the journal keeps of a placement is all of it.
        """
        placement = Placement(
            base=StackId("shop-r1"),
            adopted="old",
            shared=("db",),
            resized=("db",),
            volumes={"data": VolumeMode.SHARE, "cache": VolumeMode.COPY},
            paused=("cache",),
            singletons=("worker",),
            late=("contract",),
            skipped=("seed",),
        )

        assert placement == Placement.from_mapping(placement.to_mapping())
        assert len(placement.to_mapping()) == 9

    def test_knows_nothing_of_stacks_that_stand_alone(self) -> None:
        """
        What an older splitter wrote says nothing, and means a stack that is wholly its own.
        """
        assert ALONE.to_mapping() == {}
        assert Placement.from_mapping({}) == ALONE


class TestWaiting:
    def test_is_for_stacks_beside_another(self) -> None:
        """
        A stack that stands alone runs wholly from the start.
        """
        alone = Placement(singletons=("worker",))
        beside = Placement(base=StackId("shop-r1"), singletons=("worker",), late=("contract",))

        assert alone.waiting == ()
        assert beside.waiting == ("worker", "contract")
