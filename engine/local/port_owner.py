"""Which process listens on a port of this machine, as far as /proc tells us."""

from contextlib import suppress
from pathlib import Path

LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp (proc_pid_net(5))."""


def owner_of(port: int) -> str:
    """`process 4711 (java -cp …)`; `another process` where it is another user's, or none is found."""
    wanted = {f"socket:[{inode}]" for inode in _listening(port)}
    for descriptor in Path("/proc").glob("[0-9]*/fd/*") if wanted else ():
        with suppress(OSError):  # it has ended, or is not ours to look into
            if str(descriptor.readlink()) in wanted:
                process = descriptor.parent.parent
                command = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                return f"process {process.name} ({command[:80]}{' …' if len(command) > 80 else ''})"
    return "another process"


def _listening(port: int) -> set[str]:
    """The inodes of sockets that listen on it, of both families."""
    found = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                (
                    _,
                    local,
                    _,
                    state,
                    *_,
                ) = line.split()
                inode = line.split()[9]
                if state == LISTENS and int(local.rpartition(":")[2], 16) == port:
                    found.add(inode)
    return found
