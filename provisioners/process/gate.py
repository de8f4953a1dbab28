"""The program that a service's process is before it becomes the service; run as a file, never imported.

It waits on standard input for what to run, and ends if the daemon does not say so: a daemon that dies before it has
written down the process leaves nothing behind.  `exec` keeps pid and start time, so the record stays true.  It is not a
shell, because shells drop environment variables whose names they cannot spell.

The file descriptor in the first argument closes itself when `exec` has worked; otherwise the reason is written to it.
"""

import json
import os
import resource
import signal
import sys

CANNOT_RUN = 126


def main() -> None:
    status = int(sys.argv[1])
    os.set_inheritable(status, False)
    try:
        order = json.loads(sys.stdin.buffer.read())
    except ValueError:  # the daemon is gone, and its order is missing or cut off
        sys.exit(CANNOT_RUN)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and `exec` would hand that on
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_NOFILE, order["descriptors"])  # the daemon has more for its clients
    try:
        os.execve(order["program"], order["arguments"], order["environment"])  # noqa: S606 - it is what we are for
    except OSError as error:
        os.write(status, str(error.strerror).encode())
        sys.exit(CANNOT_RUN)


if __name__ == "__main__":
    main()
