#!/usr/bin/env python3
"""CPU of the client per session with a client certificate, in the protocols of PostgreSQL and MQTT, beside the
clients that come with the servers: pgbench -C, and a loop of mosquitto_pub. In HTTP/2, beside h2load, per session and per
request without a client certificate, which h2load cannot present. In turns, A B B A.

usage: scripts/conversations.py [--sessions N] [--rounds N] [--shakedown FILE]

Needs root (PostgreSQL runs as the user postgres) and what `scripts/install-deps --peers` installs. Prints a table in
Markdown. CPU is user and system time of the whole process and its children by the kernel's account, start included.
"""

import argparse
import glob
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

AT_ONCE = 8


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def await_port(port):
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    sys.exit(f"nothing listens on 127.0.0.1:{port}")


def quietly(command, **more):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)


def postgres(place, pki):
    """A PostgreSQL server that asks for a certificate with the user's name."""
    bin = Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    data, port = place / "data", free_port()
    for name in ("server.pem", "server.key", "ca.pem"):
        shutil.copy(pki / name, place / name)
        shutil.chown(place / name, "postgres", "postgres")
        (place / name).chmod(0o600)
    shutil.chown(place, "postgres", "postgres")
    as_postgres = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": place}
    quietly([bin / "initdb", "-U", "client-0", "-A", "trust", "-D", data], **as_postgres)
    (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.0/8 cert clientcert=verify-full\n")
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "ssl": "on",
                "ssl_cert_file": place / "server.pem", "ssl_key_file": place / "server.key",
                "ssl_ca_file": place / "ca.pem", "max_connections": 50}
    flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
    server = subprocess.Popen([bin / "postgres", "-D", data, *flags], **as_postgres,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_port(port)
    return server, port, bin / "pgbench"


def mosquitto(place, pki):
    """A broker that asks for a certificate."""
    port = free_port()
    (place / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\ncafile {pki}/ca.pem\ncertfile {pki}/server.pem\nkeyfile {pki}/server.key\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous true\nuser root\nlog_type none\n")
    server = subprocess.Popen(["mosquitto", "-c", place / "mosquitto.conf"], stderr=subprocess.DEVNULL)
    await_port(port)
    return server, port


def nginx(place, pki):
    """A server of HTTP/2 without client certificates and without resumption."""
    port = free_port()
    temporary = "".join(f"{kind}_temp_path {place}/{kind};\n" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (place / "nginx.conf").write_text(
        f"daemon off; user root root; worker_processes 1; pid {place}/nginx.pid; error_log {place}/nginx.log;\n"
        "events { worker_connections 8192; }\n"
        f"http {{ access_log off; keepalive_requests 1000000; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port} ssl http2 backlog=4096; ssl_certificate {pki}/server.pem;\n"
        f"ssl_certificate_key {pki}/server.key; ssl_protocols TLSv1.3; ssl_ecdh_curve X25519;\n"
        "ssl_session_cache off; ssl_session_tickets off; location / { return 200 ok; } } }\n")
    server = subprocess.Popen(["nginx", "-e", place / "nginx.log", "-p", place, "-c", place / "nginx.conf"],
                              stderr=subprocess.DEVNULL)
    await_port(port)
    return server, port


def cpu_us(command, sessions, env=None, cwd=None):
    """CPU of a command and its children, in microseconds per session (or what else is counted)."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=env, cwd=cwd, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read().decode(errors="replace")
    # A crowded machine makes a run of shakedown invalid for its latencies, not for its CPU.
    busy = process.returncode == 106 and "generator-limited" in text
    refused = command[0] == "h2load" and f"status codes: {sessions} 2xx" not in text
    if refused or process.returncode != 0 and not busy:
        sys.exit(f"{command[0]} ended with {process.returncode}:\n{text}")
    return (usage.ru_utime + usage.ru_stime) * 1e6 / sessions


def rounds(count, ours, theirs):
    pairs = []
    for number in range(count):
        # The order is mirrored in every second round, so that drift falls on both.
        first, second = (ours, theirs) if number % 2 == 0 else (theirs, ours)
        a, b = first(), second()
        pairs.append((a, b) if number % 2 == 0 else (b, a))
    return pairs


def beside_h2load(given, place, url):
    """Sessions of one request, all begun at once as h2load does it, and requests ten at a time on sessions that last."""
    shakedown, sessions = Path(given.shakedown).resolve(), given.sessions
    once = ["-n", sessions, "-c", sessions]
    # Exchanges of ten requests.
    kept, requests = 100, AT_ONCE * 1000
    ours = [shakedown, "run", url, f"--cacert={place}/pki/ca.pem", "--http2", "--warmup", "0s", "--workers", "1",
            "--auth", "server", "-q", "-o", place / "out.json"]
    theirs = ["h2load", "-t", "1", "--tls13-ciphers=TLS_AES_256_GCM_SHA384", "--groups=X25519"]

    def measure(ours, theirs, count):
        def run():
            (place / "out.json").unlink(missing_ok=True)
            return cpu_us([str(part) for part in ours], count, cwd=place)

        return rounds(given.rounds, run, lambda: cpu_us([str(part) for part in theirs], count))

    return {
        "HTTP/2, a request, no client certificate: `h2load`": measure(
            [*ours, *once], [*theirs, *once, "-m", "1", url], sessions),
        "HTTP/2, ten requests at a time on 8 sessions, CPU per request: `h2load`": measure(
            [*ours, "-n", AT_ONCE, "-c", AT_ONCE, "--streams", "10", "--exchanges", kept],
            [*theirs, "-n", requests, "-c", AT_ONCE, "-m", "10", url], requests),
    }


def spread(values, form):
    return f"{statistics.median(values):{form}} [{min(values):{form}} … {max(values):{form}}]"


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sessions", type=int, default=800)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--shakedown", default="target/release/shakedown")
    given = arguments.parse_args()
    shakedown, sessions = Path(given.shakedown).resolve(), given.sessions
    place = Path(tempfile.mkdtemp(prefix="conversations."))
    place.chmod(0o755)
    servers = []
    try:
        pki = place / "pki"
        quietly([shakedown, "pki", "new", pki])
        own = [f"--cacert={pki}/ca.pem", f"--cert={pki}/client-0.pem", f"--key={pki}/client-0.key"]
        load = ["-c", str(AT_ONCE), "-n", str(sessions), "--warmup", "0s", "--workers", "1", "--auth", "mutual", "-q",
                "-o", place / "out.json"]

        def ours(url):
            (place / "out.json").unlink(missing_ok=True)
            return cpu_us([shakedown, "run", url, *own, *load], sessions, cwd=place)

        folder = place / "postgres"
        folder.mkdir()
        server, port, pgbench = postgres(folder, pki)
        servers.append(server)
        (place / "select.sql").write_text("select 1;\n")
        libpq = {**os.environ, "PGSSLMODE": "verify-full", "PGSSLROOTCERT": f"{pki}/ca.pem",
                 "PGSSLCERT": f"{pki}/client-0.pem", "PGSSLKEY": f"{pki}/client-0.key", "PGUSER": "client-0",
                 "PGHOST": "localhost", "PGPORT": str(port), "PGDATABASE": "postgres"}
        bench = [pgbench, "-n", "-C", "-c", str(AT_ONCE), "-t", str(sessions // AT_ONCE), "-f", place / "select.sql"]
        found = {"PostgreSQL, `select 1`: `pgbench -C`": rounds(
            given.rounds,
            lambda: ours(f"postgres://client-0@localhost:{port}/postgres"),
            lambda: cpu_us(bench, sessions, env=libpq))}

        server, port = mosquitto(place, pki)
        servers.append(server)
        flags = f"-h localhost -p {port} --cafile {pki}/ca.pem --cert {pki}/client-0.pem --key {pki}/client-0.key"
        publish = f"mosquitto_pub {flags} -q 1 -t shakedown -m {'m' * 64}"
        # Each starts a process, so fewer will do.
        fewer = max(sessions // 4, 1)
        loop = ["bash", "-ec", f"for ((i = 0; i < {fewer}; i++)); do {publish}; done"]
        found["MQTT 3.1.1, a message at QoS 1: loop of `mosquitto_pub`"] = rounds(
            given.rounds, lambda: ours(f"mqtts://localhost:{port}/shakedown"), lambda: cpu_us(loop, fewer))

        server, port = nginx(place, pki)
        servers.append(server)
        found.update(beside_h2load(given, place, f"https://localhost:{port}/"))
    finally:
        for server in servers:
            server.send_signal(signal.SIGINT)
            server.wait()
        shutil.rmtree(place, ignore_errors=True)
    print("| session, and the peer | shakedown, CPU µs | the peer, CPU µs | peer / shakedown, round by round |")
    print("| --- | --- | --- | --- |")
    for name, pairs in found.items():
        ratios = [b / a for a, b in pairs]
        cells = [spread([a for a, _ in pairs], ",.0f"), spread([b for _, b in pairs], ",.0f"), spread(ratios, ".2f")]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
