#!/usr/bin/env bash
# Creates the files that the packages contain beside the programs, in target/stage: config.toml, man pages, completions
# and the list of linked crates. Called by build.sh. The sources are the definition of --help and config.toml.
set -euo pipefail

cd "$(dirname "$0")/.."
stage=target/stage
rm -rf "$stage"
mkdir -p "$stage"

# set_key SECTION KEY VALUE: sets KEY in the staged config.toml, also if it is commented out. It is an error if there
# is not exactly one such line, so the copy cannot differ silently from the reference.
set_key() {
	awk -v section="$1" -v key="$2" -v value="$3" '
		/^\[/ { inside = ($0 ~ "^\\[" section "\\]") }
		inside && $0 ~ "^#? *" key " *=" { print key " = \"" value "\""; n++; next }
		{ print }
		END {
			if (n != 1) {
				printf "stage.sh: config.toml has %d lines for %s in [%s], not 1\n", n, key, section > "/dev/stderr"
				exit 1
			}
		}' "$stage/config.toml" >"$stage/config.toml.new"
	mv "$stage/config.toml.new" "$stage/config.toml"
}

# The paths of the installed system. Everything else is the reference unchanged.
cp config.toml "$stage/config.toml"
set_key tls dir /var/lib/tcp-chatd/certs
set_key history path /var/lib/tcp-chatd/chat.db
set_key admin socket /run/tcp-chatd/control.sock
set_key cluster key_file /var/lib/tcp-chatd/cluster.key

# Built for the build machine, whatever the target is, because they only print text. `--workspace` requests the same
# features of the dependencies as `cargo test --workspace`, so that nothing is compiled twice.
cargo build --quiet --locked --workspace --example generate_daemon --example generate_cli
for generate in generate_daemon generate_cli; do
	"${CARGO_TARGET_DIR:-target}/debug/examples/$generate" "$stage"
done

# Every linked crate with its licence.
linked() {
	cargo tree --locked --edges normal --prefix none --format '{p}|{l}' "$@"
}
# One call for each: `tcp-chatd/jemalloc` would mean a feature of the dependency that its tests have on it.
{ linked -p tcp-chatd --features jemalloc,cluster; linked -p tcp-chat-cli; } |
	# cargo marks a crate that it has listed before.
	awk -F '|' '{ split($1, p, " "); sub(/ \(\*\)$/, "", $2); if ($2 != "") print p[1], p[2] ": " $2 }' |
	grep -v '^tcp-chat' | LC_ALL=C sort -u >"$stage/third-party"

gzip -9n <packaging/deb/changelog >"$stage/changelog.gz"
