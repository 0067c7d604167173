# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# A DICOM server of the Python package pynetdicom: accepts associations for C-ECHO. Python's ssl module verifies in the handshake.

program=$tools/venv/bin/python3
knows='crl'
log_name=dicom.log
accepted='^associated '
scheme=tls

configure() {
  command=("$program" "$parts/dicom-server.py" "$port" "$pki" "$client_auth" "$tls" "$crl")
}
