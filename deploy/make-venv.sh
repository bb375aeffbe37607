#!/usr/bin/env bash
# Make the virtual environment in $1. Debian's python3 comes without ensurepip: as root the
# missing package is installed, otherwise its name is said.
#
#   make-venv.sh --moved VENV    whether VENV was made at another place, whose programs it starts
set -euo pipefail
[ "$1" != --moved ] || moved=yes
[ -z "${moved:-}" ] || shift
venv=$1

is_moved() {
  made=$(sed -n 's/^VIRTUAL_ENV=["'"'"']\{0,1\}\([^"'"'"']*\).*/\1/p' "$venv/bin/activate" 2>/dev/null | head -n 1)
  [ -n "$made" ] && [ "$(realpath -m "$made")" != "$(realpath -m "$venv")" ]
}
if [ -n "${moved:-}" ]; then is_moved; exit; fi

! is_moved || { echo "make: $venv was made at another place, and is made anew"; rm -rf "$venv"; }
[ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1 && exit 0

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
has_pip() { "$1" -c 'import ensurepip' 2>/dev/null; }
is_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# The distribution's own interpreter goes before whatever else is first in PATH: it is built
# with profile-guided optimisation (a third faster than a plain build) and gets its security
# updates with the system. PYTHON=… chooses another.
python=${PYTHON:-}
if [ -z "$python" ]; then
  python=/usr/bin/python3
  { fits "$python" && { has_pip "$python" || is_root; }; } || python=python3
fi
command -v "$python" >/dev/null || { echo "make: python3 is needed (3.11 or newer)" >&2; exit 2; }
fits "$python" || {
  echo "make: python3 is $("$python" -V | cut -d" " -f2); 3.11 or newer is needed" >&2
  exit 2
}

if ! has_pip "$python"; then
  package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info.minor)')
  if is_root; then
    echo "make: installing $package"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "$package" >/dev/null
  else
    echo "make: python3 lacks ensurepip; install the package $package as root, then repeat" >&2
    exit 2
  fi
fi
rm -rf "$venv"
"$python" -m venv "$venv"
