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
to=/opt/counterfoil-terminal

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    cage xwayland chromium chromium-sandbox libx11-6 libnss3-tools openssl nftables usbguard \
    python3 ca-certificates

id glass >/dev/null 2>&1 || useradd --system --home-dir /nonexistent --no-create-home \
    --shell /usr/sbin/nologin --groups video,input,render,audio glass

# The program: Python's own library is all it needs, so the files are copied and nothing is built.
rm -rf "$to.new"
mkdir -p "$to.new/kiosk"
cp -R "$here" "$to.new/kiosk/terminal"
: >"$to.new/kiosk/__init__.py"
chown -R root:root "$to.new"
chmod -R go-w "$to.new"
rm -rf "$to"
mv "$to.new" "$to"

mkdir -p -m 0711 /var/lib/counterfoil-terminal
cd "$to"
PYTHONDONTWRITEBYTECODE=1 python3 -m kiosk.terminal.machine "$@"

# Nobody signs in at the glass, and nothing is swapped to a disk.
swapoff -a || true
sed -i '/\sswap\s/s/^[^#]/#&/' /etc/fstab
passwd -l root >/dev/null || true
for unit in getty@tty1 ssh cups avahi-daemon ModemManager bluetooth; do
    systemctl disable --now "$unit.service" >/dev/null 2>&1 || true
done
systemctl daemon-reload
systemctl enable nftables.service usbguard.service counterfoil-glass.service counterfoil-renew.timer
systemctl set-default graphical.target

cat <<END
Set up. What is left for hands:
 1. firmware: a password, boot from the disk alone, Secure Boot on;
 2. enrol: PYTHONPATH=$to python3 -m kiosk.terminal.identity enrol \\
        --origin ORIGIN --authority /etc/counterfoil-authority.pem
 3. start again, then: PYTHONPATH=$to python3 -m kiosk.terminal.verify
END
