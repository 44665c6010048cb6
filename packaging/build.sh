#!/usr/bin/env bash
# Builds the packages. The one command:
#
#   packaging/build.sh [--arch amd64|arm64] [--no-rpm] [--repack FOLDER]
#
# leaves tcp-chatd_*.deb and tcp-chat-cli_*.deb in target/debian/, and .rpm files in target/rpm/.
# With --repack it packs the programs that were built last once more, into FOLDER, and builds nothing.
#
# Needs Rust, a C compiler, dpkg-dev (for the computed dependencies) and git; installs cargo-deb,
# cargo-generate-rpm and cargo-auditable where they are missing. What each program was made of, with versions,
# is in it: `cargo audit bin tcp-chatd` reads it. Two builds of one commit give the same packages, byte by
# byte: all times are the last commit's, and no path of the building machine is in the programs.
#
# For arm64 on amd64, once, beforehand:
#   rustup target add aarch64-unknown-linux-gnu
#   dpkg --add-architecture arm64 && apt-get update
#   apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross libc6:arm64 libgcc-s1:arm64
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

case "$arch" in
amd64) target=x86_64-unknown-linux-gnu gnu=x86_64-linux-gnu ;;
arm64) target=aarch64-unknown-linux-gnu gnu=aarch64-linux-gnu ;;
*) fail "no build for $arch: amd64 and arm64 only" ;;
esac

cd "$(dirname "$0")/.."
root=$PWD

for tool in cargo dpkg-shlibdeps; do
	command -v "$tool" >/dev/null || fail "$tool is missing; see the top of this file"
done
command -v cargo-deb >/dev/null || cargo install --locked cargo-deb --version 3.8.0
command -v cargo-auditable >/dev/null || cargo install --locked cargo-auditable --version 0.7.7
if [ "$rpm" = yes ]; then
	command -v cargo-generate-rpm >/dev/null || cargo install --locked cargo-generate-rpm --version 0.21.1
fi

# The changelog is written by hand: it must know the version that is built.
workspace_version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version *= *"\(.*\)"/\1/p' Cargo.toml)
grep -q "^tcp-chat ($workspace_version) " packaging/deb/changelog ||
	fail "packaging/deb/changelog has no entry for $workspace_version"

export CARGO_TARGET_DIR=$root/target
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH

[ -n "$repack" ] || packaging/stage.sh

# What asks for the machine's paths gets names that are the same everywhere. Of the C code too.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
export RUSTFLAGS="--remap-path-prefix=$root=tcp-chat --remap-path-prefix=$cargo_home=cargo --remap-path-prefix=$sysroot=rust"
export CFLAGS="-ffile-prefix-map=$root=tcp-chat -ffile-prefix-map=$cargo_home=cargo"
if [ "$arch" != "$(dpkg --print-architecture)" ]; then
	linker=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER
	export "$linker=${!linker:-$gnu-gcc}"
	export "CC_${target//-/_}=$gnu-gcc"
	command -v "$gnu-gcc" >/dev/null || fail "$gnu-gcc is missing; see the top of this file"
fi
# Always named, so that the native build and a cross build go the same way and flags do not reach
# what runs while building.
export CARGO_BUILD_TARGET=$target
[ -n "$repack" ] || cargo auditable build --release --locked -p tcp-chatd -p tcp-chat-cli

debs=${repack:-$root/target/debian}
mkdir -p "$debs"
if [ -n "$repack" ]; then
	# cargo-deb empties the debian/ of its target folder first: here it gets another one.
	export CARGO_TARGET_DIR=$repack/.target
	mkdir "$CARGO_TARGET_DIR"
	ln -s "$root/target/$target" "$CARGO_TARGET_DIR/$target"
fi
for package in tcp-chatd tcp-chat-cli; do
	rm -f "$debs/${package}_"*"_$arch.deb"
	cargo deb --quiet --no-build --locked --strip --target "$target" -p "$package" -o "$debs/"
done
[ -z "$repack" ] || rm -r "$CARGO_TARGET_DIR"

if [ "$rpm" = yes ]; then
	mkdir -p target/rpm
	rm -f target/rpm/*.rpm
	for package in daemon cli; do
		cargo generate-rpm --target "$target" -p "$package" -o target/rpm/ \
			--payload-compress xz
	done
fi

ls -l "$debs"/*_"$arch".deb
[ "$rpm" = no ] || ls -l target/rpm/*.rpm
