#!/usr/bin/env bash
# Makes dist/counterfoil-VERSION.tar.gz: the program with every Python package it needs, for boxes
# without a network. Run it in a clone after `make setup`, on the kind of machine it is for.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=.venv/bin/python
[ -x "$python" ] || { echo "Run make setup first." >&2; exit 1; }
version=$("$python" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')
if [ -n "${BUILD:-}" ]; then version=$version+$BUILD; fi
name=counterfoil-$version
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/$name/wheels" dist
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes -r requirements.run.lock -d "$work/$name/wheels"
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
    -w "$work/$name/wheels" .
cp requirements.run.lock LICENSE CHANGELOG.md "$work/$name/"
cp -r deploy docs "$work/$name/"
echo "$version" >"$work/$name/VERSION"
# shellcheck disable=SC2094
(cd "$work/$name" && find . -type f ! -name SHA256SUMS -print0 | sort -z | xargs -0 sha256sum >SHA256SUMS)
tar -C "$work" --owner 0 --group 0 --sort name --mtime "@$(git log -1 --format=%ct)" -czf "dist/$name.tar.gz" "$name"
echo "dist/$name.tar.gz"
