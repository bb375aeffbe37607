#!/usr/bin/env bash
# Run a command with its temporary files in memory, when there is room: hundreds of small test
# databases, each synced to disk at every commit, otherwise wait for one another.
set -euo pipefail
memory=/dev/shm
if [ -w $memory ] && [ "$(df --output=avail -k $memory | tail -1)" -gt 2000000 ]; then
  export TMPDIR=$memory PYTEST_DEBUG_TEMPROOT=$memory
fi
exec "$@"
