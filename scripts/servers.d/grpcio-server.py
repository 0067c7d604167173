"""A gRPC server with the health service of grpcio-health-checking; started by scripts/servers.

arguments: ADDRESS, and for TLS: PKI required|optional|off. It ends with the process that started it.
"""

import os
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc


class Logged(grpc.ServerInterceptor):
    def intercept_service(self, continuation, details):
        print("checked", details.method, flush=True)
        return continuation(details)


def credentials(pki, client_auth):
    pki = Path(pki)
    pair = ((pki / "server.key").read_bytes(), (pki / "server.pem").read_bytes())
    roots = None if client_auth == "off" else (pki / "ca.pem").read_bytes()
    return grpc.ssl_server_credentials([pair], roots, require_client_auth=client_auth == "required")


def main(address, *tls):
    parent = os.getppid()
    server = grpc.server(
        futures.ThreadPoolExecutor(2), interceptors=[Logged()], options=[("grpc.so_reuseport", 0)]
    )
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    if tls:
        server.add_secure_port(address, credentials(*tls))
    else:
        server.add_insecure_port(address)
    server.start()
    while tls or os.getppid() == parent:
        time.sleep(0.2)


if __name__ == "__main__":
    main(*sys.argv[1:])
