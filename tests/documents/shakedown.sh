#!/usr/bin/env bash
# Stands in for `shakedown` where tests/documents runs the commands of the documents. It calls the real one with
# arguments added (none changed, none taken away), so that a command that would take minutes or reach elsewhere is
# short and stays on loopback:
#
# - What names a server gets `--resolve`, to an address in 127.0.0.0/8 that this script alone has. Unless the
#   script has a `shakedown serve` of its own, one is started there, with the certificates of --pki or of pki/.
# - `run` without a length gets a short one. One with a length, stages or events, and each that stands in running text
#   (ONLY_PLAN), gets --dry-run, unless it writes a file.
# - `ab` is interrupted after four seconds, and in running text, or with URLs, only parsed; `anatomy` gets one short trial, and
#   `anatomy --in-memory`, which has tests of its own, is only parsed.
# - `audit --lifetime` watches for a second.
# - `serve` gets such an address and goes on in the background.
#
# 0 is returned where the machine is too busy for a run to be valid (generator-limited, load-not-achieved), and for
# every verdict of `ab`, `check`, `compare`, `gate` and `audit`: they were asked for one.
set -euo pipefail
real=$SHAKEDOWN_REAL place=$STAGE
own=() flags=() added=() limit=() command=${1-}

# has FLAG…: whether one of them was given
has() {
  local given flag
  for given in "${own[@]}" "${flags[@]}"; do
    for flag; do
      [[ $given == "$flag" || $given == "$flag="* ]] && return 0
      # -d1s
      [[ $flag == -? && $given == "$flag"* ]] && return 0
    done
  done
  return 1
}

value_of() {
  local i
  for ((i = 0; i + 1 < ${#own[@]}; i++)); do
    [[ ${own[i]} == "$1" ]] && echo "${own[i + 1]}" && return
  done
  echo "$2"
}

# await PORT: until something listens there
await() {
  local _
  for _ in {1..200}; do
    (exec 3<>"/dev/tcp/$ADDRESS/$1") 2>"$place/await" && return
    sleep 0.05
  done
  echo "nothing listens on $ADDRESS:$1" >&2
  return 1
}

# server PORT: the one that the documents take for granted
server() {
  if [[ -z ${OWN_SERVER-} && ! -e $place/serves.$1 ]]; then
    touch "$place/serves.$1"
    timeout 60 "$real" serve --pki "$(value_of --pki pki)" --listen "$ADDRESS:$1" --tickets stateful \
      >"$place/serves.$1" 2>&1 &
    echo $! >>"$place/pids"
  fi
  await "$1"
}

# Every HOST:PORT that is connected to, once.
hosts() {
  local before='' given
  for given in "${own[@]}" "${flags[@]}"; do
    case $before in
      --metrics | --resolve | --stage | --header | -H | --fleet) ;;
      *) [[ $given =~ ^((https|tls)://)?([a-z0-9.-]+:[0-9]+)(/.*)?$ ]] && echo "${BASH_REMATCH[3]}" ;;
    esac
    before=$given
  done | sort -u
}

while (($#)) && [[ $1 != -- ]]; do own+=("$1") && shift; done
(($#)) && flags=("${@:2}")
if has -h --help --help-long || [[ $command == help ]]; then
  exec "$real" "$@" "${own[@]}"
fi

case $command in
  run)
    # Events have times of their own.
    if has -d --duration -n --total --stage --hold --event || [[ " ${own[*]} " == *" outage "* ]] || { [[ -n ${ONLY_PLAN-} ]] && ! has -o --output; }; then
      has --dry-run || added+=(--dry-run)
    elif ! has --dry-run; then
      added+=(-d 200ms --warmup 50ms)
      has --trials || added+=(--trials 1)
    fi
    ;;
  ab)
    [[ -n ${ONLY_PLAN-} || -n $(hosts) ]] && own+=(--help)
    limit=(timeout -s INT 4)
    ;;
  audit)
    if has --lifetime && ! has --watch; then added+=(--watch 1s); fi
    ;;
  anatomy)
    if has --in-memory; then own+=(--help); else own+=(--trials 1 -d 200ms); fi
    ;;
  serve)
    # In the documents it is another terminal's, so the next line is not to wait for its end.
    [[ -e $place/served ]] && kill "$(<"$place/served")"
    has --listen || own+=(--listen "$ADDRESS:8443")
    timeout 60 "$real" "${own[@]}" &
    echo $! | tee "$place/served" >>"$place/pids"
    await 8443
    exit
    ;;
  baseline)
    # The build that is tested is a debug one.
    [[ ${own[1]-} == record ]] && own+=(--force)
    ;;
esac
case $command in
  run | probe | audit | anatomy | ab | check)
    for host in $(hosts); do
      added+=(--resolve "$host:$ADDRESS")
      has --dry-run --help || [[ " ${added[*]}" == *dry-run* ]] || server "${host##*:}"
    done
    ;;
esac
if [[ $command == ab ]]; then flags+=("${added[@]}"); else own+=("${added[@]}"); fi
((${#flags[@]})) && own+=(-- "${flags[@]}")

said=$(mktemp "$place/said.XXXXXX") code=0
"${limit[@]}" "$real" "${own[@]}" >"$said" || code=$?
cat "$said"
case $command:$code in
  run:106 | anatomy:106 | merge:106)
    reasons=$(sed -n '/^INVALID/,/^$/s/^  \([a-z-]*\): .*/\1/p' "$said" | grep -vxE 'generator-limited|load-not-achieved') ||
      [[ -n $reasons ]] || code=0
    ;;
  ab:99 | ab:106 | ab:124 | compare:99 | compare:106 | gate:99 | gate:106 | audit:99 | check:99) code=0 ;;
esac
exit "$code"
