# shellcheck shell=sh
# Sourced: finds the LLVM tools that read profiles, in the Rust toolchain or from Debian, and exports LLVM_COV and LLVM_PROFDATA.
# LLVM 19 reads the profiles of rustc 1.95.
if [ -z "${LLVM_PROFDATA:-}" ]; then
    tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
    suffix=
    if [ ! -x "$tools/llvm-profdata" ]; then
        tools=/usr/bin
        newest=$(for tool in /usr/bin/llvm-profdata-*; do echo "${tool##*-}"; done | sort -n | tail -1)
        if ! [ "$newest" -ge 19 ] 2>/dev/null; then
            echo "llvm-profdata is missing: rustup component add llvm-tools" >&2
            echo "or, on Debian or Ubuntu: sudo apt-get install llvm-19 (or newer). Or set LLVM_COV=… and LLVM_PROFDATA=…" >&2
            exit 1
        fi
        suffix=-$newest
    fi
    export LLVM_COV="${LLVM_COV:-$tools/llvm-cov$suffix}" LLVM_PROFDATA="$tools/llvm-profdata$suffix"
fi
