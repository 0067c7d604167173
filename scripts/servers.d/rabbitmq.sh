# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# RabbitMQ with its MQTT plugin, on Erlang's TLS, which verifies in the handshake. It and Erlang's port mapper
# listen on every address: in a namespace of their own.

program=rabbitmq-server
log_name=rabbitmq.out
accepted='accepting MQTT connection .* client id: '
scheme=mqtts
start_seconds=60

configure() {
  local verify versions
  case $client_auth in
    required) verify=$'ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true' ;;
    optional) verify='ssl_options.verify = verify_peer' ;;
    off) verify='ssl_options.verify = verify_none' ;;
  esac
  case $tls in
    1.2 | 1.3) versions="ssl_options.versions.1 = tlsv$tls" ;;
    both) versions=$'ssl_options.versions.1 = tlsv1.3\nssl_options.versions.2 = tlsv1.2' ;;
  esac
  rm -rf "$run/rabbitmq"
  mkdir -p "$run/rabbitmq"
  cat >"$run/rabbitmq/rabbitmq.conf" <<CONF
listeners.tcp = none
mqtt.listeners.tcp = none
mqtt.listeners.ssl.1 = $port
mqtt.allow_anonymous = true
ssl_options.cacertfile = $pki/ca.pem
ssl_options.certfile = $pki/server.pem
ssl_options.keyfile = $pki/server.key
ssl_options.depth = 3
$verify
$versions
log.console = true
log.console.level = debug
log.connection.level = debug
log.default.level = warning
log.file = false
CONF
  echo '[rabbitmq_mqtt].' >"$run/rabbitmq/enabled_plugins"
  # The package's own script would become another user.
  command=(env "HOME=$run/rabbitmq" "ERL_CRASH_DUMP=$run/rabbitmq/crash" "RABBITMQ_BASE=$run/rabbitmq" "RABBITMQ_CONFIG_FILE=$run/rabbitmq/rabbitmq.conf"
    "RABBITMQ_ENABLED_PLUGINS_FILE=$run/rabbitmq/enabled_plugins" "RABBITMQ_MNESIA_BASE=$run/rabbitmq/mnesia"
    "RABBITMQ_LOG_BASE=$run/rabbitmq/log" RABBITMQ_NODENAME=rabbit@localhost
    python3 "$parts/namespace.py" "$port" /usr/lib/rabbitmq/bin/rabbitmq-server)
}
