#!/usr/bin/env bash
# Only src/catalog/table_life.cpp makes, removes and moves tables of sources (table_life.hpp says why). Prints each
# violation; fails if there is one.
set -u
cd "$(dirname "$0")/../.."
status=0

# A statement ends with the C++ statement or the SQL statement that it is of; what follows WHERE is only compared.
files=$(git ls-files -co --exclude-standard 'src/*.[ch]pp' 'sql/install/*.sql') || exit 1
found=$(grep -vx src/catalog/table_life.cpp <<<"$files" |
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
[ $status = 0 ] && echo "table life: ok"
exit $status
