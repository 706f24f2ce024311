"""A cgroup of the machine's, for a test as root: version 1 where the controller is there, else version 2."""
import os
import re
from pathlib import Path

from harness import wait_for


class NoCgroup(Exception):
    """Why there is none."""


def find(controller):
    """(version, directory of this process)."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    paths = {c: p for _, c, p in (line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines())}
    for _, point, kind, options, *_ in mounts:
        if kind == "cgroup" and controller in options.split(","):
            own = next((p for c, p in paths.items() if controller in c.split(",")), "/")
            return 1, Path(point + own) if Path(point + own).is_dir() else Path(point)
    for _, point, kind, *_ in mounts:
        if kind == "cgroup2" and controller in (Path(point) / "cgroup.controllers").read_text().split():
            return 2, Path(point)
    raise NoCgroup(f"no {controller} controller is mounted")


class Cgroup:
    """Ends with its directory gone: what ran in it must have ended."""
    controller = None

    def __init__(self, name, *limit):
        if os.geteuid() != 0:
            raise NoCgroup("not root")
        self.version, parent = find(self.controller)
        self.path = parent / f"{name}-{os.getpid()}"
        try:
            if self.version == 2:
                (parent / "cgroup.subtree_control").write_text(f"+{self.controller}")
            self.path.mkdir()
        except OSError as e:
            raise NoCgroup(f"{self.path} cannot be made: {e}") from e
        try:
            self.set(*limit)
        except OSError as e:
            self.path.rmdir()
            raise NoCgroup(f"{self.path} takes no limit: {e}") from e

    def wrap(self):
        """argv in front of a command that shall run in it."""
        return ("sh", "-c", f'echo $$ >"{self.path}/cgroup.procs" && exec "$@"', "sh")

    def remove(self):
        def gone():
            try:
                self.path.rmdir()
            except OSError:  # what ran in it has not ended yet
                pass
            return not self.path.exists()
        wait_for(gone, f"{self.path} is empty", 10)


class CpuCgroup(Cgroup):
    """So much of one core, in the shortest pieces that the kernel gives."""
    controller = "cpu"
    PIECE = 1000  # microseconds

    def set(self, share):
        period = int(self.PIECE / share)
        if self.version == 1:
            (self.path / "cpu.cfs_period_us").write_text(str(period))
            (self.path / "cpu.cfs_quota_us").write_text(str(self.PIECE))
        else:
            (self.path / "cpu.max").write_text(f"{self.PIECE} {period}")


class MemoryCgroup(Cgroup):
    controller = "memory"

    def set(self, limit):
        self.limit = limit
        (self.path / ("memory.limit_in_bytes" if self.version == 1 else "memory.max")).write_text(str(limit))
        if self.version == 2 and (self.path / "memory.swap.max").exists():
            (self.path / "memory.swap.max").write_text("0")

    def kills(self):
        """How often the kernel found no memory for it but by killing."""
        if self.version == 2:
            return int(re.search(r"^oom_kill (\d+)", (self.path / "memory.events").read_text(), re.M).group(1))
        text = (self.path / "memory.oom_control").read_text()
        found = re.search(r"^oom_kill (\d+)", text, re.M)
        return int(found.group(1)) if found else 0

    def used(self):
        """Bytes that count, without cache of files that is given up."""
        use = int((self.path / ("memory.usage_in_bytes" if self.version == 1 else "memory.current")).read_text())
        key = "total_inactive_file" if self.version == 1 else "inactive_file"
        return use - int(re.search(rf"^{key} (\d+)", (self.path / "memory.stat").read_text(), re.M).group(1))
