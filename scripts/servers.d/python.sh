# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# Python's ssl module (over OpenSSL): verifies in the handshake.
#
# Log: STATUS VERSION CIPHER - SUCCESS|NONE reused=True|False - uri=/

program=python3
knows='crl'
log_name=python.log
accepted='^200 '

configure() {
  command=(python3 "$parts/python-server.py" "$port" "$pki" "$client_auth" "$tls" "$crl")
}
