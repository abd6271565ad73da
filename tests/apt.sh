#!/bin/sh
# apt-get as root, which waits for its turn: a fresh Debian or Ubuntu installs its own updates for some minutes.
set -u
if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo"; fi
said=$(mktemp)
trap 'rm -f "$said"' EXIT
trap 'exit 130' INT TERM HUP # dash runs no EXIT trap on a signal
end=$(($(date +%s) + ${APT_WAIT_S:-900}))
told=""
# apt itself waits for dpkg only, and says nothing; for the lists and the archives it does not wait at all.
until $as_root env ${APT_CONFIG:+APT_CONFIG="$APT_CONFIG"} LC_ALL=C DEBIAN_FRONTEND=noninteractive \
    apt-get -o DPkg::Lock::Timeout=5 "$@" >/dev/null 2>"$said"; do
    # Whatever is no lock is a mistake, and shown.
    grep -q "Could not get lock\|Unable to acquire the dpkg frontend lock" "$said" || { cat "$said" >&2; exit 1; }
    [ "$(date +%s)" -lt "$end" ] || { cat "$said" >&2; echo "apt is still busy: try again later" >&2; exit 1; }
    [ -n "$told" ] || echo "apt is busy, as on a system that updates itself: waiting until it is free"
    told=yes
    sleep 1
done
cat "$said" >&2
