#!/usr/bin/env bash
# Installs a cargo tool if it is missing: packaging/tool.sh NAME
#
# Tools are built without optimisation: a tool runs for seconds, but an optimised build of it takes minutes. The tools
# share compiled dependencies in target/tools.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:?the name of the tool}
case $name in
cargo-auditable) version=0.7.7 ;;
cargo-deb) version=3.8.0 ;;
cargo-deny) version=0.20.2 ;;
cargo-generate-rpm) version=0.21.1 ;;
*) echo "tool.sh: $name has no version here" >&2; exit 64 ;;
esac
if command -v "$name" >/dev/null || [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/$name" ]; then
	exit 0
fi
CARGO_TARGET_DIR="$PWD/target/tools" CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_DEBUG=0 \
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=256 \
	cargo install --quiet --locked "$name" --version "$version"
