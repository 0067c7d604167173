"""What is known about a peer. Each file beside this one has one, as PEER."""

import dataclasses
import pathlib
import typing


@dataclasses.dataclass
class Job:
    """What a tool is to do: a new connection for each request, so many at once."""

    port: int
    pki: pathlib.Path
    work: pathlib.Path
    auth: str
    version: str
    resumed: bool
    sessions: int
    seconds: int
    at_once: int

    @property
    def url(self):
        return f"https://localhost:{self.port}/"


@dataclasses.dataclass
class Peer:
    """A tool, and what it can do and counts."""

    name: str
    # The command that has to be installed, and arguments that print its version.
    program: str
    version: list
    # Job to command line.
    command: typing.Callable
    # Job and output to how many requests it says were answered well.
    counted: typing.Callable
    # What one of those is, in words.
    counts: str
    # What it verifies of the server.
    verifies: str
    # What there is about resumption to know.
    resumption: str
    resumes: bool = True
    mutual: bool = True
    versions: tuple = ("1.2", "1.3")
    # What it does that others do not.
    also: str = "–"
    # Whether it is shakedown.
    ours: bool = False
    # Whether it can only run for a time.
    timed: bool = False
    # Job to CPU time per session in µs as the tool itself gives it, if it does.
    own_us: typing.Callable | None = None
    # Where it comes from, for those who lack it.
    source: str = ""
