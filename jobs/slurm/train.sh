#!/usr/bin/env bash
#SBATCH --job-name=htt
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:TERM@300
set -uo pipefail

help="Trains in a Slurm job, and in the same job again until the run has come to its end.

    sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 --cpus-per-task=8 --time=12:00:00 \\
        jobs/slurm/train.sh --config=configs/fpha.py --workdir=/shared/runs/fpha

Submit it in the project's folder, with its environment active. What stands before the script are
sbatch's options, what stands behind it those of htt_jax.train. All tasks form one run; each has
one GPU (JAX gives a task of Slurm one), so that --ntasks-per-node is the number of GPUs of a node.

Five minutes before the time limit, when the job is preempted, and when a task or a node fails, the
run saves (if it still can) and the job goes back into the queue; the same command then continues,
at most $((MAX_RESTARTS = 50)) times. It ends when the run ends, is cancelled (scancel) or was given wrong input.
The log is htt-JOB.log.

    bash jobs/slurm/train.sh --dry-run TRAINING OPTIONS    prints what the job would run
    bash jobs/slurm/train.sh --help"

fail() {
    echo "error: $*" >&2
    exit 2
}

dry_run=
case ${1-} in
    --help)
        echo "$help"
        exit
        ;;
    --dry-run)
        dry_run=1
        shift
        ;;
esac
[[ " $*" == *" --config="* ]] || fail "no --config=FILE among the training's options; see --help"
[[ " $*" == *" --workdir="* ]] || fail "no --workdir=FOLDER among the training's options; see --help"
[[ -e htt_jax/train.py ]] || fail "$PWD is not the project's folder; submit the job there"

# A task that fails takes the others along, which would otherwise wait for it.
run=(srun --kill-on-bad-exit=1 --label "${PYTHON:-python}" -u -m htt_jax.train
    --coordinator_address=auto "$@")

if [[ $dry_run ]]; then
    printf '%q ' "${run[@]}"
    echo
    # shellcheck disable=SC2016  # the job's own variable
    echo 'scontrol requeue "$SLURM_JOB_ID"   # when it was stopped before its end'
    exit
fi
[[ ${SLURM_JOB_ID-} ]] || fail "this is no Slurm job; start it with sbatch, see --help"

# Slurm warns this script alone. The tasks are told here, and save; those that cannot, since they
# are just starting, are put back before the limit ends the job for good.
warned() {
    scancel --signal=TERM "$SLURM_JOB_ID"
    (sleep 240 && scontrol requeue "$SLURM_JOB_ID") &
}
trap warned TERM
"${run[@]}" &
step=$!
wait "$step"
status=$?
while kill -0 "$step" 2> /dev/null; do # a signal had ended the waiting, not the step
    wait "$step"
    status=$?
done

[[ $status == 0 || $status == 2 ]] && exit "$status"
# Of a job that was cancelled, or that Slurm itself puts back, the state is another one already.
[[ $(squeue --noheader --format=%T --jobs="$SLURM_JOB_ID") == RUNNING ]] || exit "$status"
if ((${SLURM_RESTART_COUNT:-0} >= MAX_RESTARTS)); then
    echo "stopped with status $status after $MAX_RESTARTS restarts" >&2
    exit "$status"
fi
echo "stopped with status $status; back into the queue" >&2
scontrol requeue "$SLURM_JOB_ID"
