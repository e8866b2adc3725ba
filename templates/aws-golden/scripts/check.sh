#!/bin/sh
# Fails the build when the machine is not as it should be.
set -eu
test -s /etc/golden/release
grep -q '^PermitRootLogin no$' /etc/ssh/sshd_config.d/10-golden.conf
echo "release $(cat /etc/golden/release) is in place"
