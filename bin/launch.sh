# Sourced by the launchers. Works under any host Node: finds the Node that package-lock.json pins and becomes it.
# Takes: program (name for messages), entry (below dist/), root (the package's folder), options (for Node; may be unset). Exit 69 is EX_UNAVAILABLE.

fail() {
  printf '%s: %s\n' "$program" "$1" >&2
  exit 69
}

find_node() {
  case $(uname -m) in
    x86_64 | amd64) arch=x64 ;;
    aarch64 | arm64) arch=arm64 ;;
    *) arch=none ;;
  esac
  # In a checkout or a nested install the runtime lies inside the package; hoisted, it lies beside it.
  for node in "$root/node_modules/node-linux-$arch/bin/node" "$root/../node-linux-$arch/bin/node"; do
    if [ -x "$node" ]; then return 0; fi
  done
  node=$(command -v node) || fail "Node 24 or newer is needed and none was found; run 'npm ci' or install Node 24"
  version=$("$node" --version 2>/dev/null) || version=unknown
  major=${version#v}
  major=${major%%.*}
  case $major in
    '' | *[!0-9]*) major=0 ;;
  esac
  [ "$major" -ge 24 ] || fail "Node 24 or newer is needed, found $version at $node; run 'npm ci' or install Node 24"
}

# Where getcwd(2) fails, Node ends with a stack trace.
cwd=$(readlink /proc/self/cwd)
case $cwd in
  *' (deleted)') [ -d "$cwd" ] || fail 'the working directory was removed; change to another directory and run this again' ;;
esac

[ -f "$root/dist/$entry" ] || fail "dist/$entry is missing; run 'npm run build'"
find_node
# What crashes must not leave its memory, and with it every secret, in a file: neither this process nor one that it starts.
ulimit -c 0
# Without the --, Node would take an --env-file meant for the program as its own.
exec "$node" ${options:-} --disable-warning=ExperimentalWarning -- "$root/dist/$entry" "$@"
