#!/usr/bin/env bash
# Builds the packages:
#
#   packaging/build.sh [--arch amd64|arm64] [--no-rpm] [--repack FOLDER]
#
# writes tcp-chatd_*.deb and tcp-chat-cli_*.deb to target/debian/, and .rpm files to target/rpm/. With --repack it
# builds nothing: it packs the programs of the last build again, into FOLDER.
#
# programs.sh builds the programs; its head lists what it needs, also for arm64. This script also needs dpkg-dev (for
# the computed dependencies). It installs cargo-deb and cargo-generate-rpm if they are missing. Two builds of one
# commit give the same packages, byte by byte: all times are the last commit's, and the programs contain no path of
# the build machine.
set -euo pipefail

fail() { echo "build.sh: $*" >&2; exit 1; }

arch=$(dpkg --print-architecture)
repack=
rpm=yes
while [ $# -gt 0 ]; do
	case "$1" in
	--arch) arch=${2:?}; shift 2 ;;
	--repack) repack=$(realpath "${2:?}"); rpm=no; shift 2 ;;
	--no-rpm) rpm=no; shift ;;
	-h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) fail "unknown argument $1; see --help" ;;
	esac
done

cd "$(dirname "$0")/.."
root=$PWD

for tool in cargo dpkg-shlibdeps; do
	command -v "$tool" >/dev/null || fail "$tool is missing; see the top of this file"
done
packaging/tool.sh cargo-deb
[ "$rpm" = no ] || packaging/tool.sh cargo-generate-rpm

# The Debian changelog is written by hand: it must contain the version that is built.
workspace_version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' Cargo.toml)
grep -q "^tcp-chat ($workspace_version) " packaging/deb/changelog ||
	fail "packaging/deb/changelog has no entry for $workspace_version"

[ -n "$repack" ] || packaging/stage.sh
# The folder in which programs.sh builds, whatever the environment says.
export CARGO_TARGET_DIR=$root/target
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

[ -n "$repack" ] || packaging/programs.sh --arch "$arch"

# .../target/TARGET/dist, as programs.sh prints it.
programs=$(packaging/programs.sh --arch "$arch" --where)
folder=${programs%/dist}
target=${folder##*/}
debs=${repack:-$root/target/debian}
mkdir -p "$debs"
if [ -n "$repack" ]; then
	# cargo-deb first empties debian/ of its target folder, so it gets a folder of its own.
	export CARGO_TARGET_DIR=$repack/.target
	mkdir "$CARGO_TARGET_DIR"
	ln -s "$folder" "$CARGO_TARGET_DIR/$target"
fi
for package in tcp-chatd tcp-chat-cli; do
	rm -f "$debs/${package}_"*"_$arch.deb"
	cargo deb --quiet --no-build --locked --strip --profile dist --target "$target" -p "$package" -o "$debs/"
done
[ -z "$repack" ] || rm -r "$CARGO_TARGET_DIR"

if [ "$rpm" = yes ]; then
	mkdir -p target/rpm
	rm -f target/rpm/*.rpm
	for package in daemon cli; do
		cargo generate-rpm --profile dist --target "$target" -p "$package" -o target/rpm/ \
			--payload-compress xz
	done
fi

ls -l "$debs"/*_"$arch".deb
[ "$rpm" = no ] || ls -l target/rpm/*.rpm
