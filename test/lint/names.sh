#!/usr/bin/env bash
# What C++ and SQL both know by name has the same names, in the same order, in an enum's table there and a type here:
# `constexpr std::array<std::string_view, …> kRunStates` and `CREATE TYPE replicator.run_state`. Prints each violation;
# fails if there is one.
set -u
cd "$(dirname "$0")/../.."

perl -0777 -e '
    my (%ours, %theirs);
    for my $file (@ARGV) {
        open my $in, "<", $file or die "$file: $!";
        my $text = <$in>;
        while ($text =~ /std::array<std::string_view, (\d+)>\s+k(\w+)s = ([^;]*);/g) {
            my ($size, $type, $names) = ($1, $2, $3);
            $type =~ s/ie$/y/;
            $type =~ s/\B([A-Z])/_$1/g;
            my @names = $names =~ /"([^"]*)"/g;
            # Elements that are not given would be empty names.
            print "$file: k$2s holds $size names, of which " . @names . " are given\n" and $bad = 1 if $size != @names;
            $ours{lc $type} = join ", ", @names;
        }
        while ($text =~ /CREATE TYPE replicator\.(\w+) AS ENUM ([^;]*);/g) {
            my ($type, $names) = ($1, $2);
            $theirs{$type} = join ", ", $names =~ /\x27([^\x27]*)\x27/g;
        }
    }
    for my $type (sort keys %ours) {
        my ($in_cpp, $in_sql) = map { $_ // "none" } $ours{$type}, $theirs{$type};
        next if $in_cpp eq $in_sql;
        print "replicator.$type and its table in C++ have other names:\n    SQL: $in_sql\n    C++: $in_cpp\n";
        $bad = 1;
    }
    print "no names found\n" and $bad = 1 if !%ours || !%theirs;
    print "names: ok\n" if !$bad;
    exit($bad ? 1 : 0);
' $(git ls-files -co --exclude-standard 'src/pg/*.hpp' 'src/catalog/*.hpp' 'sql/install/*.sql')
