"""Where costs are measured: certificates, shakedown's `serve` on one part of the cores, and shakedown on the other."""

import contextlib
import json
import os
import pathlib
import resource
import subprocess
import tempfile

from . import process, servers

# The generator itself, the server and both runtimes need some.
SPARE_DESCRIPTORS = 100


class Place:
    """A folder with certificates, and the cores by whose they are."""

    def __init__(self, folder, clients=1):
        self.work = pathlib.Path(folder)
        self.pki = self.work / "pki"
        self.cores = sorted(os.sched_getaffinity(0))
        # A server of full handshakes with clients that are not authenticated does about half of their work.
        self.server_cores = self.cores[:max(len(self.cores) // 3, 1)]
        self.client_cores = self.cores[len(self.server_cores):] or self.cores
        words = [servers.SHAKEDOWN, "pki", "new", self.pki, "--clients", str(clients)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    @contextlib.contextmanager
    def serving(self, setting, cores=None):
        """`shakedown serve` on the server's cores, or on others. Yields it."""
        server = servers.Serve("serve", setting, self.pki, self.work, cores or self.server_cores)
        try:
            yield server
        finally:
            server.stop()

    def client(self, server, *more, auth="mtls", cores=None):
        """The command line of a run against a server."""
        words = [servers.SHAKEDOWN, "run", f"https://localhost:{server.port}/", "--cacert", self.pki / "ca.pem"]
        if auth == "mtls":
            words += ["--cert", self.pki / "client-0.pem", "--key", self.pki / "client-0.key"]
        cores = cores or self.client_cores[:1]
        words += ["--workers", str(len(cores)), "--cores", servers.listed(cores)]
        return [*map(str, words), *more, "--quiet", "--output", str(self.work / "result.json")]

    def run(self, words, watch=None, limit_s=600):
        """Runs it. Returns what the process used, and the trials of all its cells."""
        (self.work / "result.json").unlink(missing_ok=True)
        used = process.run(words, cwd=self.work, watch=watch, limit_s=limit_s)
        try:
            result = json.loads((self.work / "result.json").read_text())
        except OSError as error:
            raise RuntimeError(f"{' '.join(words)}: {used.output[-600:]}") from error
        return used, [trial for cell in result["cells"] for trial in cell["trials"]]


@contextlib.contextmanager
def place(clients=1):
    with tempfile.TemporaryDirectory() as folder:
        yield Place(folder, clients)


def most_held():
    """The most sessions that one process can hold, by the limit of its descriptors."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - SPARE_DESCRIPTORS


def confirmed(trials):
    return sum(sum(trial["total"]["ok"].values()) for trial in trials)


def worker_us(trials):
    """CPU time of the workers per session that ended, in µs."""
    cpu_ns = sum(trial["worker_cpu"]["cpu_ns"] for trial in trials)
    return cpu_ns / 1e3 / max(sum(trial["worker_cpu"]["ended"] for trial in trials), 1)
