# Sourced by scripts that need Node.js 20 or newer, with npm.

has_node() {
    command -v node >/dev/null && command -v npm >/dev/null &&
        node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'
}

# skip NAME REASON: ends the script, as a failure if CI=true.
skip() {
    echo "$1: skipped: $2" >&2
    if [ "${CI:-}" = true ] || [ "${CI:-}" = 1 ]; then
        exit 1
    fi
    exit 0
}

# node_tools NAME MODE: installs the tools in the package-lock.json of the present folder. Without them a check (MODE "check") is
# skipped; tests (MODE "install") fail.
node_tools() {
    local problem="" stamp=node_modules/.installed
    if ! has_node; then
        problem="Node.js 20 or newer, with npm, is not installed"
    elif ! cmp -s package-lock.json "$stamp"; then
        if npm ci --ignore-scripts --no-audit --no-fund >npm-ci.log 2>&1; then
            rm npm-ci.log
            cp package-lock.json "$stamp"
        else
            cat npm-ci.log >&2
            problem="its tools cannot be installed"
        fi
    fi
    [ -n "$problem" ] || return 0
    [ "$2" != check ] || skip "$1" "$problem"
    echo "$1: $problem" >&2
    exit 1
}
