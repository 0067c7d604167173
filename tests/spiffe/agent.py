"""A SPIFFE agent for the tests: grpcio's server, with the messages as the package spiffe generated them from the
published workload.proto.

usage: agent.py SOCKET

Lines of stdin say what it answers from then on; each is acknowledged by a line of stdout:
  svid ID CERT KEY BUNDLE   an SVID of these PEM files; open streams get it at once
  bytes HEX                 a message that is none
  deny                      no identity
  end                       ends the open streams; the answer stays
"""

import base64
import importlib.util
import re
import sys
import threading
import types
from concurrent import futures

import grpc

# Only the generated messages: the package itself needs more packages.
found = importlib.util.find_spec("spiffe")
package = types.ModuleType("spiffe")
package.__path__ = list(found.submodule_search_locations)
sys.modules["spiffe"] = package
from spiffe._proto import workload_pb2  # noqa: E402

change = threading.Condition()
answer = None  # a message, or nothing for none
version = 0  # of the answer
ended = 0  # how often streams were ended


def der(path):
    with open(path, encoding="ascii") as file:
        parts = re.findall(r"-----BEGIN [^-]+-----([^-]+)-----END", file.read())
    return b"".join(base64.b64decode(part) for part in parts)


def fetch(_request, context):
    if ("workload.spiffe.io", "true") not in context.invocation_metadata():
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")
    sent, ended_before = -1, ended
    while True:
        with change:
            change.wait_for(lambda: version != sent or ended != ended_before, timeout=1)
            now, message, over = version, answer, ended != ended_before
        if not context.is_active() or over:
            return
        if now != sent:
            if message is None:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            sent = now
            yield message


def svid(name, cert, key, bundle):
    one = workload_pb2.X509SVID(
        spiffe_id=name, x509_svid=der(cert), x509_svid_key=der(key), bundle=der(bundle), hint="x"
    )
    more = {"spiffe://other.example": der(bundle)}
    return workload_pb2.X509SVIDResponse(svids=[one], crl=[b"none"], federated_bundles=more).SerializeToString()


method = grpc.unary_stream_rpc_method_handler(
    fetch, request_deserializer=workload_pb2.X509SVIDRequest.FromString, response_serializer=lambda message: message
)
server = grpc.server(futures.ThreadPoolExecutor(8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("SpiffeWorkloadAPI", {"FetchX509SVID": method}),))
server.add_insecure_port(f"unix:{sys.argv[1]}")
server.start()
for line in sys.stdin:
    word, *rest = line.split()
    with change:
        if word == "svid":
            answer = svid(*rest)
        elif word == "bytes":
            answer = bytes.fromhex(rest[0])
        elif word == "deny":
            answer = None
        if word == "end":
            ended += 1
        else:
            version += 1
        change.notify_all()
    print("done", flush=True)
server.stop(0)
