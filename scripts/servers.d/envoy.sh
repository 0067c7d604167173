# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# Envoy with HTTP/2: BoringSSL verifies in the handshake.

program=$tools/venv/bin/envoy
knows='crl'
log_name=envoy.log
accepted='^200 HTTP/2'

configure() {
  local oldest=TLSv1_2 newest=TLSv1_3 required=true context='' revoked=''
  [[ $tls != 1.2 ]] || newest=TLSv1_2
  [[ $tls != 1.3 ]] || oldest=TLSv1_3
  [[ $client_auth == required ]] || required=false
  [[ $crl == off ]] || revoked=", crl: {filename: \"$pki/crl.pem\"}"
  [[ $client_auth == off ]] || context="validation_context: {trusted_ca: {filename: \"$pki/ca.pem\"}$revoked}"
  cat >"$run/envoy.yaml" <<CONF
static_resources:
  listeners:
  - name: mtls
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - transport_socket:
        name: tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
          require_client_certificate: $required
          disable_stateless_session_resumption: true
          disable_stateful_session_resumption: true
          common_tls_context:
            alpn_protocols: [h2]
            tls_params: {tls_minimum_protocol_version: $oldest, tls_maximum_protocol_version: $newest}
            tls_certificates:
            - certificate_chain: {filename: "$pki/server.pem"}
              private_key: {filename: "$pki/server.key"}
            $context
      filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: mtls
          codec_type: HTTP2
          access_log:
          - name: stdout
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
              log_format: {text_format_source: {inline_string: "%RESPONSE_CODE% %PROTOCOL% %DOWNSTREAM_TLS_VERSION%\n"}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                direct_response: {status: 200, body: {inline_string: "ok\n"}}
          http_filters:
          - name: router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
CONF
  command=("$program" --concurrency 1 --disable-hot-restart --file-flush-interval-msec 50 --log-level warning -c "$run/envoy.yaml")
}
