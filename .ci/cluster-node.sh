# For .ci/cluster up: one node and everything of a cluster, in namespaces of its own (network, mounts, processes).
#
# The first process of the namespaces only reaps. When it is killed the kernel ends all other processes of the cluster, and with them
# go its mounts and networks: nothing has to be found again after a crash. What it does leave are folders for cgroups and DIR, see `down`.
#
# A second node would be a second call of `node` with its own name, address (10.250.0.2), pod range (10.244.4.0/22) and namespaces, its
# network joined to the bridge node0 by a veth pair, and a route to each other's pod range: the parts already talk by these addresses.

address=10.250.0.1
server=https://$address:6443

whole() {
    [[ $(id -u) == 0 ]] || fail "not root, so it cannot make namespaces"
    case $dir/ in /run/* | /var/lib/* | /var/log/*) fail "$dir lies where the cluster has folders of its own; take one below /tmp" ;; esac
    "$project/.ci/setup" cluster
    need_kube
    folders
    namespaces
    storage 2379 2380
    apiserver 2379 "$address" 6443 --bind-address 0.0.0.0 --kubelet-preferred-address-types InternalIP
    controller_manager "$server"
    kubeconfig scheduler "$server" >"$dir/secret/scheduler.conf"
    part scheduler "$kube" kube-scheduler --kubeconfig "$dir/secret/scheduler.conf" --leader-elect=false
    containers
    node
    await "the node" kubelet node_is_ready
    await "service accounts" controller-manager ready /api/v1/namespaces/default/serviceaccounts/default
}

# What a whole cluster needs of a machine and no package brings. Says all that is missing, before an hour is spent on it.
check() {
    local missing=() words
    tries() { # WHAT COMMAND...
        words=$("${@:2}" 2>&1 >/dev/null) || missing+=("$1: ${words##*$'\n'}")
    }
    [[ -x $kube && -x $helm ]] || tries "Go 1.25 or newer, https://go.dev/dl" new_enough_go
    if [[ $(id -u) != 0 ]]; then
        missing+=("root: the node makes namespaces, mounts and networks")
    else
        tries "namespaces of its own" unshare --net --mount --pid --fork --mount-proc true
        tries "mounts in them" unshare --mount bash -c 'mount --make-rshared / && mount -t tmpfs none /run'
        tries "bridges" unshare --net ip link add node0 type bridge
        tries "pairs of virtual cables" unshare --net ip link add name veth0 type veth peer name veth1
        tries "address translation" unshare --net iptables -t nat -A POSTROUTING -m comment --comment x -j MASQUERADE
        tries "cgroups that it may make" try_cgroups
    fi
    ((${#missing[@]} == 0)) || fail "this machine cannot run a node of Kubernetes (kubelet, containerd); what is missing:
$(printf '  %s\n' "${missing[@]}")"
}

new_enough_go() {
    local version major minor
    version=$(go env GOVERSION) || return 1
    IFS=. read -r major minor _ <<<"${version#go}"
    ((major > 1 || minor >= 25)) || { echo "this is $version" >&2 && return 1; }
}

try_cgroups() {
    local dir=/nowhere/$$ folder made=''
    cgroups
    for folder in /sys/fs/cgroup/"$(cgroup_name)" /sys/fs/cgroup/*/"$(cgroup_name)"; do
        if [[ -d $folder ]]; then rmdir "$folder" && made=yes; fi
    done
    [[ $made ]] || { echo "no folder can be made below /sys/fs/cgroup" >&2 && return 1; }
}

namespaces() {
    local outer inner=''
    cgroups
    # The kubelet wants these of the whole machine. It only compares when they are as it wants, so it gets to see files.
    mkdir -p "$dir/sysctl"
    local name value
    while read -r name value; do echo "$value" >"$dir/sysctl/${name//\//.}"; done <<'END'
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END
    cat >"$dir/pki/init" <<END
#!/bin/bash
set -e
for ((try = 0; try < 600; try++)); do [[ ! -e $(printf '%q' "$dir")/run/init ]] || break; sleep 0.05; done
[[ -e $(printf '%q' "$dir")/run/init ]] # else whoever called has gone, and nobody could end this
mount --make-rshared / # volumes that the kubelet mounts appear in containers; other namespaces of the machine do not see them
for folder in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 none \$folder; done
for file in $(printf '%q' "$dir")/sysctl/*; do
    name=\${file##*/}
    mount --bind "\$file" "/proc/sys/\${name//.//}"
done
ip link set lo up
ip link add node0 type bridge
ip addr add $address/24 dev node0
ip link set node0 up
ip route add default dev node0 # what asks for "the address of this machine" finds one
echo 1 >/proc/sys/net/ipv4/ip_forward
touch $(printf '%q' "$dir")/run/inside
while :; do
    sleep infinity &
    wait \$!
done
END
    chmod 700 "$dir/pki/init"
    setsid unshare --net --mount --pid --fork --mount-proc "$dir/pki/init" </dev/null >"$dir/log/init.log" 2>&1 7>&- &
    outer=$!
    disown
    while [[ -d /proc/$outer && -z $inner ]]; do inner=$(cat "/proc/$outer/task/$outer/children" 2>/dev/null || true); done
    inner=${inner// /}
    [[ $inner ]] || fail "no namespaces: $(cat "$dir/log/init.log")"
    echo "$inner $(started "$inner")" >"$dir/run/init"
    await_file "$dir/run/inside"
}

# Below these folders is every process of a pod.
cgroup_name() { echo "mailward-$(printf %s "$dir" | sha256sum | cut -c1-8)"; }

cgroups() {
    local root=/sys/fs/cgroup name folder file
    name=$(cgroup_name)
    if [[ -e $root/cgroup.controllers ]]; then
        for name in $(<$root/cgroup.controllers); do echo "+$name" >$root/cgroup.subtree_control 2>/dev/null || true; done
        mkdir -p "$root/$(cgroup_name)"
        return
    fi
    for folder in "$root"/*/; do
        [[ ! -L ${folder%/} && -w ${folder}cgroup.procs ]] || continue
        mkdir -p "$folder$name"
        for file in cpuset.cpus cpuset.mems; do
            [[ ! -e $folder$file ]] || cat "$folder$file" >"$folder$name/$file"
        done
    done
}

containers() {
    mkdir -p "$dir/cni"
    # Point to point: all traffic of a pod is routed, so that Service addresses work between pods of one node too.
    cat >"$dir/cni/10-pods.conflist" <<'END'
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "ptp", "ipMasq": false, "ipam": {"type": "host-local", "subnet": "10.244.0.0/22", "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
    cat >"$dir/pki/containerd.toml" <<END
version = 2
root = "$dir/containerd"
state = "/run/containerd"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$("$project/.ci/image" name pause)"
  restrict_oom_score_adj = true # else runc cannot give a sandbox its score where root may not lower it
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$dir/cni"
END
    part containerd containerd --config "$dir/pki/containerd.toml"
    await "containerd" containerd inside ctr version >/dev/null 2>&1
    "$project/.ci/image" pause "$dir/pause.tar"
    load "$dir/pause.tar" >/dev/null
}

load() { # ARCHIVE NAME...
    local image name archive=$1
    shift
    [[ -e $dir/run/init ]] || fail "a control plane has no containers"
    image=$(tar -xOf "$archive" manifest.json | sed -n 's/.*"RepoTags": \["\([^"]*\)"\].*/\1/p')
    # The folder of the archive may be hidden where containerd lives, so it comes by standard input.
    inside ctr --namespace k8s.io images import - <"$archive"
    for name in "$@"; do inside ctr --namespace k8s.io images tag --force "$image" "$name"; done
}

node() {
    kubeconfig kubelet "$server" >"$dir/secret/kubelet.conf"
    : >"$dir/pki/resolv.conf"
    cat >"$dir/pki/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /$(cgroup_name)
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: $dir/pki/resolv.conf
podLogsDir: $dir/log/pods
maxPods: 250
syncFrequency: 10s # a changed ConfigMap is in its pods after that time
imageGCHighThresholdPercent: 100 # a full disk of the machine is no reason to remove images or pods
evictionHard: {memory.available: "0%", nodefs.available: "0%", nodefs.inodesFree: "0%", imagefs.available: "0%", imagefs.inodesFree: "0%"}
END
    part kubelet "$kube" kubelet --config "$dir/pki/kubelet.yaml" --kubeconfig "$dir/secret/kubelet.conf" --root-dir "$dir/kubelet" \
        --cert-dir "$dir/kubelet/pki" --node-ip "$address" --hostname-override node0
    kubeconfig proxy "$server" >"$dir/secret/proxy.conf"
    cat >"$dir/pki/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $dir/secret/proxy.conf}
mode: iptables
clusterCIDR: 10.244.0.0/22
conntrack: {maxPerCore: 0} # that number is of the whole machine
END
    part proxy "$kube" kube-proxy --config "$dir/pki/proxy.yaml" --hostname-override node0
}

node_is_ready() {
    [[ $(in_network "$kube" kubectl --kubeconfig "$dir/kubeconfig" get node node0 --ignore-not-found \
        -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}' 2>/dev/null) == True ]]
}
