# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# Apache: verifies in the handshake. One process with threads; its parent holds the listening socket.
#
# Log: STATUS VERSION CIPHER - SUCCESS|NONE reused=Initial|Resumed sdn="DN" uri=/

program=apache2
knows='crl threads tickets cache'
log_name=apache2.access.log
accepted='^200 '
resumed='^200 [^"]* reused=Resumed '

configure() {
  local verify versions user='' revoked='' sessions=none
  local modules='' module loaded=(mpm_event authz_core rewrite ssl)
  verify=$(by_client_auth require optional none)
  versions="-all $(by_tls +TLSv1.2 +TLSv1.3 '+TLSv1.2 +TLSv1.3')"
  if [[ $cache == on ]]; then
    loaded+=(socache_shmcb)
    sessions="shmcb:$run/apache2.sessions(4194304)"
  fi
  for module in "${loaded[@]}"; do
    modules+="LoadModule ${module}_module \"$apache_modules/mod_$module.so\""$'\n'
  done
  # Apache refuses to serve as root. What its workers need is opened before they become somebody else.
  [[ $(id -u) -ne 0 ]] || user=$'User nobody\nGroup nogroup'
  [[ $crl == off ]] || revoked="SSLCARevocationFile \"$pki/crl.pem\""$'\nSSLCARevocationCheck chain'
  cat >"$run/apache2.conf" <<CONF
$modules
ServerRoot "$run"
DefaultRuntimeDir "$run"
PidFile "$run/apache2.pidfile"
Mutex sem
ServerName localhost
Listen 127.0.0.1:$port
$user
ServerLimit $threads
StartServers $threads
ThreadLimit 64
ThreadsPerChild 64
MaxRequestWorkers $((threads * 64))
KeepAlive On
MaxKeepAliveRequests 0
ErrorLog "$run/apache2.error.log"
LogLevel warn ssl:info
LogFormat "%>s %{SSL_PROTOCOL}x %{SSL_CIPHER}x - %{SSL_CLIENT_VERIFY}x reused=%{SSL_SESSION_RESUMED}x sdn=\"%{SSL_CLIENT_S_DN}x\" uri=%U" audit
CustomLog "$log" audit

SSLRandomSeed connect builtin
SSLSessionCache $sessions
SSLSessionTickets $tickets
SSLEngine on
SSLCertificateFile "$pki/server.pem"
SSLCertificateKeyFile "$pki/server.key"
SSLOpenSSLConfCmd Curves X25519:P-256:P-384
SSLProtocol $versions
SSLVerifyClient $verify
SSLVerifyDepth 3
SSLCACertificateFile "$pki/ca.pem"
$revoked

# No file is read for an answer: the workers could not enter a private run folder.
ErrorDocument 200 "ok"
RewriteEngine on
RewriteRule ^ - [R=200,L]
CONF
  command=(apache2 -DFOREGROUND -d "$run" -f "$run/apache2.conf" -E "$run/apache2.error.log")
}

# Where Debian and its kin keep the modules.
apache_modules=/usr/lib/apache2/modules
