#!/bin/sh
# Installs the real servers the tests talk to, and the browser (Debian packages), if they are not there yet. No service is started.
# And from npm what plays a Sparkplug edge node, and the checks of accessibility.
set -eu
export PATH="$PATH:/usr/sbin:/sbin"
missing=""
command -v mosquitto >/dev/null || missing="$missing mosquitto"
command -v mosquitto_sub >/dev/null || missing="$missing mosquitto-clients"
command -v openssl >/dev/null || missing="$missing openssl"
command -v influxd >/dev/null || missing="$missing influxdb"
command -v chromium >/dev/null || missing="$missing chromium fonts-dejavu-core"
command -v victoria-metrics >/dev/null || missing="$missing victoria-metrics"
command -v docker-compose >/dev/null || missing="$missing docker-compose"
command -v cppcheck >/dev/null || missing="$missing cppcheck"
# The core runs on another processor's instructions, too.
command -v qemu-aarch64 >/dev/null || missing="$missing qemu-user"
command -v aarch64-linux-gnu-gcc >/dev/null || missing="$missing gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
command -v arm-none-eabi-gcc >/dev/null || missing="$missing gcc-arm-none-eabi libnewlib-arm-none-eabi"
command -v qemu-system-arm >/dev/null || missing="$missing qemu-system-arm"
command -v java >/dev/null || missing="$missing openjdk-17-jre-headless"  # Spark runs on it
command -v node >/dev/null || missing="$missing nodejs"
command -v npm >/dev/null || missing="$missing npm"

from_npm() {
    for name in edge_node axe; do
        folder="$(dirname "$0")/$name"
        [ -d "$folder/node_modules" ] || (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    done
}

if [ -z "$missing" ]; then
    from_npm
    exit 0
fi
command -v apt-get >/dev/null || { echo "please install$missing: the tests talk to real servers" >&2; exit 1; }
if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo"; fi
echo "installing$missing"
guard=/usr/sbin/policy-rc.d # Debian asks it before it starts a service
if [ ! -e "$guard" ]; then
    trap '$as_root rm -f "$guard"' EXIT
    trap 'exit 130' INT TERM HUP # dash runs no EXIT trap on a signal, and a guard left behind stops every service
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$guard" >/dev/null
    $as_root chmod +x "$guard"
fi
"$(dirname "$0")/apt.sh" update -qq
# shellcheck disable=SC2086  # several packages
"$(dirname "$0")/apt.sh" install -y -qq --no-install-recommends $missing
from_npm
