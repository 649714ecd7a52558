#!/usr/bin/env bash
# Back up directories, a job each, with retries; what fails for good is told with what it printed. For cron:
#
#     0 2 * * *  ALERT='mail -s "backup failed" ops@example.org' nightly_backup.sh /backup /etc /home
#
# A failure is told again every night until somebody retries it (queuectl dlq retry ID) or lets it go
# (queuectl dlq purge ID). ALERT is a command that takes the message on stdin. Exits 1 after an alert.
set -euo pipefail

target=$1
shift
export QUEUECTL_DB=${QUEUECTL_DB:-$target/queue}
export QUEUECTL_BACKOFF_BASE=${QUEUECTL_BACKOFF_BASE:-60} # retries after 1 minute, 1 hour ...
night=$(date +%Y%m%d-%H%M%S)
number=0

for directory in "$@"; do
    number=$((number + 1))
    file=$target/$night-$number-$(basename "$directory").tar.gz
    # An argument vector needs no quoting; the file has its name only once it is whole.
    queuectl enqueue "backup-$night-$number" --queue backup --timeout 6h --max-retries 2 --reason "nightly backup" -- \
        sh -c 'tar -C "$1" -czf "$2.part" . && mv "$2.part" "$2"' backup "$directory" "$file"
done

queuectl worker start --queue backup --count 2 --drain >> "$target/worker.log"

dead=$(queuectl dlq list --json | python3 -c 'import json, sys; print(*(job["id"] for job in json.load(sys.stdin)))')
[ -z "$dead" ] && exit 0
for job in $dead; do
    echo "Dead: $job"
    queuectl logs "$job" --stderr
done | ${ALERT:-cat}
exit 1
