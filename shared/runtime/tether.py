"""A process on a tether: it stops when the process that started it is gone, however that one died.

Run as a script (`python -I -S tether.py SIGNAL UID GID PARENT FOLDER PROGRAM …`) it gives up root
where asked, ties itself, and becomes PROGRAM under the same process id; it imports nothing of ours.
Forking with a Python callback would do without a script, but is unsafe in a process with threads.
"""

import ctypes
import os
import signal
import sys

# <linux/prctl.h>
PR_SET_PDEATHSIG = 1
# Where a program that gave up root finds FOLDER, though it may not pass through the folders above.
FOLDER_DESCRIPTOR = 100


def tie(death_signal: int, *, parent: int) -> None:
    """Have the kernel send `death_signal` to this process when `parent` ends.

    The tie outlives `exec` but not a change of user. On systems without it nothing happens. Ends
    this process at once when `parent` ended before the tie was made.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(death_signal))
    if os.getppid() != parent:
        os._exit(128 + death_signal)


def main() -> None:
    """Become the given user, tie this process, become the given program."""
    death_signal, uid, gid, parent = (int(word) for word in sys.argv[1:5])
    folder, *program = sys.argv[5:]
    if os.geteuid() == 0 and uid != 0:
        os.dup2(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), FOLDER_DESCRIPTOR, inheritable=True)
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Python ignores these two, and an ignored signal stays ignored after exec.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    tie(death_signal, parent=parent)
    os.execv(program[0], program)  # noqa: S606 - becoming that program is what this script is for


if __name__ == "__main__":
    main()
