# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# openssl s_server -www: verifies in the handshake. It logs no requests and serves one connection at a
# time, so the next one waits for as long as a client holds the current one.

program=openssl
knows='crl tickets cache'
log_name=openssl.log

configure() {
  local verify=() versions=() sessions=() chain=$run/openssl-chain.pem trusted=$pki/ca.pem
  # The depth of -verify only counts where something else is wrong.
  case $client_auth in
    required) verify=(-Verify 4 -verify_depth 4 -verify_return_error) ;;
    optional) verify=(-verify 4 -verify_depth 4 -verify_return_error) ;;
    off) ;;
  esac
  case $tls in
    1.2) versions=(-tls1_2) ;;
    1.3) versions=(-tls1_3) ;;
    both) versions=(-min_protocol TLSv1.2) ;;
  esac
  # -cert reads the leaf alone; what is to follow it has to come in a file without it.
  awk '/BEGIN CERTIFICATE/ { n++ } n > 1' "$pki/server.pem" >"$chain"
  # -CRL reads one list alone; a file of trusted certificates may hold any number.
  if [[ $crl == on ]]; then
    trusted=$run/openssl-trusted.pem
    cat "$pki/ca.pem" "$pki/crl.pem" >"$trusted"
    verify+=(-crl_check_all)
  fi
  [[ $cache == on ]] || sessions+=(-no_cache)
  [[ $tickets == on ]] || sessions+=(-no_ticket)
  # Under TLS 1.3 a ticket may also be the name of a session in the cache.
  [[ $tickets$cache != offoff ]] || sessions+=(-num_tickets 0)
  command=(openssl s_server -www -accept "127.0.0.1:$port" -cert "$pki/server.pem"
    -key "$pki/server.key" -CAfile "$trusted" -groups X25519:P-256:P-384
    "${sessions[@]}" "${verify[@]}" "${versions[@]}")
  [[ ! -s $chain ]] || command+=(-cert_chain "$chain")
}
