# shellcheck shell=bash disable=SC2034,SC2154 # the variables are those of scripts/servers
# PostgreSQL 15: TLS after SSLRequest; lets in whose certificate verifies, as any user, and asks for one in its own
# protocol. No limit to the length of a chain.

program=/usr/lib/postgresql/15/bin/postgres
# shellcheck source=/dev/null
source "$parts/postgresql"
