#!/usr/bin/env bash
# Runs README's commands where other versions are: in Debians of their own, which are made the first time and kept.
#
#   test/matrix.sh             PostgreSQL 17 and 18;  test/matrix.sh 15 16 19: these
#   SUITE=regress,module …     other suites than those below (test/run.py says which there are)
#   PGREPL_MATRIX_MAKE="CXX='ccache g++'" …   more arguments of make
#
#   15  Debian 12                 its own PostgreSQL and compiler (g++ 12): the two commands from bare
#   16  Debian 12                 PostgreSQL of the PyPI package pgserver: Debian has never released one
#   17  Debian 13                 its own (g++ 14, MariaDB Connector/C 3.4): the two commands from bare
#   18  sid                       its own
#   19  sid and experimental      what experimental has
#
# 16 has passed module, regress and pgtap outside of a chroot; 19 is there to be tried.
#
# For root on a Debian machine with debootstrap. Nothing outside of PGREPL_CHROOTS (/var/tmp/pg_replicator-chroots) is
# changed; there each Debian takes about 2 GB. What is mounted is gone with this process.
set -euo pipefail
checkout=$(cd "$(dirname "$0")/.." && pwd)
chroots=${PGREPL_CHROOTS:-/var/tmp/pg_replicator-chroots}
suites=${SUITE:-lint,unit,module,regress,pgtap,adapter,e2e}

say() { echo "matrix: $*"; }

if [ "$(id -u)" != 0 ]; then
    say "chroots can be made by root only" >&2
    exit 1
fi
if ! command -v debootstrap >/dev/null; then
    say "debootstrap is missing: apt-get install debootstrap" >&2
    exit 1
fi
if [ -z "${PGREPL_MATRIX_MOUNTS:-}" ]; then  # again, with mounts that nobody else sees
    exec env PGREPL_MATRIX_MOUNTS=own unshare --mount --propagation private "$0" "$@"
fi

# The mirror that this machine's own apt uses.
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" | grep -m1 '/debian/\?$')}

# The Debian to have the version in, and the PostgreSQL that this Debian has itself.
release_of() {
    case $1 in
        15 | 16) echo bookworm 15 ;;
        17) echo trixie 17 ;;
        18 | 19) echo sid 18 ;;
        *) return 1 ;;
    esac
}

# A command in the Debian. setup.sh finds the Debian's own pg_config, the others that of the version.
inside() {
    chroot "$root" env -i PATH="/usr/lib/postgresql/$own_version/bin:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8 HOME=/root \
        DEBIAN_FRONTEND=noninteractive PG_CONFIG="$pg_config" PGREPL_MYSQL_DIRECTORY= SUITE="$suites" "$@"
}

# A bare Debian: what it does not have is for setup.sh to install.
make_debian() {
    local release=$1
    if [ ! -e "$root/.made" ]; then
        say "making $release in $root"
        rm -rf --one-file-system "$root"
        debootstrap --variant=minbase "$release" "$root" "$mirror"
        printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"  # no package starts a server
        chmod 755 "$root/usr/sbin/policy-rc.d"
        printf 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/man/*\n' >"$root/etc/dpkg/dpkg.cfg.d/90nodoc"
        mkdir -p "$root/etc/postgresql-common"
        echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
        touch "$root/.made"
    fi
    apt-config dump Acquire::Check-Valid-Until >"$root/etc/apt/apt.conf.d/91host"  # for mirrors that stand still
    cp /etc/resolv.conf "$root/etc/resolv.conf"
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    mountpoint -q "$root/dev" || mount --bind /dev "$root/dev"
    mountpoint -q "$root/dev/pts" || mount --bind /dev/pts "$root/dev/pts"
    mountpoint -q "$root/dev/shm" || mount -t tmpfs shm "$root/dev/shm"
}

# PostgreSQL of the version beside the distribution's own.
install_postgres() {
    case $1 in
        16)
            [ -x "$root$pg_config" ] && return
            say "fetching PostgreSQL 16"
            inside apt-get -qq update
            inside apt-get -y -qq --no-install-recommends install ca-certificates python3-pip unzip
            # A network may have a CA of its own, which the machine trusts.
            if [ -d /usr/local/share/ca-certificates ]; then
                cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
            fi
            inside update-ca-certificates
            inside sh -c 'cd /tmp && pip download -q --no-deps --only-binary=:all: pgserver==0.1.4 &&
                unzip -q -o pgserver-*.whl "pgserver/pginstall/*" "pgserver.libs/*" -d /opt && chmod -R a+rX,u+w /opt/pgserver* &&
                chmod a+x /opt/pgserver/pginstall/bin/* /opt/pgserver/pginstall/lib/postgresql/pgxs/src/test/regress/pg_regress'
            ;;
        19)
            [ -x "$root$pg_config" ] && return
            say "fetching PostgreSQL 19"
            echo "deb $mirror experimental main" >"$root/etc/apt/sources.list.d/experimental.list"  # taken for this only
            inside apt-get -qq update
            inside apt-get -y -qq --no-install-recommends -t experimental install postgresql-19 postgresql-server-dev-19
            ;;
    esac
}

# pgTAP is SQL alone: where there is none for a version, that of another does.
lend_pgtap() {
    local extensions own
    extensions=$(inside "$pg_config" --sharedir)/extension
    if [ ! -e "$root$extensions/pgtap.control" ]; then
        own=$(find "$root"/usr/share/postgresql/*/extension -name pgtap.control | sort | tail -1)
        cp "${own%.control}"* "$root$extensions/"
        say "pgTAP is that of $(dirname "${own#"$root"}")"
    fi
}

run_version() {
    local version=$1 release
    read -r release own_version < <(release_of "$version")
    root=$chroots/$release
    case $version in
        16) pg_config=/opt/pgserver/pginstall/bin/pg_config ;;
        *) pg_config=/usr/lib/postgresql/$version/bin/pg_config ;;
    esac
    make_debian "$release"
    rm -rf "$root/build/$version"
    mkdir -p "$root/build/$version"
    git -C "$checkout" ls-files -z -co --exclude-standard |
        tar -C "$checkout" --null --files-from=- --ignore-failed-read -cf - | tar -C "$root/build/$version" -xf -
    inside sh -c "cd /build/$version && ./setup.sh && git init -q"  # lint asks git for the files
    install_postgres "$version"
    lend_pgtap
    inside sh -c "cd /build/$version && make -s ${PGREPL_MATRIX_MAKE:-} demo && make -s ${PGREPL_MATRIX_MAKE:-} test"
}

status=0
for version in ${*:-17 18}; do
    if ! release_of "$version" >/dev/null; then
        say "$version: not known where to have it" >&2
        status=1
        continue
    fi
    say "PostgreSQL $version"
    mkdir -p "$chroots"
    read -r release _ < <(release_of "$version")
    exec 9>"$chroots/$release.lock"
    flock 9  # one run at a time in a Debian
    outcome=passed
    set +e  # bash would ignore it within a condition
    (set -e; run_version "$version")
    [ $? = 0 ] || { outcome=failed; status=1; }
    set -e
    lines+=("PostgreSQL $version on $release: $outcome")
done
say "servers of MySQL were left out, as tests that need them say above"
printf 'matrix: %s\n' "${lines[@]}"
exit $status
