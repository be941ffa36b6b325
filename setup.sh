#!/usr/bin/env bash
# Installs what counterfoil needs: system packages (as root or through sudo), then .venv.
# Safe to run again at any time; a run with nothing to do takes a second.
# `setup.sh tests` adds what only the tests need: a PostgreSQL server, strace, FUSE, and ffmpeg.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'setup: %s\n' "$*" >&2; }
stop() { say "$@"; exit 1; }

# --- Python ---------------------------------------------------------------------------------
python=""
for name in python3 python3.13 python3.12 python3.11; do
    if command -v "$name" >/dev/null &&
        "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        python=$(command -v "$name")
        break
    fi
done
[ -n "$python" ] || stop "Python 3.11 or later is needed. Debian 12 and Ubuntu 24.04 have it: apt-get install python3"

# --- Is there anything to do? ----------------------------------------------------------------
# The stamp says what .venv was made from, and where: an editable install remembers its folder.
stamp=.venv/.made-from
wanted=$({ cat requirements.lock pyproject.toml setup.sh; pwd; "$python" -V; } | sha256sum | cut -d ' ' -f 1)
current=no
if [ -x .venv/bin/counterfoil ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] &&
    .venv/bin/python -c '' 2>/dev/null; then
    current=yes
fi

# --- System packages ------------------------------------------------------------------------
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        return 1
    fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
offered() { apt-cache show "$1" >/dev/null 2>&1; }

# WeasyPrint draws with Pango and HarfBuzz; Tesseract reads the serial printed beside a code;
# Liberation has the letters beyond Western Europe that people type into a fillable form;
# bubblewrap is the sandbox in which files are opened; libatomic is for the browser tests.
needed=(tesseract-ocr libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fontconfig
    fonts-liberation bubblewrap libseccomp2 libatomic1)
if [ "${1:-}" = tests ]; then needed+=(postgresql strace fuse3 libfuse3-3 nginx-light ffmpeg); fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    needed+=("python$version-venv")
fi

if command -v apt-get >/dev/null; then
    missing=()
    for package in "${needed[@]}"; do
        installed "$package" || missing+=("$package")
    done
    browser=$current # looked for once: where there is none to be had, there is none next time
    for name in chromium-headless-shell chromium chromium-browser google-chrome; do
        if command -v "$name" >/dev/null; then browser=yes; fi
    done
    if [ ${#missing[@]} -gt 0 ] || [ "$browser" = no ]; then
        export DEBIAN_FRONTEND=noninteractive
        listed=yes
        as_root apt-get update -qq || listed=no
        if [ ${#missing[@]} -gt 0 ]; then
            say "installing ${missing[*]}"
            as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
                stop "these packages could not be installed: ${missing[*]}. As root, run:" \
                    "apt-get update && apt-get install ${missing[*]}"
        fi
        if [ "$browser" = no ]; then
            # Only the tests of the web pages need a browser: without one everything else works.
            for package in chromium-headless-shell chromium; do
                if [ "$listed" = yes ] && offered "$package"; then
                    say "installing $package"
                    if as_root env DEBIAN_FRONTEND=noninteractive \
                        apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$package" >/dev/null; then
                        browser=yes
                        break
                    fi
                fi
            done
            [ "$browser" = yes ] ||
                say "warning: no Chromium to be had here; the browser tests need chromium-headless-shell"
        fi
    fi
else
    say "warning: not Debian or Ubuntu; install Tesseract, Pango, HarfBuzz (subset) and fontconfig yourself"
fi

# --- .venv ----------------------------------------------------------------------------------
if [ "$current" = yes ]; then exit 0; fi

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    say "making .venv"
    "$python" -m venv --clear .venv
fi
rm -f "$stamp"
say "installing the locked Python packages (a few minutes the first time)"
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
"${pip[@]}" install --require-hashes -r requirements.lock
"${pip[@]}" install --no-deps --no-build-isolation --editable .
printf '%s\n' "$wanted" >"$stamp"
say "done: the command is .venv/bin/counterfoil"
