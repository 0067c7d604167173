# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# Node.js: completes the handshake, looks at what OpenSSL found, and hangs up without an alert.
#
# Log: STATUS VERSION CIPHER - SUCCESS|NONE|FAILED:why reused=true|false - uri=/

program=node
knows='crl'
log_name=node.log
accepted='^200 '

configure() {
  command=(node "$parts/node-server.js" "$port" "$pki" "$client_auth" "$tls" "$crl")
}
