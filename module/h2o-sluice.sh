#!/bin/sh
# h2o-sluice: runs the stock h2o with sluice-loader.so preloaded, so that its configuration may say `load-module: PATH`.
# Takes every option of h2o. Environment: H2O is the server to run (default /usr/bin/h2o); LD_PRELOAD is kept.
set -eu

fail() {
    printf 'h2o-sluice: %s\n' "$*" >&2
    exit 78 # EX_CONFIG, as h2o says it
}

here=$(dirname -- "$(readlink -f -- "$0")")
loader=$here/sluice-loader.so
[ -e "$loader" ] || loader=$(dirname -- "$here")/lib/sluice/sluice-loader.so
[ -r "$loader" ] || fail "sluice-loader.so is neither in $here nor in ${loader%/*}: run \`make\`, or \`make install\`"
case $loader in
*[[:space:]:]*) fail "cannot preload $loader: the dynamic linker takes no path with a space or a colon; install it elsewhere" ;;
esac

h2o=${H2O:-/usr/bin/h2o}
if [ ! -f "$h2o" ] || [ ! -x "$h2o" ]; then
    fail "there is no server at $h2o: install the package h2o, or set H2O to the path of one"
fi

# the master starts its workers as argv[0], which exec makes this path; the preload reaches them through the environment
LD_PRELOAD=$loader${LD_PRELOAD:+:$LD_PRELOAD}
export LD_PRELOAD
exec "$h2o" "$@"
