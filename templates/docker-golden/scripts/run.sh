#!/bin/sh
# What the container runs.
echo "release ${RELEASE:-unknown} is in place"
