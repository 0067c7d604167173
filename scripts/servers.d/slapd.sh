# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# slapd, with GnuTLS: LDAP with StartTLS. It verifies after the handshake, and hangs up without an alert.

program=slapd
knows='crl'
log_name=slapd.out
accepted=' TLS established '
scheme=tls

configure() {
  local verify versions revoked=''
  verify=$(by_client_auth demand try never)
  versions=NORMAL:-VERS-ALL:$(by_tls +VERS-TLS1.2 +VERS-TLS1.3 +VERS-TLS1.2:+VERS-TLS1.3)
  [[ $crl == off ]] || revoked="TLSCRLFile $pki/crl.pem"
  cat >"$run/slapd.conf" <<CONF
pidfile $run/slapd-own.pid
argsfile $run/slapd-own.args
threads 4
TLSCACertificateFile $pki/ca.pem
TLSCertificateFile $pki/server.pem
TLSCertificateKeyFile $pki/server.key
TLSCipherSuite $versions
TLSVerifyClient $verify
$revoked
CONF
  command=(slapd -d stats -f "$run/slapd.conf" -h "ldap://127.0.0.1:$port")
}
