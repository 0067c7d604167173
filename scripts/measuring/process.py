"""What a process used: CPU time, memory, descriptors. From /proc and from the kernel's account of a child."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import time

PROC = pathlib.Path("/proc")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

# How often a child is looked at while it runs. Its peak is kept by the kernel until it has ended, so this is
# only how much of its last moments may be missed.
LOOK_EVERY_S = 0.01


@dataclasses.dataclass
class Used:
    """What a process used until it ended."""

    status: int
    cpu_s: float
    wall_s: float
    peak_kib: int
    output: str


def run(command, core=None, cwd=None, limit_s=120, watch=None):
    """Runs a command, on one core if that is given, and says what it used. Its output is both its streams.

    `watch`, if given, is called with the process's id about a hundred times a second.
    """
    pin = (lambda: os.sched_setaffinity(0, {core})) if core is not None else None
    path = pathlib.Path(cwd or ".") / "output.txt"
    begun = time.monotonic()
    with open(path, "w+") as output:
        child = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, preexec_fn=pin,
        )
        peak_kib = 0
        while True:
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
            if ended:
                break
            # Not ru_maxrss: that of a child begins with this interpreter's.
            peak_kib = max(peak_kib, status_kib(child.pid, "VmHWM"))
            if watch:
                watch(child.pid)
            if time.monotonic() - begun > limit_s:
                os.kill(child.pid, signal.SIGKILL)
            time.sleep(LOOK_EVERY_S)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - begun
        output.seek(0)
        text = output.read()
    return Used(child.returncode, usage.ru_utime + usage.ru_stime, wall_s, peak_kib, text)


def parse_stat(text):
    """Process group and CPU time in seconds (with the threads that have ended) from /proc/PID/stat."""
    fields = text[text.rindex(")") + 2:].split()  # the command's name may hold anything
    return int(fields[2]), (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def group_cpu_s(leader):
    """CPU time of all processes of a group, such as a server's master and its workers."""
    total = 0.0
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            group, cpu_s = parse_stat(stat.read_text())
        except (OSError, ValueError):
            continue  # ended while we looked
        if group == leader:
            total += cpu_s
    return total


def parse_kib(text, key):
    """A figure in kB of /proc/PID/status or smaps_rollup; 0 where it is missing."""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == key:
            return int(value.split()[0])
    return 0


def status_kib(pid, key):
    try:
        return parse_kib((PROC / str(pid) / "status").read_text(), key)
    except OSError:
        return 0


def memory_kib(pid):
    """Resident and proportional set size of a live process: (Rss, Pss)."""
    text = (PROC / str(pid) / "smaps_rollup").read_text()
    return parse_kib(text, "Rss"), parse_kib(text, "Pss")


def descriptors(pid):
    """How many files and sockets a live process has open."""
    return len(os.listdir(PROC / str(pid) / "fd"))
