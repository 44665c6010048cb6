#!/usr/bin/env bash
# Builds the programs for distribution: profile `dist`, without paths of the build machine. Each program contains
# the list of its dependencies (`cargo audit bin tcp-chatd` reads it).
#
#   packaging/programs.sh [--arch amd64|arm64] [--bench] [--where]
#
# build.sh puts these programs into packages; bench/guard, bench/compare and the checks measure and test the same
# programs. --bench also builds tcp-chat-bench. --where builds nothing and prints the programs' folder. Needs Rust, a
# C compiler, make and git; installs cargo-auditable if it is missing.
#
# To build for arm64 on amd64, run once before:
#   rustup target add aarch64-unknown-linux-gnu
#   dpkg --add-architecture arm64 && apt-get update
#   apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross libc6:arm64 libgcc-s1:arm64
set -euo pipefail

fail() { echo "programs.sh: $*" >&2; exit 1; }

machine() {
	case "$(uname -m)" in
	x86_64) echo amd64 ;;
	aarch64) echo arm64 ;;
	*) fail "no build on $(uname -m): amd64 and arm64 only" ;;
	esac
}

native=$(machine)
arch=$native
packages=(-p tcp-chatd -p tcp-chat-cli)
where=
while [ $# -gt 0 ]; do
	case "$1" in
	--arch) arch=${2:?}; shift 2 ;;
	--bench) packages+=(-p tcp-chat-bench); shift ;;
	--where) where=yes; shift ;;
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
if [ -n "$where" ]; then
	echo "$root/target/$target/dist"
	exit 0
fi

for tool in cargo cc make git; do
	command -v "$tool" >/dev/null || fail "$tool is missing; see the top of this file"
done
packaging/tool.sh cargo-auditable

# Replaces the machine's paths by fixed names, in Rust and in C code.
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
export RUSTFLAGS="--remap-path-prefix=$root=tcp-chat --remap-path-prefix=$cargo_home=cargo --remap-path-prefix=$sysroot=rust"
export CFLAGS="-ffile-prefix-map=$root=tcp-chat -ffile-prefix-map=$cargo_home=cargo"
if [ "$arch" != "$native" ]; then
	linker=CARGO_TARGET_$(echo "$target" | tr 'a-z-' 'A-Z_')_LINKER
	export "$linker=${!linker:-$gnu-gcc}"
	export "CC_${target//-/_}=$gnu-gcc"
	command -v "$gnu-gcc" >/dev/null || fail "$gnu-gcc is missing; see the top of this file"
fi
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
# Ignores CARGO_TARGET_DIR: cargo-deb searches for the other files of the packages beside target/.
export CARGO_TARGET_DIR=$root/target
# The target is always named. So a native build and a cross build work the same way, and flags do not affect build
# scripts and procedural macros.
export CARGO_BUILD_TARGET=$target
# Only the daemon has these features. `tcp-chatd/jemalloc` would mean a feature of the dependency that the daemon's tests
# have on it: without jemalloc, and compiled again for --bench.
exec cargo auditable build --profile dist --locked --features jemalloc,cluster "${packages[@]}"
