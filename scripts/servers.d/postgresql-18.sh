# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# PostgreSQL 18: as PostgreSQL 15, and TLS without SSLRequest, for clients with the ALPN id postgresql.

program=$tools/postgresql-18/bin/postgres
# shellcheck source=/dev/null
source "$parts/postgresql"
