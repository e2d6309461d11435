#!/usr/bin/env bash
# Only src/catalog/table_life.cpp makes, removes and moves tables of sources (table_life.hpp says why), and the names of
# states in src/catalog/states.hpp are the catalog's. Prints each violation; fails if there is one.
set -u
cd "$(dirname "$0")/../.."
status=0

# A statement ends with the C++ statement or the SQL statement that it is of; what follows WHERE is only compared.
found=$(git ls-files -co --exclude-standard 'src/*.[ch]pp' 'sql/install/*.sql' | grep -vx src/catalog/table_life.cpp |
    xargs perl -0777 -ne '
        s/^\s*(\/\/|--).*$//gm;
        while (/(INSERT\s+INTO|DELETE\s+FROM|UPDATE)\s+(?:ONLY\s+)?replicator\.source_table\b([^;]*)/gi) {
            my ($verb, $rest) = ($1, $2);
            $rest =~ s/\bWHERE\b.*//si if $verb =~ /UPDATE/i;
            next if $verb =~ /UPDATE/i && $rest !~ /(?:\bSET|,)["\s(]*(?:state|copy_way|copy_bound|consistency)\b/i;
            $rest =~ s/\s+/ /g;
            print "$ARGV: $verb replicator.source_table", substr($rest, 0, 80), "\n";
        }')
if [ -n "$found" ]; then
    echo "only src/catalog/table_life.cpp writes the states of tables:"
    echo "$found"
    status=1
fi

# names_in FILE FROM QUOTE: the quoted names that stand between FROM and the next semicolon.
names_in() { perl -0777 -ne "print join(' ', \$1 =~ /$3(\\w+)$3/g) if /$2([^;]*);/" "$1"; }
for names in 'kRunStates run_state' 'kTableStates table_state' 'kCopyWays copy_way'; do
    read -r list type <<<"$names"
    ours=$(names_in src/catalog/states.hpp "$list = " '"')
    theirs=$(names_in sql/install/10_tables.sql "CREATE TYPE replicator.$type AS ENUM " "'")
    if [ -z "$ours" ] || [ "$ours" != "$theirs" ]; then
        echo "$list and replicator.$type have other names: '$ours', '$theirs'"
        status=1
    fi
done
[ $status = 0 ] && echo "table life: ok"
exit $status
