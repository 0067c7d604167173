"""Runs a server that listens on every address, or on ports of its own, where nobody else sees it: in a network and a
process namespace. One port of 127.0.0.1 leads to the same port inside. Linux only.

arguments: PORT COMMAND...

It listens once the server does. When either ends, so does the other, with all its processes.
"""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

NEW_USER, NEW_PROCESSES, NEW_NETWORK = 0x10000000, 0x20000000, 0x40000000
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
LIBC = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        sys.exit(f"no namespace: {os.strerror(ctypes.get_errno())}")


def enter_namespaces():
    user, group = os.getuid(), os.getgid()
    check(LIBC.unshare(NEW_NETWORK | (0 if user == 0 else NEW_USER)))
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    check(LIBC.unshare(NEW_PROCESSES))


def listens(port):
    for name in ("tcp", "tcp6"):
        with open(f"/proc/self/net/{name}") as sockets:
            for line in sockets:
                _, local, _, state, *_ = line.split()
                if local.endswith(f":{port:04X}") and state == "0A":
                    return True
    return False


async def pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.transport.abort()


async def relay(port, reader, writer):
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.transport.abort()
        return
    await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
    inner_writer.close()
    writer.close()


async def serve(outer, port, server):
    tasks = set()

    def accepted(reader, writer):
        task = asyncio.ensure_future(relay(port, reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    await asyncio.start_server(accepted, sock=outer, backlog=4096)
    while server.poll() is None:
        await asyncio.sleep(0.2)


def main():
    port, command = int(sys.argv[1]), sys.argv[2:]
    # A socket stays in the namespace in which it was made; connections are made in the new one.
    outer = socket.socket()
    outer.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    outer.bind(("127.0.0.1", port))
    enter_namespaces()
    # Process 1 of its namespace: when it is killed, all others are.
    server = subprocess.Popen(command, preexec_fn=lambda: LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        while not listens(port):
            if server.poll() is not None:
                sys.exit(f"the server ended with status {server.returncode}")
            time.sleep(0.05)
        asyncio.run(serve(outer, port, server))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
