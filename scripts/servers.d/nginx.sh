# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# nginx: asks for the certificate in the handshake, rejects it afterwards in HTTP, with status 400.
#
# Log: STATUS VERSION CIPHER GROUP SUCCESS|NONE|FAILED:why reused=r|. sdn="DN" serial=HEX uri=/

program=nginx
knows='crl threads master tickets cache'
log_name=nginx.access.log
accepted='^200 '
resumed='^200 [^"]* reused=r '

configure() {
  local verify versions user='' revoked='' sessions=off
  verify=$(by_client_auth on optional off)
  versions=$(by_tls TLSv1.2 TLSv1.3 'TLSv1.2 TLSv1.3')
  [[ $cache == off ]] || sessions=shared:sessions:4m
  # Started by root, workers would become `nobody`, who cannot enter a private run folder.
  [[ $(id -u) -ne 0 ]] || user='user root root;'
  [[ $crl == off ]] || revoked="ssl_crl \"$pki/crl.pem\";"
  cat >"$run/nginx.conf" <<CONF
daemon off;
master_process $master;
worker_processes $threads;
worker_rlimit_nofile $files;
$user
pid "$run/nginx.pidfile";
error_log "$run/nginx.error.log" warn;

events {
  worker_connections $connections;
}

http {
  # One line for each request, unbuffered, so that a count can be audited against the client's.
  log_format audit '\$status \$ssl_protocol \$ssl_cipher \$ssl_curve \$ssl_client_verify '
                   'reused=\$ssl_session_reused sdn="\$ssl_client_s_dn" serial=\$ssl_client_serial uri=\$request_uri';
  access_log "$log" audit;
  client_body_temp_path "$run/nginx.body";
  proxy_temp_path "$run/nginx.proxy";
  fastcgi_temp_path "$run/nginx.fastcgi";
  uwsgi_temp_path "$run/nginx.uwsgi";
  scgi_temp_path "$run/nginx.scgi";
  default_type text/plain;
  keepalive_requests 1000000;

  server {
    listen 127.0.0.1:$port ssl backlog=4096;
    server_name localhost;
    ssl_certificate "$pki/server.pem";
    ssl_certificate_key "$pki/server.key";
    ssl_protocols $versions;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_verify_client $verify;
    ssl_client_certificate "$pki/ca.pem";
    ssl_verify_depth 3;
    $revoked
    ssl_session_cache $sessions;
    ssl_session_tickets $tickets;

    location / {
      return 200 "ok\n";
    }
  }
}
CONF
  # -e: its own start-up errors, before it has read where the error log is.
  command=(nginx -e "$run/nginx.error.log" -p "$run" -c "$run/nginx.conf")
}
