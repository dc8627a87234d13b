#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, for trying a sweep before it goes to a real one. Nothing outside the folder
# is touched, and several can run side by side.
#   apt-get install slurm-wlm munge
#   examples/ablation/one-node-slurm.sh start ~/slurm     # prints the SLURM_CONF to export
#   export SLURM_CONF=~/slurm/slurm.conf
#   npx semiseg ablate sweep.yaml                         # with `engine: slurm` in it
#   examples/ablation/one-node-slurm.sh stop ~/slurm
set -euo pipefail
export PATH="$PATH:/usr/sbin:/usr/local/sbin"
usage() { echo "usage: $0 start|stop <folder> [cpus] [first port]" >&2; exit 2; }
[ $# -ge 2 ] || usage
mkdir -p "$2"
dir=$(cd "$2" && pwd)
cpus=${3:-$(nproc)}
port=${4:-$((20000 + RANDOM % 20000))}

stop() {
  local name pid
  for name in slurmd slurmctld munged; do
    [ -f "$dir/$name.pid" ] || continue
    pid=$(cat "$dir/$name.pid")
    kill "$pid" 2>/dev/null || true
    # A daemon writes its state on the way out: whoever removes the folder next must not meet it there.
    for _ in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    rm -f "$dir/$name.pid"
  done
}

start() {
  for command in munged slurmctld slurmd sbatch; do
    command -v "$command" >/dev/null || { echo "$command is missing: apt-get install slurm-wlm munge" >&2; exit 1; }
  done
  local user; user=$(id -un)
  mkdir -p "$dir/state" "$dir/spool"
  # munged wants folders that nobody else can write to, whatever is above them.
  chmod 755 "$dir"
  (umask 077 && head -c 64 /dev/urandom >"$dir/munge.key")
  munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" 2>>"$dir/munged.log"
  # Nothing here uses control groups; Slurm before 23.11 has no word for that.
  local version plugin=disabled
  version=$(slurmd -V | tr -dc '0-9.' | cut -d. -f1,2)
  [ "$(printf '%s\n23.11\n' "$version" | sort -V | head -n 1)" = 23.11 ] || plugin=cgroup/v1
  echo "CgroupPlugin=$plugin" >"$dir/cgroup.conf"
  cat >"$dir/slurm.conf" <<CONF
ClusterName=one
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SlurmUser=$user
SlurmdUser=$user
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
MinJobAge=60
KillWait=5
ReturnToService=2
NodeName=node1 NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=$cpus State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
  export SLURM_CONF="$dir/slurm.conf"
  slurmctld -c 2>>"$dir/slurmctld.log" || true
  slurmd -N node1 2>>"$dir/slurmd.log" || true
  for _ in $(seq 100); do
    if sinfo -h -o %T 2>/dev/null | grep -q '^idle'; then
      echo "SLURM_CONF=$dir/slurm.conf"
      return
    fi
    sleep 0.2
  done
  echo "the node did not come up: see $dir/slurmctld.log and $dir/slurmd.log" >&2
  tail -n 5 "$dir/slurmctld.log" "$dir/slurmd.log" >&2
  stop
  exit 1
}

case $1 in start) start ;; stop) stop ;; *) usage ;; esac
