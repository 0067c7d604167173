# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# QuickFIX, which has no TLS, behind stunnel, which verifies in the handshake. QuickFIX listens on every address:
# both in a namespace. Its program is quickfix-acceptor.cpp.

program=/usr/include/quickfix/SocketAcceptor.h
knows='crl'
log_name=quickfix.log
accepted='^logon '
scheme=tls
start_seconds=60

configure() {
  local acceptor=$run/quickfix-acceptor compile=(c++) verify versions revoked=''
  ! command -v ccache >/dev/null || compile=(ccache c++)
  "${compile[@]}" -std=c++14 -w -c -o "$acceptor.o" "$parts/quickfix-acceptor.cpp" &&
    c++ -o "$acceptor" "$acceptor.o" -lquickfix -pthread || return 1
  verify=$(by_client_auth $'verifyChain = yes\nrequireCert = yes' $'verifyChain = yes\nrequireCert = no' 'verifyChain = no')
  versions=$(printf 'sslVersionMin = %s\nsslVersionMax = %s' "$(by_tls TLSv1.2 TLSv1.3 TLSv1.2)" "$(by_tls TLSv1.2 TLSv1.3 TLSv1.3)")
  [[ $crl == off ]] || revoked="CRLfile = $pki/crl.pem"
  cat >"$run/quickfix-stunnel.conf" <<CONF
foreground = yes
syslog = no
debug = notice
pid =

[fix]
accept = 127.0.0.1:$port
connect = 127.0.0.1:9876
cert = $pki/server.pem
key = $pki/server.key
CAfile = $pki/ca.pem
$versions
sessionResume = no
options = NO_TICKET
$verify
$revoked
CONF
  # shellcheck disable=SC2016 # sh expands it
  command=(python3 "$parts/namespace.py" "$port" sh -c
    '"$1" & exec stunnel "$2" 1>&2' sh "$acceptor" "$run/quickfix-stunnel.conf")
}
