#!/bin/sh
# Fails the build when a page was not rendered.
set -eu
grep -q "Release $RELEASE" "$ROOT/site/index.html"
echo "the site of release $RELEASE is in place"
