"""oha: Rust, hyper on rustls and tokio."""

import json

from peer import Peer


def command(job):
    words = ["oha", "--no-tui", "--disable-keepalive", "-c", str(job.at_once), "-n", str(job.sessions)]
    words += ["--cacert", job.pki / "ca.pem", "--output-format", "json"]
    if job.auth == "mtls":
        words += ["--cert", job.pki / "client-0.pem", "--key", job.pki / "client-0.key"]
    return words + [job.url]


def counted(_, output):
    return json.loads(output)["statusCodeDistribution"].get("200", 0)


PEER = Peer(
    name="oha",
    program="oha",
    version=["--version"],
    command=command,
    counted=counted,
    counts="requests with status 200",
    verifies="chain and name",
    resumption="cannot be told: resumes whenever the server gives a ticket",
    also="offers X25519MLKEM768 too, a key of 1.2 kB",
    source="cargo install oha --locked --root target/tools",
)
