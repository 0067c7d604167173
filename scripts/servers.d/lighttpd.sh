# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# lighttpd with mod_openssl: verifies in the handshake. With --client-auth optional it also accepts a
# certificate that it cannot verify. Its access log is written when its buffer is full, or at the end.
#
# Log: STATUS VERSION CIPHER - SUCCESS|NONE|FAILED:why - sdn="DN" uri=/

program=lighttpd
knows='crl'
log_name=lighttpd.access.log
accepted='^200 '

configure() {
  local verify versions revoked='' www=$run/lighttpd.www
  case $client_auth in
    required) verify='ssl.verifyclient.activate = "enable"
ssl.verifyclient.enforce = "enable"' ;;
    optional) verify='ssl.verifyclient.activate = "enable"
ssl.verifyclient.enforce = "disable"' ;;
    off) verify='' ;;
  esac
  case $tls in
    1.2) versions='"MinProtocol" => "TLSv1.2", "MaxProtocol" => "TLSv1.2"' ;;
    1.3) versions='"MinProtocol" => "TLSv1.3"' ;;
    both) versions='"MinProtocol" => "TLSv1.2"' ;;
  esac
  [[ $crl == off ]] || revoked="ssl.verifyclient.ca-crl-file = \"$pki/crl.pem\""
  mkdir -p "$www"
  echo ok >"$www/index.html"
  cat >"$run/lighttpd.conf" <<CONF
server.modules = ( "mod_openssl", "mod_rewrite", "mod_accesslog", "mod_setenv" )
server.bind = "127.0.0.1"
server.port = $port
server.document-root = "$www"
server.errorlog = "$run/lighttpd.error.log"
server.max-fds = $files
server.max-connections = $connections
server.max-keep-alive-requests = 1000000
mimetype.assign = ( ".html" => "text/plain" )
url.rewrite-once = ( "" => "/index.html" )
accesslog.filename = "$log"
accesslog.format = "%s %{SSL_PROTOCOL}e %{SSL_CIPHER}e - %{SSL_CLIENT_VERIFY}e - sdn=\"%{SSL_CLIENT_S_DN}e\" uri=%U"
ssl.engine = "enable"
ssl.pemfile = "$pki/server.pem"
ssl.privkey = "$pki/server.key"
ssl.openssl.ssl-conf-cmd = ( $versions, "Curves" => "X25519:P-256:P-384", "Options" => "-SessionTicket" )
ssl.verifyclient.ca-file = "$pki/ca.pem"
ssl.verifyclient.depth = 3
$verify
$revoked
CONF
  command=(lighttpd -D -f "$run/lighttpd.conf")
}
