# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# Dovecot: IMAP with STARTTLS, and clients who log in as whom their certificate names (SASL EXTERNAL). It notes what is
# wrong with a certificate, completes the handshake, and refuses the login.
#
# Log: imap-login: Info: Login: user=<NAME>, method=EXTERNAL, …

program=dovecot
knows='crl'
log_name=dovecot.log
accepted=' Login: user=<'
scheme=tls

configure() {
  local verify require versions revoked=no users owner group trusted=$run/dovecot-trusted.pem
  verify=$(by_client_auth yes yes no)
  require=$(by_client_auth yes no no)
  versions="ssl_min_protocol = $(by_tls TLSv1.2 TLSv1.3 TLSv1.2)"
  if [[ $tls == 1.2 ]]; then
    openssl_of_1_2 "$run/dovecot-openssl.cnf"
    versions+=$'\n'"import_environment = OPENSSL_CONF=$run/dovecot-openssl.cnf"
  fi
  owner=$(id -u) group=$(id -g)
  cat "$pki/ca.pem" >"$trusted"
  if [[ $crl == on ]]; then
    revoked=yes
    cat "$pki/crl.pem" >>"$trusted"
  fi
  # Without root it serves as whoever starts it; with root it gives up its rights, as Debian sets it up.
  users="default_internal_user = $(id -un)
default_internal_group = $(id -gn)
default_login_user = $(id -un)"
  [[ $(id -u) -ne 0 ]] || users='' owner=$(id -u dovenull) group=$(id -g dovenull)
  cat >"$run/dovecot.conf" <<CONF
base_dir = $run/dovecot
state_dir = $run/dovecot-state
log_path = /dev/stderr
info_log_path = /dev/stdout
protocols = imap
listen = 127.0.0.1
$users
mail_location = mbox:~/mail:INDEX=MEMORY
auth_mechanisms = external plain
auth_ssl_username_from_cert = yes
auth_ssl_require_client_cert = $require
ssl = required
ssl_cert = <$pki/server.pem
ssl_key = <$pki/server.key
ssl_ca = <$trusted
ssl_verify_client_cert = $verify
ssl_require_crl = $revoked
ssl_options = no_ticket
$versions
mail_max_userip_connections = 0
first_valid_uid = 0

passdb {
  driver = static
  args = nopassword
}
userdb {
  driver = static
  args = uid=$owner gid=$group home=/nonexistent
}
service imap-login {
  inet_listener imap {
    port = $port
  }
  inet_listener imaps {
    port = 0
  }
  chroot =
}
service anvil {
  chroot =
}
CONF
  command=(dovecot -F -c "$run/dovecot.conf")
}
