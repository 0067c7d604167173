# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# haproxy: verifies in the handshake. It never waits for its log: with more than one thread it now and
# then drops a line. It numbers them (rt), so logcount finds the gap; audit it with one thread.
#
# Log: STATUS VERSION CIPHER - cert=0|1 verify=CODE reused=0|1 sdn="DN" serial=HEX uri=/ ci=ADDRESS rt=N
#      - VERSION - - verify=CODE error="why" ci=ADDRESS rt=N         (a failed handshake)

program=haproxy
knows='crl threads tickets cache'
log_name=haproxy.log
accepted='^200 '
resumed='^200 [^"]* reused=1 '

configure() {
  local verify versions no_tickets='' sessions=0 ca_file="ca-file \"$pki/ca.pem\""
  verify=$(by_client_auth required optional none)
  [[ $client_auth != off ]] || ca_file=''
  versions="ssl-min-ver $(by_tls TLSv1.2 TLSv1.3 TLSv1.2) ssl-max-ver $(by_tls TLSv1.2 TLSv1.3 TLSv1.3)"
  printf 'ca-file %s\n' "$pki/ca.pem" >"$run/haproxy.files"
  if [[ $crl == on ]]; then
    ca_file+=" crl-file \"$pki/crl.pem\""
    printf 'crl-file %s\n' "$pki/crl.pem" >>"$run/haproxy.files"
  fi
  [[ $tickets == on ]] || no_tickets=no-tls-tickets
  [[ $cache == off ]] || sessions=20000
  local combined=$run/haproxy-server.pem
  rm -f "$combined"
  (umask 077 && cat "$pki/server.pem" "$pki/server.key" >"$combined")
  # bufsize: what its socket is given has to fit in. noreuseport: two servers on one port would otherwise share it in silence.
  cat >"$run/haproxy.cfg" <<CONF
global
  log stdout format raw local0
  noreuseport
  stats socket "$run/haproxy.sock" mode 600 level admin
  tune.bufsize 65536
  nbthread $threads
  maxconn $connections
  tune.ssl.cachesize $sessions
  tune.ssl.default-dh-param 2048

defaults
  mode http
  log global
  timeout client 60s
  timeout http-request 60s
  timeout http-keep-alive 60s
  log-format "%ST %[ssl_fc_protocol] %[ssl_fc_cipher] - cert=%[ssl_c_used] verify=%[ssl_c_verify] reused=%[ssl_fc_is_resumed] sdn=%{+Q,+E}[ssl_c_s_dn] serial=%[ssl_c_serial,hex] uri=%HU ci=%ci rt=%rt"
  error-log-format "- %[ssl_fc_protocol] - - verify=%[ssl_c_verify] error=%{+Q,+E}[ssl_fc_err_str] ci=%ci rt=%rt"

frontend mtls
  bind 127.0.0.1:$port backlog 4096 ssl crt "$combined" $ca_file verify $verify $no_tickets $versions curves X25519:P-256:P-384
  http-request return status 200 content-type text/plain string "ok\n"
CONF
  command=(haproxy -db -f "$run/haproxy.cfg")
}

# haproxy numbers its log lines (rt, from 0), so lines it dropped leave gaps.
check_log() {
  awk '
    match($0, / rt=[0-9]+$/) {
      number = substr($0, RSTART + 4) + 0
      if (number >= highest) highest = number + 1
      lines++
    }
    END {
      if (lines == highest + 0) exit 0
      print "servers: " highest - lines " haproxy log lines are missing: still in flight, or dropped (--threads > 1)"
      exit 1
    }' "$1" >&2
}

# Over its socket, so that the process stays, with all its sessions.
reload_server() {
  python3 - "$run" <<'PYTHON'
import socket
import sys

run = sys.argv[1]


def ask(text):
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(5)
        admin.connect(f"{run}/haproxy.sock")
        admin.sendall(text.encode())
        answer = b"".join(iter(lambda: admin.recv(4096), b""))
    return answer.decode()


with open(f"{run}/haproxy.files") as files:
    for line in files:
        kind, path = line.rstrip("\n").split(" ", 1)
        with open(path) as file:
            pem = "".join(row for row in file if row.strip())
        said = ask(f"set ssl {kind} {path} <<\n{pem}\n") + ask(f"commit ssl {kind} {path}\n")
        if "Success!" not in said:
            sys.exit(f"servers: haproxy: {said.strip()}")
PYTHON
}
