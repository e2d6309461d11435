#!/usr/bin/env bash
# Who may include whom (docs/dev/architecture.md). Prints each violation; fails if there is one.
set -u
cd "$(dirname "$0")/../.."
status=0

# `found` breaks this rule; nothing, if it is empty.
report() {
    if [ -n "$found" ]; then
        printf '%s\n' "$1" "$found"
        status=1
    fi
}

# forbid FOLDERS PATTERN WHY: no file of the folders may include what matches.
forbid() {
    local folders=$1 pattern=$2 why=$3 found
    # shellcheck disable=SC2086
    found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]+[\"<]($pattern)" $folders --include='*.hpp' --include='*.cpp')
    report "$why:"
}

forbid "src/core src/source" 'postgres\.h|fmgr\.h|utils/|pg/|targets/|catalog/|replication/|worker/|api/' "src/core and src/source know nothing above src/core"
forbid "src/pg" '(targets|catalog|replication|worker|api|source)/[^">]*\.hpp' "src/pg knows src/core only"
forbid "src/targets" '(catalog|replication|worker|api|source)/[^">]*\.hpp' "src/targets knows src/pg and src/core"
forbid "src/catalog" '(targets|replication|worker|api|source)/[^">]*\.hpp' "src/catalog knows src/pg and src/core"
forbid "src/replication" 'worker/|api/|source/' "src/replication knows neither worker nor api"
forbid "src/worker" 'api/|source/' "src/worker knows no api"
forbid "src/api" 'worker/|source/' "src/api knows no worker"
forbid "src/core src/source src/targets src/catalog src/replication src/worker src/api" 'postgres\.h|setjmp\.h' "PostgreSQL's headers come through pg/postgres.hpp"

# one_way PREFIX FOLDERS: a file of a folder may include files of that folder and of those before it, of all in PREFIX.
one_way() {
    local prefix=$1 later
    shift
    while [ $# -gt 0 ]; do
        folder=$1
        shift
        later=$(IFS='|'; echo "$*")
        [ -z "$later" ] || forbid "src/$prefix/$folder" "$prefix/($later)/" "src/$prefix/$folder comes before the folders that it includes"
    done
}
one_way source/mysql wire values sql position binlog server tables copy stream
one_way replication access setup copy stream verify
found=$(find src/replication -maxdepth 1 -name '*.?pp')
report "files of src/replication belong into one of its folders:"

found=$(grep -rnE 'PG_TRY|sigsetjmp' src --include='*.hpp' --include='*.cpp' | grep -v '^src/pg/')
report "only src/pg knows longjmp:"
# Literals that stand one after another are one text.
files=$(git ls-files -co --exclude-standard 'src/*.[ch]pp') || exit 1
found=$(grep -v '^src/catalog/' <<<"$files" | xargs perl -0777 -ne '
    s/^\s*\/\/.*$//gm;
    s/"\s*"//g;
    print "$ARGV: $1\n" while /\b((?:FROM|JOIN|INTO|UPDATE|TABLE|USING|LOCK)\s+(?:ONLY\s+)?replicator\.\w+)/gi;')
report "only src/catalog reads and writes our tables:"
# A statement on a table whose name is put in: of side tables, in the files named here, else of targets.
found=$(grep -vxE 'src/source/.*|src/targets/(target_writer|target_table|seen_ids|row_arrays|bulk_load).cpp' <<<"$files" |
    xargs perl -0777 -ne '
        s/^\s*\/\/.*$//gm;
        s/"\s*"//g;
        print "$ARGV: $1\n" while
            /\b((?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|COPY|TRUNCATE(?:\s+TABLE)?|DROP\s+TABLE)(?:\s+ONLY)?\s+\)?"\s*\+.*)/g;
        print "$ARGV: $1\n" while $ARGV !~ /heap_append/ &&
            /\b((?:table_multi|heap_multi|table_tuple|simple_table_tuple|heap|simple_heap)_(?:insert|update|delete)\w*\s*\()/g;')
report "only src/targets/target_writer.cpp writes to targets:"
# Excepted are comments, and the table of kinds: how the URLs of each begin must be known before its adapter is loaded.
found=$(grep -vE '^src/(source/|core/kinds\.hpp$)' <<<"$files" | xargs perl -ne '
    s/^\s*\/\/.*//;
    s/\s\/\/.*//;
    print "$ARGV:$.: $_" if /sqlite|mysql|mariadb|mongo|"postgresql"|3306|27017|5432/i;
    close ARGV if eof;')
report "kinds of sources are named in src/source and src/core/kinds.hpp only:"
# The two routes behind the gate write to whatever they are given; the rest empties a table, or writes to it, from C.
found=$(grep -vxE 'src/targets/(bulk_load|heap_append|row_arrays|target_writer)\.[ch]pp' <<<"$files" |
    xargs perl -0777 -ne '
        s/^\s*\/\/.*$//gm;
        print "$ARGV: $1\n" while /(\bHeapAppend::open\s*\(|\binsert_arrays\s*\(|#include "targets\/heap_append.hpp")/g;
        print "$ARGV: $1\n" while
            /\b((?:ExecSimpleRelation(?:Insert|Update|Delete)|ExecuteTruncate(?:Guts)?|RelationTruncate|CopyFrom|DoCopy|table_relation_nontransactional_truncate)\s*\()/g;
        print "$ARGV: $1\n" while $ARGV !~ /targets\/target_table/ && /\b(heap_truncate(?:_one_rel)?\s*\()/g;')
report "only the files of the gate (src/targets) know how rows are written:"
[ $status = 0 ] && echo "layers: ok"
exit $status
