# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# The MLLP server of the Python package hl7: acknowledges HL7 messages. Python's ssl module verifies in the handshake.

program=$tools/venv/bin/python3
knows='crl'
log_name=mllp.log
accepted='^acknowledged '
scheme=tls

configure() {
  command=("$program" "$parts/mllp-server.py" "$port" "$pki" "$client_auth" "$tls" "$crl")
}
