# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# The Python package grpcio with its health service: gRPC over BoringSSL, which verifies in the handshake. It has no
# switch for the TLS version.

program=$tools/venv/bin/python3
knows=''
log_name=grpcio.log
accepted='^checked '
scheme=grpcs

configure() {
  command=("$program" "$parts/grpcio-server.py" "127.0.0.1:$port" "$pki" "$client_auth")
}
