#!/bin/bash
# get_server.sh DIR PACKAGE…: unpacks servers and clients of MySQL or MariaDB from Debian sid, with their libraries, under
# DIR: DIR/bin has what starts them. Nothing is installed on the host, and what is there already is left alone.
set -euo pipefail
D=${1:?dir}; shift; A=$D/apt; R=$D/root
# the mirror that this machine's own apt uses
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' "Created-By: Packages" | grep -m1 '/debian/\?$')}
if [ ! -e "$D/.done" ]; then
  mkdir -p "$A"/lists/partial "$A"/cache/archives/partial "$R"; : > "$A/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg arch=amd64] $mirror sid main" > "$A/s.list"
  O=(-o Dir::Etc::SourceList="$A/s.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Parts=/dev/null -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
     -o Dir::State::Lists="$A/lists" -o Dir::State::Status="$A/status" -o Dir::Cache="$A/cache" -o APT::Sandbox::User=root
     -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Install-Recommends=false -o Debug::NoLocking=true)
  apt-get "${O[@]}" -qq update
  apt-get "${O[@]}" -y -qq --download-only install "$@"
  du -sh "$A/cache/archives"; ls "$A/cache/archives" | wc -l
  for f in "$A"/cache/archives/*.deb; do case ${f##*/} in perl*|libperl*|debconf*|*-data_*) continue;; esac; dpkg -x "$f" "$R"; done
  rm -rf "$A"; touch "$D/.done"
fi
mkdir -p "$D/bin"
for p in usr/sbin/mysqld usr/bin/mysql usr/sbin/mariadbd usr/bin/mariadb usr/bin/my_print_defaults usr/bin/resolveip; do
  [ -e "$R/$p" ] || continue
  printf '#!/bin/sh\nexec "%s" --library-path "%s" "%s" "$@"\n' "$R/usr/lib64/ld-linux-x86-64.so.2" "$R/usr/lib/x86_64-linux-gnu" "$R/$p" > "$D/bin/${p##*/}"
  chmod 755 "$D/bin/${p##*/}"
done
# mariadb-install-db looks for them in these places of its --basedir
ln -sfn bin "$D/sbin"; ln -sfn root/usr/share "$D/share"; ln -sfn root/usr/lib "$D/lib"
