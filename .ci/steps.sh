# For .ci/run and .ci/test: runs the parts of a check one after another and keeps what each took.
# MAILWARD_TIMES names the file for that; .ci/run hands it to .ci/test, so that there is one table at the end.

if [[ -z ${MAILWARD_TIMES-} ]]; then
    MAILWARD_TIMES=$(mktemp)
    export MAILWARD_TIMES
    trap 'table' EXIT
fi

part() { # NAME COMMAND...
    local name=$1 begin=$SECONDS code=0
    shift
    printf '\n== %s\n' "$name"
    "$@" </dev/null || code=$?
    printf '%s\t%s\t%s\n' "$((SECONDS - begin))" "$name" "$([[ $code == 0 ]] && echo ok || echo "FAILED ($code)")" >>"$MAILWARD_TIMES"
    if [[ $code != 0 ]]; then
        printf '\n%s failed (%s); what comes after it was not tried\n' "$name" "$code" >&2
        exit "$code"
    fi
}

table() {
    printf '\n%8s  %-42s %s\n' seconds part result
    awk -F'\t' '{ printf "%8s  %-42s %s\n", $1, $2, $3 }' "$MAILWARD_TIMES"
    rm -f "$MAILWARD_TIMES"
}
