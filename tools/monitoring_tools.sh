#!/bin/sh
# Bring Debian's prometheus and promtool into a folder: nothing is installed, no service is started,
# no root is needed. (Alertmanager wants its own folder in /usr/share: install that one.)
set -eu
folder=$(realpath "$1")
parts=$(mktemp -d)
trap 'rm -rf "$parts"' EXIT
cd "$parts"
apt-get download prometheus || { echo "no Debian package of Prometheus here; install it yourself" >&2; exit 1; }
dpkg -x prometheus_*.deb .
install -m 755 usr/bin/prometheus usr/bin/promtool "$folder"
