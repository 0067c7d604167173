# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# mosquitto: an MQTT broker: verifies in the handshake, names clients by their certificate, logs whom it
# lets in. Its tls_version is a minimum; the maximum comes from a configuration of OpenSSL.

program=mosquitto
knows='crl'
log_name=mosquitto.log
scheme=mqtts
accepted='New client connected from .* (p[0-9]*, c1, '

configure() {
  local verify user='' minimum=tlsv1.2 revoked='' environment=()
  case $client_auth in
    required) verify=$'require_certificate true\nuse_identity_as_username true' ;;
    optional) fail 'mosquitto asks for client certificates only where it requires them' ;;
    off) verify='require_certificate false' ;;
  esac
  case $tls in
    1.2)
      openssl_of_1_2 "$run/mosquitto-openssl.cnf"
      environment=(env "OPENSSL_CONF=$run/mosquitto-openssl.cnf")
      ;;
    1.3) minimum=tlsv1.3 ;;
    both) ;;
  esac
  [[ $(id -u) -ne 0 ]] || user='user root'
  [[ $crl == off ]] || revoked="crlfile $pki/crl.pem"
  cat >"$run/mosquitto.conf" <<CONF
$user
persistence false
log_dest file $run/mosquitto.log
log_dest stderr
log_type error
log_type warning
log_type notice
listener $port 127.0.0.1
allow_anonymous true
certfile $pki/server.pem
keyfile $pki/server.key
cafile $pki/ca.pem
tls_version $minimum
$verify
$revoked
CONF
  command=("${environment[@]}" mosquitto -c "$run/mosquitto.conf")
}
