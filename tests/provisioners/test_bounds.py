"""What parts are measured against where nobody gave them a limit."""

import resource
import subprocess
import sys

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
        Each file that a process opens is one more, and the limit is the kernel's for that process.
        """
        program = "import sys; files = [open('/dev/null') for _ in range(50)]; print(flush=True); sys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            opened, limit = descriptors([child.pid])
            child.communicate()

        assert opened is not None
        assert 53 <= opened < 100
        assert limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]

    def test_of_nobody_are_not_known(self) -> None:
        """
        A process that has ended meanwhile is left out.
        """
        assert descriptors([2**22 + 1]) == (None, None)  # beyond the highest pid that a kernel gives
