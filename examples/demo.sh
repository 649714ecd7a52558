#!/bin/sh
# Enqueue a handful of real jobs, one of which fails for good; drain them; look at what happened.
# Runs in a temporary queue: nothing of yours is touched.
set -eu
QUEUECTL_DB=$(mktemp -d)/queue
export QUEUECTL_DB
trap 'rm -rf "${QUEUECTL_DB%/queue}"' EXIT

show() {
    printf '\n$ %s\n' "$1"
    eval "$1"
}

cd "${QUEUECTL_DB%/queue}"
show 'queuectl enqueue hello "echo Hello World"'
show 'queuectl enqueue --id lines --command "seq 1 1000 | wc -l" --priority 10'
show 'queuectl enqueue flaky "test -e seen || { touch seen; echo not yet >&2; exit 75; }" --backoff-base 1'
show "queuectl enqueue '{\"id\":\"broken\",\"command\":\"echo no such host >&2; exit 1\",\"max_retries\":1,\"backoff_base\":1}'"
show 'queuectl enqueue copy -- cp /etc/hostname "a name with spaces"'
show 'queuectl status'
show 'queuectl worker start --count 2 --drain'
show 'queuectl status'
show 'queuectl list'
show 'queuectl dlq list'
show 'queuectl history broken'
show 'queuectl logs flaky'
show 'queuectl replay --check'
