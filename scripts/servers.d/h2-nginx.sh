# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# nginx with HTTP/2, and gRPC calls passed to a server of grpcio: rejects certificates in HTTP, as without HTTP/2.
#
# Log: STATUS VERSION grpc=STATUS uri=/

program=$tools/venv/bin/python3
knows='crl'
log_name=h2-nginx.access.log
accepted='^200 [^ ]* grpc=\(-\|0\) '

configure() {
  local verify versions user='' revoked='' backend
  verify=$(by_client_auth on optional off)
  versions=$(by_tls TLSv1.2 TLSv1.3 'TLSv1.2 TLSv1.3')
  [[ $(id -u) -ne 0 ]] || user='user root root;'
  [[ $crl == off ]] || revoked="ssl_crl \"$pki/crl.pem\";"
  backend=$run/grpc.socket
  cat >"$run/h2-nginx.conf" <<CONF
daemon off;
worker_processes 1;
worker_rlimit_nofile $files;
$user
pid "$run/h2-nginx.pidfile";
error_log "$run/h2-nginx.error.log" warn;

events {
  worker_connections $connections;
}

http {
  log_format audit '\$status \$ssl_protocol grpc=\$sent_trailer_grpc_status uri=\$request_uri';
  access_log "$log" audit;
  client_body_temp_path "$run/h2-nginx.body";
  proxy_temp_path "$run/h2-nginx.proxy";
  fastcgi_temp_path "$run/h2-nginx.fastcgi";
  uwsgi_temp_path "$run/h2-nginx.uwsgi";
  scgi_temp_path "$run/h2-nginx.scgi";
  default_type text/plain;

  server {
    listen 127.0.0.1:$port ssl http2 backlog=4096;
    server_name localhost;
    ssl_certificate "$pki/server.pem";
    ssl_certificate_key "$pki/server.key";
    ssl_protocols $versions;
    ssl_ecdh_curve X25519:prime256v1:secp384r1;
    ssl_verify_client $verify;
    ssl_client_certificate "$pki/ca.pem";
    ssl_verify_depth 3;
    $revoked
    ssl_session_cache off;
    ssl_session_tickets off;

    location / {
      return 200 "ok\n";
    }

    location /grpc. {
      grpc_pass grpc://unix:$backend;
    }
  }
}
CONF
  # The server behind it is there before nginx listens, and ends with it.
  # shellcheck disable=SC2016 # the inner shell expands it
  command=(bash -c '"$1" "$2/grpcio-server.py" "unix:$3" >/dev/null &
    for _ in {1..400}; do [[ ! -S $3 ]] || break; sleep 0.02; done
    shift 3; exec "$@"' _
    "$program" "$parts" "$backend" nginx -e "$run/h2-nginx.error.log" -p "$run" -c "$run/h2-nginx.conf")
}
