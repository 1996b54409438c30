#!/bin/sh
# Unpacks Debian packages into a directory: nothing is installed, no service starts, and it needs not be root.
set -eu
target=$1
shift
mkdir -p "$target"
if ! command -v apt-get >/dev/null; then
    echo "There is no apt-get here: the tests that need $* will be skipped." >&2
    exit 0
fi
cd "$target"
apt-get download -qq "$@" || { apt-get update -qq; apt-get download -qq "$@"; }
for package in *.deb; do
    dpkg-deb -x "$package" .
done
rm -f ./*.deb
