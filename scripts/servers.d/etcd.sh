# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# etcd: a key-value store over gRPC, with the health service; Go's TLS verifies in the handshake.

program=etcd
knows='crl'
log_name=etcd.log
accepted='"response type":"/grpc.health.v1.Health/Check"'
scheme=grpcs

configure() {
  local verify=()
  case $client_auth in
    required) verify=(--client-cert-auth --trusted-ca-file "$pki/ca.pem") ;;
    optional) fail 'etcd asks for client certificates only where it requires them' ;;
    off) ;;
  esac
  [[ $crl == off ]] || verify+=(--client-crl-file "$pki/crl.pem")
  rm -rf "$run/etcd.data"
  # Its peers meet on a socket, since there are none. It logs calls at this level alone.
  command=(sh -c 'exec "$@" 2>&1' _ etcd --data-dir "$run/etcd.data" --log-level debug --logger zap --log-outputs stderr
    --listen-client-urls "https://127.0.0.1:$port" --advertise-client-urls "https://localhost:$port"
    --listen-peer-urls "unix://etcd-peer:1" --cert-file "$pki/server.pem" --key-file "$pki/server.key" "${verify[@]}")
}

# It reads its list in every handshake, and its authorities only once.
reload_server() {
  :
}
