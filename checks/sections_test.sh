#!/usr/bin/env bash
# Tests that every failing check makes the gate fail: checks/sections_test.sh
# `.ci/run` calls it first. It takes a second.
set -euo pipefail
cd "$(dirname "$0")/.."

# A script that is run in its own bash, with its exit code and what it has to print or must not print.
expect() { # CODE PRINTS NEVER SCRIPT
    local code=0 said
    said=$(env -u TCP_CHAT_TEST_ALL bash -c "set -euo pipefail; source checks/sections.sh
        fails() { false; echo went on; }
        passes() { true; }
        skips() { missing 'a tool'; echo went on; }
        $4" 2>&1) || code=$?
    if ((code != $1)) || [[ $said != *"$2"* ]] || [[ $said == *"$3"* ]]; then
        printf 'FAILED: exit code %s, not %s, of: %s\nIt printed:\n%s\n' "$code" "$1" "$4" "$said"
        exit 1
    fi
}

expect 0 "in all" FAILED 'section one passes; background two passes; section three passes; wait_background'
expect 1 "FAILED: one" "went on" 'section one fails; echo went on'
expect 1 "FAILED: two" "went on" 'background two fails; section three passes; wait_background; echo went on'
expect 1 "FAILED: two" "went on" 'background two bash -c "kill -9 \$\$"; wait_background; echo went on'
expect 1 "FAILED: nothing waited for two" nothing-else 'background two sleep 60; section one passes'
expect 1 "FAILED: one" "in the background)" 'background two sleep 60; section one fails; wait_background'
expect 0 "skipped: a tool" "went on" 'section one skips'
expect 1 "FAILED: one" "went on" 'export TCP_CHAT_TEST_ALL=1; section one skips'
expect 143 "in all" FAILED 'background two sleep 612345; section one passes; kill -TERM $$; section three passes'
expect 1 "FAILED: one" "went on" 'section one bash -c "sleep 612345 & exit 1"; echo went on'
expect 1 "FAILED: one" "went on" 'section one timeout --foreground 0.2 bash -c "sleep 612345"; echo went on'
if pgrep -f "sleep 612345" >/dev/null; then
    echo "FAILED: a section outlives its script"
    exit 1
fi
echo "sections: 11 passed"
