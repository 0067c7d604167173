"""A TLS server on loopback that answers 200 to any request; started by scripts/servers.

arguments: PORT PKI required|optional|off 1.2|1.3|both CRL(on|off)
"""

import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from python_tls import tls_context

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-type", "text/plain")
        self.send_header("content-length", "3")
        self.end_headers()
        self.wfile.write(b"ok\n")

    def log_request(self, code="-", size="-"):
        tls = self.connection
        verdict = "SUCCESS" if tls.getpeercert() else "NONE"
        line = (
            f"{int(code)} {tls.version()} {tls.cipher()[0]} - {verdict}"
            f" reused={tls.session_reused} - uri={self.path}\n"
        )
        # In one piece, so that two threads' lines do not run into one another.
        os.write(sys.stdout.fileno(), line.encode())


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096

    def finish_request(self, request, client_address):
        # In the session's own thread, so that a slow handshake holds up nobody else.
        request.settimeout(60)
        with CONTEXT.wrap_socket(request, server_side=True) as session:
            self.RequestHandlerClass(session, client_address, self)

    def shutdown_request(self, request):
        # wrap_socket has taken the descriptor over where it succeeded, and closed it.
        request.close()

    def handle_error(self, request, client_address):
        print(f"{client_address[0]}: {sys.exc_info()[1]}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    port, pki, *how = sys.argv[1:]
    CONTEXT = tls_context(pki, *how)
    Server(("127.0.0.1", int(port)), Handler).serve_forever()
