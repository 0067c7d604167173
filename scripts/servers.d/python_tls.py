"""What the Python servers have in common: TLS as the arguments PKI required|optional|off 1.2|1.3|both CRL(on|off) say."""

import ssl
from pathlib import Path

VERIFY = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "off": ssl.CERT_NONE}
OLDEST = {"1.2": "TLSv1_2", "1.3": "TLSv1_3", "both": "TLSv1_2"}
NEWEST = {"1.2": "TLSv1_2", "1.3": "TLSv1_3", "both": "TLSv1_3"}


def tls_context(pki, client_auth, tls, crl):
    pki = Path(pki)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion[OLDEST[tls]]
    context.maximum_version = ssl.TLSVersion[NEWEST[tls]]
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    context.load_verify_locations(pki / "ca.pem")
    context.verify_mode = VERIFY[client_auth]
    # The module has no switch for the session cache of TLS 1.2, which it leaves on.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if crl == "on":
        context.load_verify_locations(pki / "crl.pem")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context
