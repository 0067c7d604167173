# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# haproxy with HTTP/2 behind a PROXY header (accept-proxy): verifies in the handshake.
#
# Log: STATUS VERSION ci=ADDRESS version=HTTP/2.0

program=haproxy
knows='crl'
log_name=h2-haproxy.log
accepted='^200 [^ ]* .* HTTP/2'

configure() {
  local verify versions ca_file="ca-file \"$pki/ca.pem\""
  verify=$(by_client_auth required optional none)
  [[ $client_auth != off ]] || ca_file=''
  versions="ssl-min-ver $(by_tls TLSv1.2 TLSv1.3 TLSv1.2) ssl-max-ver $(by_tls TLSv1.2 TLSv1.3 TLSv1.3)"
  [[ $crl == off ]] || ca_file+=" crl-file \"$pki/crl.pem\""
  local combined=$run/h2-haproxy-server.pem
  rm -f "$combined"
  (umask 077 && cat "$pki/server.pem" "$pki/server.key" >"$combined")
  cat >"$run/h2-haproxy.cfg" <<CONF
global
  log stdout format raw local0
  noreuseport
  nbthread 1
  maxconn $connections
  tune.ssl.cachesize 0
  tune.ssl.default-dh-param 2048

defaults
  mode http
  log global
  timeout client 60s
  timeout http-request 60s
  timeout http-keep-alive 60s
  log-format "%ST %[ssl_fc_protocol] ci=%ci %HV"
  error-log-format "- %[ssl_fc_protocol] error=%{+Q,+E}[ssl_fc_err_str]"

frontend mtls
  bind 127.0.0.1:$port accept-proxy backlog 4096 ssl crt "$combined" $ca_file verify $verify alpn h2 no-tls-tickets $versions curves X25519:P-256:P-384
  http-request return status 200 content-type text/plain string "ok\n"
CONF
  command=(haproxy -db -f "$run/h2-haproxy.cfg")
}
