#!/usr/bin/env bash
# Builds the image from a binary of this machine. Its glibc comes along, so the binary runs on any Linux.
#
#   cargo build --release
#   examples/container/build.sh target/release/shakedown shakedown:latest
#
# BUILD says with what: "buildah bud" (the default; needs no daemon), "podman build" or "docker build".
set -euo pipefail

binary=$1 tag=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
read -r -a build <<<"${BUILD:-buildah bud}"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
umask 022
mkdir -p "$context"/root/{etc,results,usr/bin}
strip -o "$context/root/usr/bin/shakedown" "$binary"
# The loader and the libraries, where the binary looks for them.
ldd "$binary" | grep -o '/[^ ]*' | xargs -I '{}' cp --dereference --parents '{}' "$context/root"
# Without it glibc would ask no DNS server that is not in its own defaults.
echo 'hosts: files dns' >"$context/root/etc/nsswitch.conf"
"${build[@]}" --tag "$tag" --file "$here/Containerfile" "$context"
