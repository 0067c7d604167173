# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# The SMTP server of the Python package aiosmtpd, with STARTTLS. Python's ssl module verifies in the handshake.

program=$tools/venv/bin/python3
knows='crl'
log_name=smtp.log
accepted='^TLS '
scheme=tls

configure() {
  command=("$program" "$parts/smtp-server.py" "$port" "$pki" "$client_auth" "$tls" "$crl")
}
