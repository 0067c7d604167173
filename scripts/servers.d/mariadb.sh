# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# MariaDB: TLS after its greeting. It verifies a certificate in the handshake and demands one in SQL only.
#
# Log: of each client that went through TLS and then said nothing, that a packet could not be read.

program=mariadbd
knows='crl'
log_name=mariadb.out
accepted='Could not read packet: '
scheme=tls
start_seconds=30

configure() {
  local versions revoked=() user=() data=$run/data
  [[ $client_auth != off ]] || fail 'MariaDB with a CA always asks for a certificate'
  case $tls in
    1.2 | 1.3) versions=TLSv$tls ;;
    both) versions=TLSv1.2,TLSv1.3 ;;
  esac
  [[ $crl == off ]] || revoked=("--ssl-crl=$pki/crl.pem")
  [[ $(id -u) -ne 0 ]] || user=(--user=root)
  rm -rf "$data"
  mkdir "$data"
  mariadb-install-db --no-defaults "--datadir=$data" "${user[@]}" --skip-test-db --auth-root-authentication-method=normal \
    --skip-name-resolve >"$run/$name.out" 2>&1 || return 1
  command=(mariadbd --no-defaults "--datadir=$data" "${user[@]}" "--socket=$run/mariadb.sock" "--port=$port"
    --bind-address=127.0.0.1 --skip-name-resolve "--pid-file=$run/mariadb-own.pid" --log-warnings=9 --max-connections=500
    "--ssl-ca=$pki/ca.pem" "--ssl-cert=$pki/server.pem" "--ssl-key=$pki/server.key" "${revoked[@]}"
    "--tls-version=$versions" --require-secure-transport)
}
