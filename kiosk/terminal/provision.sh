#!/bin/sh
# Makes a fresh Debian 12 machine a wing terminal. Run as root, with the network that Debian's
# packages come from; afterwards the firewall lets the machine speak with the kiosk and nobody else.
#
#   kiosk/terminal/provision.sh --origin https://kiosk.example:8443 --address 10.0.0.5 \
#       --authority authority.pem [--touch 0eef:0001]
#
# Then: python3 -m kiosk.terminal.identity enrol ..., and python3 -m kiosk.terminal.verify.
set -eu

[ "$(id -u)" = 0 ] || { echo "Run this as root." >&2; exit 1; }
here=$(cd "$(dirname "$0")" && pwd)
umask 022
to=/opt/counterfoil-terminal

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    cage xwayland chromium chromium-sandbox libx11-6 libnss3-tools openssl nftables usbguard \
    python3 ca-certificates iproute2 procps mokutil libxkbcommon-tools

id glass >/dev/null 2>&1 || useradd --system --home-dir /nonexistent --no-create-home \
    --shell /usr/sbin/nologin --groups video,input,render,audio glass

# The program: Python's own library is all it needs, so the files are copied and nothing is built.
rm -rf "$to.new"
mkdir -p "$to.new/kiosk"
cp -R "$here" "$to.new/kiosk/terminal"
rm -rf "$to.new/kiosk/terminal/__pycache__"
: >"$to.new/kiosk/__init__.py"
chown -R root:root "$to.new"
chmod -R go-w "$to.new"
rm -rf "$to"
mv "$to.new" "$to"

mkdir -p -m 0711 /var/lib/counterfoil-terminal
# From where it was called, so that the authority's file is found; but only our own copy is run.
PYTHONPATH="$to" PYTHONDONTWRITEBYTECODE=1 python3 -P -m kiosk.terminal.machine "$@"

# Nobody signs in at the glass, and nothing is swapped to a disk.
swapoff -a || true
sed -i '/\sswap\s/s/^[^#]/#&/' /etc/fstab
passwd -l root >/dev/null || true
for unit in ssh cups avahi-daemon ModemManager bluetooth; do
    systemctl disable --now "$unit.service" >/dev/null 2>&1 || true
done
# A console comes back by its template, and by what else can start one: none of them may.
systemctl mask getty@.service getty@tty1.service autovt@.service serial-getty@.service console-getty.service \
    debug-shell.service ctrl-alt-del.target swap.target ssh.socket >/dev/null 2>&1 || true

# The boot loader starts the system at once, and lets nobody change how.
if [ -f /etc/grub.d/10_linux ]; then
    grep -q -- '^CLASS="--unrestricted ' /etc/grub.d/10_linux ||
        sed -i 's/^CLASS="/CLASS="--unrestricted /' /etc/grub.d/10_linux
    grep -q -- '^CLASS="--unrestricted ' /etc/grub.d/10_linux || {
        echo "The boot loader's /etc/grub.d/10_linux is not as expected: nothing was closed." >&2
        exit 1
    }
    update-grub
fi
systemctl daemon-reload
systemctl enable nftables.service usbguard.service counterfoil-glass.service counterfoil-renew.timer \
    counterfoil-verify.timer
systemctl set-default graphical.target

cat <<END
Set up. What is left for hands:
 1. firmware: a password, boot from the disk alone, Secure Boot on;
 2. enrol: PYTHONPATH=$to python3 -m kiosk.terminal.identity enrol \\
        --origin ORIGIN --authority /etc/counterfoil-authority.pem
 3. start again. From then on no keyboard works here. Three minutes after each start, and each
    day, the machine says which layer holds in /var/lib/counterfoil-terminal/verified.txt; to
    read it, start from a stick with the firmware's password.
END
