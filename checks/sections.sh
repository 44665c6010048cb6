# Runs the sections of `.ci/run`, all.sh and slow.sh, and measures their time. Those three source it, in a bash
# with `set -euo pipefail`, at the top of the repository.
#
#   section TITLE COMMAND...      runs the command; the script ends where it fails
#   background TITLE COMMAND...   starts the command in the background, with its output in a file
#   wait_background               waits for all of those and prints their output; the script ends where one failed
#   missing WHAT                  inside a section: skips the rest of it; with TCP_CHAT_TEST_ALL=1 that is a failure
#
# When the script ends, it stops its sections and prints a table of them with their minutes. A background section
# adds nothing to the total, but slows down the others. Each section is a process group of its own: SIGKILL for
# the script leaves them running.

# all.sh is sourced by `.ci/run`, which has sourced this file already.
[[ -z ${sections_folder:-} ]] || return 0
sections_folder=$(mktemp -d)
sections_began=$SECONDS
foreground_pid=
declare -A background_pids=()

# As minutes with one decimal.
minutes() { # SECONDS
    printf '%d.%d' $(($1 / 60)) $(($1 % 60 / 6))
}

# Starts the command in a process group of its own, so that it can be stopped with its children. Its process id
# is then in $!.
in_a_group() { # COMMAND...
    set -m
    (
        set -e
        "$@"
    ) </dev/null &
    set +m
}

section() { # TITLE COMMAND...
    local title=$1 began=$SECONDS code=0
    shift
    printf '\n=== %s (after %s min)\n' "$title" "$(minutes $((began - sections_began)))"
    in_a_group "$@"
    foreground_pid=$!
    wait "$foreground_pid" || code=$?
    printf '%7s  %s\n' "$(minutes $((SECONDS - began)))" "$title" >>"$sections_folder/table"
    if ((code != 0)); then
        echo "=== FAILED: $title (exit code $code)"
        # What the section started may still run, for example a test that hangs: the script stops it as it ends.
        exit 1
    fi
    foreground_pid=
}

# Writes the seconds that the command took into the file. Not by `||`, which would turn `set -e` off inside.
timed() { # FILE COMMAND...
    seconds_file=$1 began=$SECONDS # not local: the trap runs after this function
    shift
    trap 'echo $((SECONDS - began)) >"$seconds_file"' EXIT
    "$@"
}

background() { # TITLE COMMAND...
    local title=$1
    shift
    echo "=== in the background: $title"
    in_a_group timed "$sections_folder/$title.seconds" "$@" >"$sections_folder/$title.log" 2>&1
    background_pids[$title]=$!
}

wait_background() {
    local title code failed=0
    for title in "${!background_pids[@]}"; do
        code=0
        wait "${background_pids[$title]}" || code=$?
        unset "background_pids[$title]"
        printf '\n=== %s (in the background)\n' "$title"
        cat "$sections_folder/$title.log"
        printf '%7s  %s (in the background)\n' "$(minutes "$(cat "$sections_folder/$title.seconds" || echo 0)")" "$title" >>"$sections_folder/table"
        if ((code != 0)); then
            echo "=== FAILED: $title (exit code $code)"
            failed=1
        fi
    done
    ((failed == 0)) || exit 1
}

missing() { # WHAT
    echo "skipped: $*"
    [[ -z ${TCP_CHAT_TEST_ALL:-} ]] || exit 1
    exit 0
}

end_sections() {
    local code=$? pid tries
    if ((code == 0 && ${#background_pids[@]} > 0)); then
        echo "=== FAILED: nothing waited for ${!background_pids[*]}"
        code=1
    fi
    for pid in $foreground_pid "${background_pids[@]}"; do
        kill -- "-$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        # Not only the first process of the group: dpkg, for one, is never stopped halfway. At most five minutes.
        for ((tries = 0; tries < 3000; tries++)); do
            kill -0 -- "-$pid" 2>/dev/null || break
            sleep 0.1
        done
    done
    printf '\nminutes  section\n'
    cat "$sections_folder/table" 2>/dev/null || true
    printf '%7s  in all\n' "$(minutes $((SECONDS - sections_began)))"
    rm -rf "$sections_folder"
    exit "$code"
}
trap end_sections EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
