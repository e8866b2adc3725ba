#!/bin/sh
# Runs as root on the machine. What belongs on every server goes here.
set -eu
install -d -m 755 /etc/golden
echo "$RELEASE" >/etc/golden/release

# No passwords over SSH, and no root.
install -d -m 755 /etc/ssh/sshd_config.d
cat >/etc/ssh/sshd_config.d/10-golden.conf <<'CONF'
PasswordAuthentication no
PermitRootLogin no
CONF

# Ask for updates here, e.g.: apt-get update && apt-get -y upgrade
