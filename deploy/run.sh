#!/bin/sh
# counterfoil with this box's settings. As root it runs as the worker, so that nothing it makes is root's.
set -eu
if [ ! -r /etc/counterfoil/settings ]; then
    echo "counterfoil-run: /etc/counterfoil/settings cannot be read; run this as root." >&2
    exit 2
fi
set -a
# shellcheck disable=SC1091
. /etc/counterfoil/settings
set +a
umask 0007
if [ "$(id -u)" -eq 0 ]; then
    exec setpriv --reuid counterfoil-worker --regid counterfoil --init-groups -- \
        /opt/counterfoil/current/bin/counterfoil "$@"
fi
exec /opt/counterfoil/current/bin/counterfoil "$@"
