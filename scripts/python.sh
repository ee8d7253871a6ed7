#!/bin/sh
# Prints the path of a Python that can make a virtual environment, or says what
# is missing. As root on Debian it installs the missing packages itself.
set -eu

usable='import sys; sys.exit(sys.version_info < (3, 11))'
# pip comes into a new environment through ensurepip, which Debian packages apart.
with_venv='import ensurepip, venv'

find_python() {
    for name in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c "$usable" 2>/dev/null; then
            "$name" -c 'import sys; print(sys.executable)'
            return 0
        fi
    done
    return 1
}

need() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing Debian packages: $*" >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
            --no-install-recommends "$@"; } >&2
    else
        echo "missing: $*. Install with: apt-get install $* (as root), then run this again." >&2
        exit 1
    fi
}

if ! python=$(find_python); then
    need python3 python3-venv
    python=$(find_python) || { echo "Tertulia needs Python 3.11 or newer." >&2; exit 1; }
fi
if ! "$python" -c "$with_venv" 2>/dev/null; then
    need "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
fi
echo "$python"
