# What the scripts of this folder share. `cargo xtask hosts` sets TOMOCUT_PREFIX (an installation) and TOMOCUT_WORK (an empty
# folder); each script ends with 0, with 77 where what it needs cannot be had, and otherwise fails.
set -euo pipefail
: "${TOMOCUT_PREFIX:?run this by: cargo xtask hosts}" "${TOMOCUT_WORK:?run this by: cargo xtask hosts}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$TOMOCUT_WORK"
# As the README advises hosts that share their cores.
export OMP_WAIT_POLICY=PASSIVE

# need COMMAND|FILE PACKAGE...: installs Debian packages where the command or file is missing and this is root.
need() {
    local what=$1
    shift
    command -v "$what" >/dev/null 2>&1 && return
    [ -e "$what" ] && return
    echo "  apt-get install $*"
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        export DEBIAN_FRONTEND=noninteractive
        { apt-get update -q && apt-get install -q -y --no-install-recommends "$@"; } >apt.log 2>&1 && return
        echo "skipped: apt-get could not install $*:"
        tail -n 3 apt.log
    else
        echo "skipped: $what is missing, and only root can install $*"
    fi
    exit 77
}

ok() { echo "  ok: $*"; }

fail() {
    echo "  FAILED: $*"
    exit 1
}

# less A B: whether the decimal number A is below B.
less() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a < b) }'; }

# seconds COMMAND...: runs it, its output in the file log, and prints how long it took.
seconds() {
    local start end
    start=$(date +%s.%N)
    "$@" >log 2>&1 || { cat log >&2; return 1; }
    end=$(date +%s.%N)
    awk -v a="$start" -v b="$end" 'BEGIN { printf "%.2f", b - a }'
}
