# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# stunnel: verifies in the handshake, then hands the connection to a process of its own that answers
# any request (stunnel-answer). It logs no requests.

program=stunnel
knows='crl'
log_name=stunnel.log

configure() {
  local verify versions revoked=''
  verify=$(by_client_auth $'verifyChain = yes\nrequireCert = yes' $'verifyChain = yes\nrequireCert = no' 'verifyChain = no')
  versions=$(printf 'sslVersionMin = %s\nsslVersionMax = %s' "$(by_tls TLSv1.2 TLSv1.3 TLSv1.2)" "$(by_tls TLSv1.2 TLSv1.3 TLSv1.3)")
  [[ $crl == off ]] || revoked="CRLfile = $pki/crl.pem"
  cat >"$run/stunnel.conf" <<CONF
foreground = yes
syslog = no
debug = notice
pid =

[https]
accept = 127.0.0.1:$port
exec = /bin/sh
execArgs = sh $parts/stunnel-answer
cert = $pki/server.pem
key = $pki/server.key
CAfile = $pki/ca.pem
curves = X25519:P-256:P-384
$versions
sessionResume = no
options = NO_TICKET
$verify
$revoked
CONF
  command=(stunnel "$run/stunnel.conf")
}
