"""What parts are measured against where nobody gave them a limit."""

import os
import tempfile

from provisioners.bounds import descriptors, host_limit


class TestHostLimit:
    def test_leaves_a_tenth(self) -> None:
        """
        A part without a limit may use nine tenths of the host.
        """
        assert host_limit(1_000) == 900


class TestDescriptors:
    def test_are_counted(self) -> None:
        """
        Each file that a process opens is one more.
        """
        before, limit = descriptors([os.getpid()])

        with tempfile.TemporaryFile():
            now, _ = descriptors([os.getpid()])

        assert limit is not None
        assert (before or 0) + 1 == now

    def test_of_nobody_are_not_known(self) -> None:
        """
        A process that has ended meanwhile is left out.
        """
        assert descriptors([2**22 + 1]) == (None, None)  # beyond the highest pid that a kernel gives
