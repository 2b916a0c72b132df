#!/usr/bin/env bash
# What jobs/tpu_vm and jobs/compute run on each host, in its user's home folder:
#
#   host.sh install                  the code of htt_jax.bundle with all it needs
#   host.sh start TRAINING OPTIONS   trains in the background, again and again until it ends
#   host.sh status TRAINING OPTIONS  missing, running, "ended STATUS", or "busy" with other options
#   host.sh log                      follows the log
#   host.sh stop                     lets it save, and waits until it has
set -euo pipefail
cd "$HOME"
readonly most_tries=50 pause=${HTT_PAUSE:-20}

install() {
    rm -rf htt_jax
    git -c advice.detachedHead=false clone --quiet htt_jax.bundle htt_jax
    # uv brings a Python where the image has none that is new enough.
    PIP_BREAK_SYSTEM_PACKAGES=1 python3 -m pip install --quiet --user uv
    local uv=.local/bin/uv
    "$uv" venv --quiet --clear --python '>=3.11' env
    "$uv" pip install --quiet --python env/bin/python --editable htt_jax 'jax[tpu]' gcsfs
}

# The process of the loop, if it runs.
looping() {
    [[ -e training.pid ]] && kill -0 "$(< training.pid)" 2> /dev/null
}

start() {
    stop
    rm -f training.ended training.stop
    printf '%s\n' "$@" > training.options
    # A session of its own: it lives on when the connection ends.
    setsid nohup bash "$0" loop "$@" >> training.log 2>&1 < /dev/null &
    echo $! > training.pid
}

loop() {
    # Without a TPU it is to fail, not to train on the processor.
    export JAX_PLATFORMS=${JAX_PLATFORMS-tpu,cpu} PYTHONUNBUFFERED=1
    trap : TERM # a machine that goes down tells all; training saves, and the loop waits for it
    status=1
    trap 'echo "$status" > "$HOME/training.ended"' EXIT
    cd htt_jax
    for ((try = 1; try <= most_tries; try++)); do
        echo "$(date -u +%FT%TZ) try $try: $*"
        status=0
        "$HOME/env/bin/python" -m htt_jax.train "$@" || status=$?
        # The end, input that no other try would mend, or our own wish.
        [[ $status == 0 || $status == 2 || -e $HOME/training.stop ]] && break
        echo "$(date -u +%FT%TZ) ended with status $status; again in $pause s"
        sleep "$pause"
    done
}

status() {
    local same=
    [[ -e training.options && $(printf '%s\n' "$@") == "$(< training.options)" ]] && same=1
    if looping; then
        [[ $same ]] && echo running || echo busy
    elif [[ $same && -e training.ended ]]; then
        echo "ended $(< training.ended)"
    else
        echo missing
    fi
}

stop() {
    looping || return 0
    touch training.stop
    pkill -TERM --session "$(< training.pid)" -f htt_jax.train || true
    while looping; do sleep 0.2; done
}

case ${1-} in
    install | start | loop | status | stop)
        "$@"
        exit # before bash reads on in a file that may be another one by then
        ;;
    log) tail -n 100 -F training.log ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
