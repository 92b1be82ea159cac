#!/bin/bash
# sbatch docs/cluster/slurm.sh +experiment=gpt tracking.uri=http://lab:5000
# Starts one Ray cluster for the job, on nodes that share STORAGE; the driver runs on the first.
#SBATCH --job-name=sweep
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --gpus-per-task=2
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
set -euo pipefail

: "${STORAGE:=$HOME/sweeps}"            # a shared folder with locks: NFS 4, Lustre with -o flock
: "${PORT:=$((20000 + SLURM_JOB_ID % 10000))}"
: "${TMPDIR:=/tmp}"
# source $HOME/lab/.venv/bin/activate   # the environment with collapse-sweep, on a shared folder

RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
export RAY_AUTH_MODE RAY_AUTH_TOKEN     # srun passes them on; no other user may use this cluster

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
ip=$(srun --nodes=1 --ntasks=1 -w "${nodes[0]}" hostname -I | cut -d' ' -f1)
common=(--block --disable-usage-stats "--num-cpus=$SLURM_CPUS_PER_TASK")
started=()
sweep=
# shellcheck disable=SC2317  # called by the trap
stop() {
    [ -z "$sweep" ] || kill -TERM "$sweep" 2>/dev/null || true   # this keeps what is finished
    [ -z "$sweep" ] || wait "$sweep" || true
    kill "${started[@]}" 2>/dev/null || true   # by process id: ray stop would stop others' clusters
}
trap stop EXIT
trap 'exit 143' TERM

srun --nodes=1 --ntasks=1 -w "${nodes[0]}" \
    ray start --head --node-ip-address="$ip" --port="$PORT" --include-dashboard=false \
    --temp-dir="$TMPDIR/ray$SLURM_JOB_ID" "${common[@]}" &
started+=($!)
for _ in $(seq 60); do
    (: < "/dev/tcp/$ip/$PORT") 2>/dev/null && break
    sleep 1
done
for node in "${nodes[@]:1}"; do
    srun --nodes=1 --ntasks=1 -w "$node" ray start --address="$ip:$PORT" "${common[@]}" &
    started+=($!)
done
until python -c '
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
sys.exit(sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]))' "$ip:$PORT" "${#nodes[@]}"
do sleep 2; done

mkdir -p "$STORAGE"
python -m sweep cluster=ray cluster.address="$ip:$PORT" cluster.storage="$STORAGE" \
    tracking=server "$@" &
sweep=$!
status=0
wait "$sweep" || status=$?
sweep=
exit "$status"
