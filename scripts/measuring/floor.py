"""What a session cannot cost less than (examples/floor): a handshake in memory, and the kernel's part."""

import json
import subprocess

from .servers import ROOT

FLOOR = ROOT / "target" / "release" / "examples" / "floor"
SESSIONS = 2000

# Suites by the names that servers log, and those of IANA.
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
}
# Of servers that log none: what shakedown and they choose.
USUAL = {"1.2": "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "1.3": "TLS_AES_256_GCM_SHA384"}


def suite(negotiated, version):
    """The suite in a server's `VERSION SUITE GROUP`, by its IANA name."""
    words = negotiated.split()
    return SUITES.get(words[1], words[1]) if len(words) > 1 else USUAL[version]


def measure(auth, version, resumed, suite_name, client_core, server_core):
    """Client and server CPU time in µs: in memory, of TCP, and of both in one program."""
    kind = "resumed" if resumed else "full"
    words = [FLOOR, auth, version, kind, suite_name, str(SESSIONS), str(client_core), str(server_core)]
    done = subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def client_us(measured):
    return measured["memory_client_us"] + measured["tcp_client_us"]


def server_us(measured):
    return measured["memory_server_us"] + measured["tcp_server_us"]


def whole_client_us(measured):
    """Both parts in the plainest program."""
    return measured["whole_client_us"]
