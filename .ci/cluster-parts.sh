# For .ci/cluster: builds the binaries, and starts, signals and ends the parts of a run.
#
# A part is a script in DIR/parts; a running one has "PID START-TIME" in DIR/run. A whole cluster lives in namespaces of its own whose
# first process is in DIR/run/init: process ids of its parts are those inside. Killing that one process ends all of it.

source_of_kube=$project/tests/cluster/kube
version=1.34.4
helm_version=v3.19.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mailward
kube=$cache/kube-$(cat "$source_of_kube"/{go.mod,go.sum,main.go} | sha256sum | cut -c1-16)/kube
helm=$cache/helm-$helm_version/helm

fail() {
    printf '%s\n' "cluster: $1" >&2
    exit 1
}

build() {
    local temporary
    mkdir -p "$cache"
    exec 7>"$cache/cluster.lock" # two builds at once would do the work twice
    flock 7
    if [[ ! -x $kube ]]; then
        type -P go >/dev/null || fail "go is missing: install Go 1.25 or newer, https://go.dev/dl"
        echo "cluster: builds Kubernetes $version, once (some 7 minutes)" >&2
        mkdir -p "$(dirname "$kube")"
        temporary=$(dirname "$kube")/new
        # Without the version, clients would be told v0.0.0.
        local set="-X k8s.io/component-base/version" minor=${version#*.}
        (cd "$source_of_kube" && go build -mod=readonly -trimpath -o "$temporary" -ldflags \
            "-s -w $set.gitVersion=v$version $set.gitMajor=${version%%.*} $set.gitMinor=${minor%.*}" .) || fail "go build failed"
        mv "$temporary" "$kube"
    fi
    if [[ ! -x $helm ]]; then
        echo "cluster: builds helm $helm_version, once (some 2 minutes)" >&2
        GOBIN=$(dirname "$helm") go install -trimpath -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=$helm_version" \
            "helm.sh/helm/v3/cmd/helm@$helm_version" || fail "go install of helm failed"
    fi
    exec 7>&-
}

need_kube() { [[ -x $kube ]] || build; }

# Runs a command in the cluster's network. A control plane alone has no network of its own.
in_network() {
    local init
    if [[ -e $dir/run/init ]]; then
        init=$(living_init) || exit
        nsenter --net --target "$init" -- "$@"
    else
        "$@"
    fi
}

# Runs a command where the parts live: the same, and their mounts and processes.
inside() {
    local init
    if [[ -e $dir/run/init ]]; then
        init=$(living_init) || exit
        nsenter --net --mount --pid --target "$init" -- "$@"
    else
        "$@"
    fi
}

living_init() {
    local pid start
    read -r pid start <"$dir/run/init"
    [[ $(started "$pid") == "$start" ]] || fail "the cluster of $dir is gone: .ci/cluster down $dir"
    echo "$pid"
}

started() { # PID: when that process began, in ticks since the machine's start; nothing when there is none
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    stat=(${stat##*) })
    [[ ${stat[0]} == Z ]] || echo "${stat[19]}"
}

part() { # NAME COMMAND...: writes the script of a part and starts it
    local name=$1
    shift
    {
        echo '#!/bin/bash'
        # The process keeps its id over exec; a stop or freeze finds it by that, and by its start.
        echo 'stat=$(cat /proc/$$/stat) && stat=(${stat##*) })'
        printf 'echo "$$ ${stat[19]}" >%q\n' "$dir/run/$name.new"
        printf 'mv %q %q\n' "$dir/run/$name.new" "$dir/run/$name"
        printf 'exec'
        printf ' %q' "$@"
        echo
    } >"$dir/parts/$name"
    chmod 700 "$dir/parts/$name"
    launch "$name"
}

launch() { # NAME
    [[ -x $dir/parts/$1 ]] || fail "$1 is no part of $dir"
    ! runs "$1" || fail "$1 runs already"
    rm -f "$dir/run/$1"
    # Its parent ends at once, so that the first process of the namespaces has to reap it and nobody outside. Nothing of
    # the caller's stays open in it: no lock, no pipe that somebody waits for.
    inside bash -c 'for fd in /proc/self/fd/*; do ((${fd##*/} <= 2)) || eval "exec ${fd##*/}>&-"; done
        setsid "$0" </dev/null >>"$1" 2>&1 &' "$dir/parts/$1" "$dir/log/$1.log" </dev/null >/dev/null 2>&1
    await_file "$dir/run/$1"
}

await_file() {
    local try
    for ((try = 0; try < 200; try++)); do
        [[ ! -e $1 ]] || return 0
        sleep 0.05
    done
    fail "$1 does not appear"
}

identity() { # NAME: "PID START" as written; fails when it never ran
    cat "$dir/run/$1" 2>/dev/null
}

runs() { # NAME
    local pid start
    read -r pid start < <(identity "$1") || return 1
    [[ $(inside bash -c "$(declare -f started); started $pid") == "$start" ]]
}

signal() { # SIGNAL NAME
    local pid
    runs "$2" || fail "$2 does not run"
    read -r pid _ < <(identity "$2")
    inside kill "-$1" "$pid"
}

end() { # NAME: asks, and after two seconds insists (an API server waits for those who watch)
    local try
    runs "$1" || return 0
    signal CONT "$1"
    signal TERM "$1"
    for ((try = 0; try < 20; try++)); do
        runs "$1" || return 0
        sleep 0.1
    done
    signal KILL "$1"
    until_gone runs "$1"
}

until_gone() { # CONDITION...: a killed process goes in moments; one that does not hangs in the kernel, and a person should know
    local try
    for ((try = 0; try < 1200; try++)); do
        "$@" || return 0
        sleep 0.05
    done
    fail "a killed process does not go: $*"
}

is_init() { [[ $(started "$1") == "$2" ]]; }

await() { # WHAT PART CONDITION...: within a minute, and not after the part has died
    local what=$1 name=$2 try
    shift 2
    for ((try = 0; try < 600; try++)); do
        ! "$@" || return 0
        runs "$name" || break
        sleep 0.1
    done
    tail -n 20 "$dir/log/$name.log" >&2
    fail "$what does not come: $dir/log/$name.log"
}

status() {
    local script name
    for script in "$dir"/parts/*; do
        name=${script##*/}
        printf '%-20s %s\n' "$name" "$(runs "$name" && echo "runs ($(cut -d' ' -f1 "$dir/run/$name"))" || echo "does not run")"
    done
}

down() {
    local script pid start
    [[ -e $dir ]] || return 0
    [[ -d $dir/parts && -d $dir/run ]] || fail "$dir is no folder of a cluster"
    if [[ -e $dir/run/init ]]; then
        read -r pid start <"$dir/run/init"
        if [[ $(started "$pid") == "$start" ]]; then
            kill -KILL "$pid" # the kernel ends every process of its namespace before it ends itself
            until_gone is_init "$pid" "$start"
        fi
        remove_cgroups
    else
        for script in "$dir"/parts/*; do
            ! runs "${script##*/}" || signal KILL "${script##*/}"
        done
        for script in "$dir"/parts/*; do
            until_gone runs "${script##*/}"
        done
    fi
    rm -rf --one-file-system "$dir"
}

# The kernel gives the processes of a pod back a moment after it has ended them.
remove_cgroups() {
    local try left=(/sys/fs/cgroup/"$(cgroup_name)" /sys/fs/cgroup/*/"$(cgroup_name)") folder
    for ((try = 0; try < 100; try++)); do
        for folder in "${left[@]}"; do
            [[ ! -d $folder ]] || find "$folder" -depth -type d -exec rmdir {} + 2>/dev/null || true
        done
        compgen -G "/sys/fs/cgroup/*/$(cgroup_name)" >/dev/null || [[ -d ${left[0]} ]] || return 0
        sleep 0.1
    done
    fail "processes of the cluster still run: see $(compgen -G "/sys/fs/cgroup/*/$(cgroup_name)" | head -1)"
}
