#!/usr/bin/env bash
# Formatting and clang-tidy: style.sh SERVER_FLAGS ADAPTER_FLAGS, the flags that the Makefile compiles with.
# `make format` mends the formatting.
set -u -o pipefail
cd "$(dirname "$0")/../.."
server_flags=$1
adapter_flags=$2
status=0

git ls-files -co --exclude-standard 'src/*.[ch]pp' 'test/*.[ch]pp' | xargs -r clang-format --dry-run -Werror || status=1

# -MMD and -Werror are the compiler's; what clang does not warn about as g++ does is not of interest here.
tidy() {
    local flags=$1
    shift
    git ls-files -co --exclude-standard "$@" |
        xargs -r -n 1 -P "$(nproc)" sh -c 'clang-tidy --quiet "$1" -- $0 2>/dev/null' \
            "$(echo "$flags" | sed -E 's/-MMD|-MP|-Werror(=[a-z-]+)?//g') -w" || status=1
}
tidy "$server_flags" 'src/extension.cpp' 'src/pg/*.cpp' 'src/targets/*.cpp' 'src/catalog/*.cpp' \
    'src/replication/*.cpp' 'src/worker/*.cpp' 'src/api/*.cpp' 'test/pg/*.cpp'
tidy "$adapter_flags" 'src/core/*.cpp' 'src/source/*.cpp' 'test/unit/*.cpp' 'test/bench/*.cpp'
[ $status = 0 ] && echo "style: ok"
exit $status
