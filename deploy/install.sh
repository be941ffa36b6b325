#!/usr/bin/env bash
# Installs, upgrades and rolls back counterfoil on one Debian 12 box, as root.
#
#   install.sh install  [RELEASE.tar.gz]   users, folders, program, services
#   install.sh upgrade  RELEASE.tar.gz     the next release, with the way back kept
#   install.sh rollback                    the release before, if nothing would be lost by it
#   install.sh halt | restart | status | remove
#
# RELEASE.tar.gz is made by deploy/build-release.sh and holds every Python package: the box needs
# no network but for Debian's own packages, and not for those either where they are installed.
# Without a running systemd (an image being built) everything is put in place and nothing started.
# shellcheck disable=SC2046 # lists of services are meant to be split
set -euo pipefail

ROOT=/opt/counterfoil ETC=/etc/counterfoil DATA=/var/lib/counterfoil SPOOL=/var/spool/counterfoil
KIOSK=/var/lib/counterfoil-kiosk SCANS=/srv/counterfoil/scans BACKUPS=/var/backups/counterfoil BEFORE=$ROOT/before
PACKAGES=(python3-venv tesseract-ocr libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0
    fontconfig fonts-liberation bubblewrap libseccomp2)
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf 'counterfoil: %s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }
runs() { [ -d /run/systemd/system ]; }
services() { for each in worker staff watch kiosk; do
    if [ -e "/etc/systemd/system/counterfoil-$each.service" ]; then echo "counterfoil-$each.service"; fi
done; }
# The command as the worker runs it: the only user that may open keys.
as_worker() { (
    set -a
    # shellcheck disable=SC1091
    . "$ETC/settings"
    set +a
    umask 0007
    cd / && exec setpriv --reuid counterfoil-worker --regid counterfoil --init-groups -- "$@"
); }

packages() {
    local missing=() each
    for each in "${PACKAGES[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$each" 2>/dev/null | grep -qx installed || missing+=("$each")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || true
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
        stop "These packages could not be installed: ${missing[*]}. Install them, then run this again."
}

people() {
    local name
    getent group counterfoil >/dev/null || groupadd --system counterfoil
    getent group counterfoil-kiosk >/dev/null || groupadd --system counterfoil-kiosk
    for name in worker staff; do
        id "counterfoil-$name" >/dev/null 2>&1 || useradd --system --gid counterfoil \
            --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin "counterfoil-$name"
    done
    # What the kiosk leaves may be read by its group, which the worker is in and it itself is not.
    usermod -aG counterfoil-kiosk counterfoil-worker
    id counterfoil-kiosk >/dev/null 2>&1 || useradd --system --gid counterfoil-kiosk \
        --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin counterfoil-kiosk
}

folders() {
    install -d -m 0755 "$ROOT" "$ROOT/releases" "$ETC" /srv/counterfoil
    install -d -m 0700 "$BEFORE"
    # The worker and the staff site share what is kept; the kiosk does not reach it.
    install -d -m 2770 -o counterfoil-worker -g counterfoil "$DATA"
    # Keys: the group may lock with the public halves; the private ones are the worker's alone.
    install -d -m 2750 -o counterfoil-worker -g counterfoil "$DATA/keys"
    install -d -m 0700 -o counterfoil-worker -g counterfoil "$DATA/keys/opening"
    # Letters: the kiosk may leave them and not look; the worker takes them out.
    install -d -m 3730 -o counterfoil-worker -g counterfoil-kiosk "$SPOOL"
    # What the kiosk may tell about receipt codes, to read only; and where it notes living terminals.
    install -d -m 2750 -o counterfoil-worker -g counterfoil-kiosk "$KIOSK" "$KIOSK/status"
    install -d -m 3770 -o counterfoil-worker -g counterfoil-kiosk "$KIOSK/pulses"
    install -d -m 2770 -o counterfoil-staff -g counterfoil "$SCANS"
    install -d -m 0750 -o counterfoil-worker -g counterfoil "$BACKUPS"
}

# Unpack a release and build its environment; prints its folder.
unpacked() {
    local release=$1 name target work
    work=$(mktemp -d "$ROOT/unpack.XXXXXX")
    if [ -d "$release" ]; then cp -a "$release/." "$work/"; else tar -xzf "$release" -C "$work" --strip-components=1; fi
    (cd "$work" && sha256sum --quiet -c SHA256SUMS) ||
        { rm -rf "$work"; stop "This release is damaged: copy it again."; }
    name=$(cat "$work/VERSION")
    target=$ROOT/releases/$name
    if [ -x "$target/bin/counterfoil" ]; then rm -rf "$work"; echo "$target"; return; fi
    rm -rf "$target"
    python3 -m venv "$target"
    "$target/bin/pip" install --quiet --disable-pip-version-check --no-index --find-links "$work/wheels" \
        --require-hashes -r "$work/requirements.run.lock" >&2
    "$target/bin/pip" install --quiet --disable-pip-version-check --no-index --no-deps "$work"/wheels/counterfoil-*.whl >&2
    cp -a "$work/deploy" "$work/docs" "$work/VERSION" "$target/"
    rm -rf "$work"
    "$target/bin/python" -m compileall -q "$target/lib" >/dev/null 2>&1 || true
    echo "$target"
}

point_at() { ln -sfn "$1" "$ROOT/next" && mv -T "$ROOT/next" "$ROOT/current"; }

# counterfoil-run: the command with the box's settings, as whoever calls it.
commands() {
    install -m 0755 "$ROOT/current/deploy/install.sh" /usr/local/sbin/counterfoil-admin
    install -m 0755 "$ROOT/current/deploy/run.sh" /usr/local/bin/counterfoil-run
}

units() {
    local file name
    if [ -e "$ROOT/current/deploy/kiosk.example" ] && [ ! -e "$ETC/kiosk" ]; then
        install -m 0600 "$ROOT/current/deploy/kiosk.example" "$ETC/kiosk"
    fi
    for file in "$ROOT"/current/deploy/systemd/*; do
        name=$(basename "$file")
        # A release without a kiosk site has no kiosk service.
        if [ "$name" = counterfoil-kiosk.service ] &&
            ! "$ROOT/current/bin/counterfoil" serve kiosk --help >/dev/null 2>&1; then continue; fi
        install -m 0644 "$file" "/etc/systemd/system/$name"
    done
    if runs; then systemctl daemon-reload; fi
}

start() {
    runs || { say "No systemd runs here, so nothing was started."; return 0; }
    # shellcheck disable=SC2046
    systemctl enable --quiet --now $(services) counterfoil-backup.timer counterfoil-retention.timer
    # Those that somebody has switched on, once there is a folder to bring the roll in from.
    local each
    for each in counterfoil-roll.timer counterfoil-keep-apart.timer; do
        if systemctl is-enabled --quiet "$each" 2>/dev/null; then systemctl start "$each"; fi
    done
}

# The timers too, and what they may just have started: both open the database.
halt() {
    if ! runs; then return 0; fi
    # shellcheck disable=SC2046
    systemctl stop $(services) counterfoil-{backup,retention,roll,keep-apart}.{timer,service} 2>/dev/null || true
}

# Everything that should run does, a little while after it was started.
well() {
    runs || return 0
    local each
    sleep 5
    for each in $(services); do
        systemctl is-active --quiet "$each" || { say "$each does not run: journalctl -u $each"; return 1; }
    done
}

head_of_events() { as_worker "$ROOT/current/bin/counterfoil" audit verify; }

do_install() {
    local release=${1:-$HERE/..}
    [ -e "$release" ] || stop "There is no release there. Name the file: install.sh install RELEASE.tar.gz"
    [ ! -e "$ROOT/current" ] || stop "It is installed already. To bring in a newer one: install.sh upgrade RELEASE.tar.gz"
    packages; people; folders
    point_at "$(unpacked "$release")"
    [ -e "$ETC/settings" ] || install -m 0640 -g counterfoil "$ROOT/current/deploy/settings.example" "$ETC/settings"
    commands
    # The first command makes the keys and the database.
    as_worker "$ROOT/current/bin/counterfoil" status >/dev/null
    units; start
    as_worker "$ROOT/current/bin/counterfoil" doctor >&2 || say "The doctor found something: see above."
    say "Installed $(cat "$ROOT/current/VERSION"). Next: docs/operating.md, \"The first day\"."
}

do_upgrade() {
    if [ $# -ne 1 ] || [ ! -e "$1" ]; then stop "Name the release: install.sh upgrade RELEASE.tar.gz"; fi
    [ -e "$ROOT/current" ] || stop "Nothing is installed yet: install.sh install $1"
    local old new
    old=$(readlink -f "$ROOT/current")
    packages; people; folders
    new=$(unpacked "$1")
    [ "$new" != "$old" ] || stop "$(cat "$new/VERSION") is installed already."
    say "stopping; the pages in hand are finished first"
    halt
    rm -rf "$BEFORE"; install -d -m 0700 -o counterfoil-worker "$BEFORE"
    echo "$old" >"$BEFORE/release"
    as_worker "$old/bin/python" - "$BEFORE" <<'PY' || { start; stop "The data could not be copied, so nothing was changed."; }
import os, pathlib, sqlite3, sys
here = pathlib.Path(os.environ["COUNTERFOIL_DATA"]) / "counterfoil.sqlite"
if not os.environ.get("COUNTERFOIL_DATABASE_URL") and here.exists():
    copy = pathlib.Path(sys.argv[1]) / "counterfoil.sqlite"
    source, target = sqlite3.connect(here), sqlite3.connect(copy)
    source.backup(target)
    assert target.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    source.close(); target.close()
    with copy.open("rb") as file:
        os.fsync(file.fileno())
PY
    point_at "$new"
    if as_worker "$new/bin/counterfoil" status >/dev/null && head_of_events >"$BEFORE/head" 2>/dev/null; then
        units; start
        if well; then
            commands
            say "Upgraded to $(cat "$new/VERSION"). The way back: counterfoil-admin rollback"
            return 0
        fi
    fi
    say "The new release does not run here: going back."
    do_rollback || stop "Going back failed too: see docs/operating.md, \"When an upgrade fails\"."
    stop "The old release runs again; nothing was lost. Send what journalctl says to whoever made the release."
}

do_rollback() {
    [ -s "$BEFORE/release" ] || stop "There is no release to go back to."
    local old now
    old=$(cat "$BEFORE/release")
    [ -x "$old/bin/counterfoil" ] || stop "The release before is not there any more: $old"
    halt
    if as_worker "$old/bin/counterfoil" status >/dev/null 2>&1; then
        : # the data fits the old release as it is
    elif [ -e "$BEFORE/counterfoil.sqlite" ]; then
        now=$(head_of_events 2>/dev/null || true)
        if [ -e "$BEFORE/head" ] && [ "$now" != "$(cat "$BEFORE/head")" ]; then
            start
            stop "Something was taken in or done since the upgrade, and going back would lose it." \
                "The new release runs on. See docs/operating.md, \"When an upgrade fails\"."
        fi
        rm -f "$DATA/counterfoil.sqlite-wal" "$DATA/counterfoil.sqlite-shm"
        install -m 0660 -o counterfoil-worker -g counterfoil "$BEFORE/counterfoil.sqlite" "$DATA/.going-back"
        sync "$DATA/.going-back"
        mv -T "$DATA/.going-back" "$DATA/counterfoil.sqlite"
        sync "$DATA"
    else
        start
        stop "The data was changed for the new release, and the copy from before lies on a database server or" \
            "was deleted after a week: restore the backup made before the upgrade (docs/operating.md, \"When an upgrade fails\")."
    fi
    point_at "$old"; units; start
    well || return 1
    rm -rf "$BEFORE"
    say "Back at $(cat "$old/VERSION")."
}

do_status() {
    say "$(cat "$ROOT/current/VERSION")"
    if runs; then systemctl --no-pager --lines 0 status $(services) || true; fi
    as_worker "$ROOT/current/bin/counterfoil" status
}

do_remove() {
    halt
    if runs; then systemctl disable --quiet $(services) counterfoil-{backup,retention,roll,keep-apart}.timer || true; fi
    rm -f /etc/systemd/system/counterfoil{.slice,-*.service,-*.timer} /usr/local/bin/counterfoil-run /usr/local/sbin/counterfoil-admin
    if runs; then systemctl daemon-reload; fi
    rm -rf "$ROOT"
    say "The program is gone. What was kept is still in $DATA and $BACKUPS, settings in $ETC."
}

[ "$(id -u)" -eq 0 ] || stop "Run this as root."
action=${1:-}; shift || true
case $action in
    install) do_install "$@" ;;
    upgrade) do_upgrade "$@" ;;
    rollback) do_rollback ;;
    restart) halt; start; well ;;
    halt) halt ;;
    status) do_status ;;
    remove) do_remove ;;
    *) stop "Say what to do: install, upgrade, rollback, halt, restart, status or remove." ;;
esac
