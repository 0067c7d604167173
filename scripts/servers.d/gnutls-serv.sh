# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# gnutls-serv (GnuTLS): verifies in the handshake, with one alert for whatever is wrong with a chain. It
# listens on every address there is, so a small library loaded before its own turns "every" into
# loopback. It speaks HTTP/1.0 and logs no requests.

program=gnutls-serv
knows='crl'
log_name=gnutls-serv.log

configure() {
  local verify=() versions loopback=$run/gnutls-serv-loopback.so
  case $client_auth in
    required) verify=(--require-client-cert --verify-client-cert) ;;
    optional) verify=(--verify-client-cert) ;;
    off) verify=(--disable-client-cert) ;;
  esac
  versions=$(by_tls +VERS-TLS1.2 +VERS-TLS1.3 +VERS-TLS1.3:+VERS-TLS1.2)
  cc -shared -fPIC -O -o "$loopback" "$parts/gnutls-serv-loopback.c" 2>>"$run/gnutls-serv.out" ||
    fail "$parts/gnutls-serv-loopback.c does not compile, and without it gnutls-serv would listen on every address: $(<"$run/gnutls-serv.out")"
  echo ok >"$run/gnutls-serv.answer"
  command=(env "LD_PRELOAD=$loopback" gnutls-serv --http --httpdata "$run/gnutls-serv.answer"
    --port "$port" --noticket --nodb --priority "NORMAL:-VERS-ALL:$versions"
    --x509cafile "$pki/ca.pem" --x509certfile "$pki/server.pem" --x509keyfile "$pki/server.key"
    "${verify[@]}")
  [[ $crl == off ]] || command+=(--x509crlfile "$pki/crl.pem")
}
