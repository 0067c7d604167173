"""Servers to measure against, pinned to a core: those of scripts/servers, and `shakedown serve`.

Each says what it used, and what its log holds, between two moments.
"""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import time

from . import process

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SHAKEDOWN = ROOT / "target" / "release" / "shakedown"

# An accepted request in the logs of scripts/servers.d: what was negotiated, and what tells a resumed session.
LOG_LINE = {
    "nginx": re.compile(r"^200 (?P<negotiated>\S+ \S+ \S+) .*reused=(?P<reused>r|\.)"),
    "haproxy": re.compile(r"^200 (?P<negotiated>\S+ \S+) .*reused=(?P<reused>1|0)"),
}
REUSED = {"r", "1"}
SETTLE_S = 2


@dataclasses.dataclass
class Seen:
    """What a server counted of one client, and the CPU time that took it. None: it does not tell."""

    cpu_s: float
    accepted: int | None = None
    resumed: int | None = None
    negotiated: str = ""


@dataclasses.dataclass
class Setting:
    """How a server is set up."""

    auth: str
    version: str
    resumes: bool


def start(name, setting, pki, folder, cores):
    """Starts a server by its name, one of scripts/servers or `serve`, with a thread for each of these cores."""
    return (Serve if name == "serve" else Logging)(name, setting, pki, folder, cores)


class Logging:
    """A server of scripts/servers, which goes on from one client to the next."""

    def __init__(self, name, setting, pki, folder, cores):
        self.name, self.folder = name, folder
        switch = "on" if setting.resumes else "off"
        words = [
            "scripts/servers", "start", name, "--pki", pki, "--run", folder, "--tls", setting.version,
            "--client-auth", "required" if setting.auth == "mtls" else "off",
            "--tickets", switch, "--cache", switch, "--threads", str(len(cores)),
            "--cpu", listed(cores),
        ]
        done = subprocess.run(words, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        said = dict(word.split("=", 1) for word in done.stdout.split())
        self.pid, self.port, self.log = int(said["pid"]), int(said["port"]), pathlib.Path(said["log"])

    def begin(self):
        self.from_byte = self.log.stat().st_size
        self.cpu_s = process.group_cpu_s(self.pid)

    def end(self):
        cpu_s = process.group_cpu_s(self.pid) - self.cpu_s
        return count(self.name, settled(self.log, self.from_byte), cpu_s)

    def stop(self):
        subprocess.run(["scripts/servers", "stop", "--run", self.folder], cwd=ROOT, check=True)


class Serve:
    """The embedded target as a process of its own. It counts when it ends, so each client gets a new one."""

    def __init__(self, _name, setting, pki, _folder, cores):
        self.command = [
            SHAKEDOWN, "serve", "--listen", "127.0.0.1:0", "--pki", pki, "--tls", setting.version,
            "--client-auth", "required" if setting.auth == "mtls" else "off",
            "--tickets", "stateless" if setting.resumes else "off", "--threads", str(len(cores)),
            "--cores", listed(cores),
        ]
        self.process = None
        self.port = 0
        self.begin()

    def begin(self):
        self.stop()
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        # The same port for all: clients are told it once.
        listening = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+) ", listening)[1])
        self.command[self.command.index("--listen") + 1] = f"127.0.0.1:{self.port}"
        self.cpu_s = process.parse_stat((process.PROC / str(self.process.pid) / "stat").read_text())[1]

    def end(self):
        cpu_s = process.parse_stat((process.PROC / str(self.process.pid) / "stat").read_text())[1] - self.cpu_s
        return count_serve(self.stop(), cpu_s)

    def stop(self):
        if self.process is None:
            return ""
        self.process.send_signal(signal.SIGTERM)
        said, _ = self.process.communicate(timeout=10)
        self.process = None
        return said


def listed(cores):
    return ",".join(map(str, cores))


def settled(log, from_byte):
    """What a log got since, once it no longer grows: its last lines come a moment after the answers."""
    deadline = time.monotonic() + SETTLE_S
    size = -1
    while size != os.path.getsize(log) and time.monotonic() < deadline:
        size = os.path.getsize(log)
        time.sleep(0.05)
    with open(log, errors="replace") as file:
        file.seek(from_byte)
        return file.read()


def count(name, text, cpu_s):
    """What the log lines of accepted requests say."""
    lines = [found for line in text.splitlines() if (found := LOG_LINE[name].match(line))]
    negotiated = sorted({line["negotiated"] for line in lines})
    return Seen(cpu_s, len(lines), sum(line["reused"] in REUSED for line in lines), ", ".join(negotiated))


def count_serve(text, cpu_s):
    """What `shakedown serve` says when it ends."""
    found = re.search(r"handshakes ([\d,]+) full and ([\d,]+) resumed", text)
    full, resumed = (int(number.replace(",", "")) for number in found.groups())
    return Seen(cpu_s, full + resumed, resumed)
