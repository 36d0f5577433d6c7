# For .ci/run, .ci/test and .ci/test-cluster: runs the parts of a check one after another and keeps what each took.
# MAILWARD_TIMES names the file for that; who begins hands it to those it calls, so that there is one table at the end.

at_end=() # commands, the newest first; each is tried, whatever became of those before
declare -A beside_of=()

leave() {
    local code=$? one
    for one in "${at_end[@]}"; do "$one" || code=1; done
    exit "$code"
}
trap leave EXIT

if [[ -z ${MAILWARD_TIMES-} ]]; then
    MAILWARD_TIMES=$(mktemp)
    export MAILWARD_TIMES
    at_end=(table)
fi

row() { printf '%s\t%s\t%s\n' "$@" >>"$MAILWARD_TIMES"; } # SECONDS PART RESULT

part() { # NAME COMMAND...
    local name=$1 begin=$SECONDS code=0
    shift
    printf '\n== %s\n' "$name"
    "$@" </dev/null || code=$?
    row "$((SECONDS - begin))" "$name" "$([[ $code == 0 ]] && echo ok || echo "FAILED ($code)")"
    if [[ $code != 0 ]]; then
        printf '\n%s failed (%s); what comes after it was not tried\n' "$name" "$code" >&2
        exit "$code"
    fi
}

# A part that runs beside the next ones, with the time of the processors that they leave: they wait more than they compute.
beside() { # NAME COMMAND...
    local name=$1 log
    shift
    if ((${#beside_of[@]} == 0)); then at_end=(end_beside "${at_end[@]}"); fi
    log=$(mktemp)
    printf '\n== %s begins, beside the next parts\n' "$name"
    # In a group of its own, so that all of it can be ended; in the same session, within which the kernel weighs by niceness.
    set -m
    # A subshell, not a program: most of these are functions of whoever calls.
    (
        renice -n 19 -p "$BASHPID" >/dev/null
        code=0 SECONDS=0
        "$@" || code=$?
        echo "$SECONDS" >"$log.took"
        exit "$code"
    ) </dev/null >"$log" 2>&1 &
    set +m
    beside_of[$name]="$! $log"
}

# Waits for such a part: what it still takes counts, what it took beside the others is said.
joined() { # NAME
    local name=$1 pid log
    read -r pid log <<<"${beside_of[$name]}"
    part "$name" outcome "$pid" "$log"
    rm -f "$log" "$log.took"
    unset "beside_of[$name]"
}

outcome() { # PID LOG
    local code=0
    wait "$1" || code=$?
    [[ $code == 0 ]] || cat "$2" >&2
    echo "took $(cat "$2.took" 2>/dev/null || echo "?") seconds, most of them beside other parts"
    return "$code"
}

end_beside() { # what still runs beside ends with whoever began it
    local one pid log
    for one in "${beside_of[@]}"; do
        read -r pid log <<<"$one"
        kill -TERM -- "-$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
        rm -f "$log" "$log.took"
    done
}

table() {
    printf '\n%8s  %-46s %s\n' seconds part result
    awk -F'\t' '{ printf "%8s  %-46s %s\n", $1, $2, $3 }' "$MAILWARD_TIMES"
    rm -f "$MAILWARD_TIMES"
}
