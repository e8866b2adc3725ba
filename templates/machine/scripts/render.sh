#!/bin/sh
# Puts the release into the pages.
set -eu
for page in "$ROOT"/site/*.html; do
	sed -i "s/@RELEASE@/$RELEASE/g" "$page"
done
