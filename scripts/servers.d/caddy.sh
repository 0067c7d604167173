# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# Caddy (Go's crypto/tls): verifies in the handshake. It checks no revocation lists, up to and
# including the 2.6 of Debian 12. Go has no session cache.
#
# Log: JSON, a line per request, with "resumed":true|false and "status":200

program=caddy
knows='threads tickets'
log_name=caddy.access.log
accepted='"status":200[,}]'
resumed='"resumed":true.*"status":200[,}]'

configure() {
  local verify versions no_tickets=true trusted=", \"trusted_ca_certs_pem_files\": [\"$pki/ca.pem\"]"
  case $client_auth in
    required) verify=require_and_verify ;;
    optional) verify=verify_if_given ;;
    off) verify='' ;;
  esac
  [[ -z $verify ]] || verify="\"client_authentication\": {\"mode\": \"$verify\"$trusted},"
  case $tls in
    1.2) versions='"protocol_min": "tls1.2", "protocol_max": "tls1.2"' ;;
    1.3) versions='"protocol_min": "tls1.3", "protocol_max": "tls1.3"' ;;
    both) versions='"protocol_min": "tls1.2", "protocol_max": "tls1.3"' ;;
  esac
  [[ $tickets == off ]] || no_tickets=false
  cat >"$run/caddy.json" <<CONF
{
  "admin": {"disabled": true, "config": {"persist": false}},
  "storage": {"module": "file_system", "root": "$run/caddy"},
  "logging": {"logs": {
    "default": {"writer": {"output": "stderr"}, "level": "WARN", "exclude": ["http.log.access"]},
    "access": {"writer": {"output": "file", "filename": "$log", "roll": false},
      "encoder": {"format": "json"}, "include": ["http.log.access"]}
  }},
  "apps": {
    "http": {"servers": {"mtls": {
      "listen": ["127.0.0.1:$port"],
      "protocols": ["h1", "h2"],
      "automatic_https": {"disable": true},
      "logs": {},
      "routes": [{"handle": [{"handler": "static_response", "status_code": 200, "body": "ok\n"}]}],
      "tls_connection_policies": [{
        $verify
        "curves": ["x25519", "secp256r1", "secp384r1"],
        $versions
      }]
    }}},
    "tls": {
      "session_tickets": {"disabled": $no_tickets},
      "certificates": {"load_files": [{"certificate": "$pki/server.pem", "key": "$pki/server.key"}]}
    }
  }
}
CONF
  # HOME: where it would otherwise look for, or make, its own files.
  command=(env "HOME=$run" "XDG_CONFIG_HOME=$run" "XDG_DATA_HOME=$run" "GOMAXPROCS=$threads"
    caddy run --config "$run/caddy.json")
}
