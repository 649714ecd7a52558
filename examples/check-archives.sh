#!/usr/bin/env bash
# Check every gzip file of this system's documentation and manual pages, one job a file, among them
# some copies that are cut short on purpose; then see that exactly those ended in the dead letter
# queue, and why. Runs in a temporary queue; needs bash, gzip and queuectl on the PATH.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export QUEUECTL_DB=$work/queue

# Every archive of the documentation, and 25 copies of some of them without their second half.
find /usr/share/doc /usr/share/man -type f -name '*.gz' | sort > "$work/archives"
mkdir "$work/cut"
shuf -n 25 --random-source=<(yes) "$work/archives" | while read -r archive; do
    copy=$work/cut/$(basename "$archive")
    head -c $(($(stat -c %s "$archive") / 2)) "$archive" > "$copy"
done
find "$work/cut" -type f | sort > "$work/truncated"

# One command a line, quoted for the shell.
cat "$work/archives" "$work/truncated" | while read -r file; do
    printf 'gzip -t %q\n' "$file"
done > "$work/jobs"
echo "$(wc -l < "$work/archives") archives, $(wc -l < "$work/truncated") truncated copies"

time queuectl enqueue --file "$work/jobs" --lines --max-retries 1 --backoff-base 0
time queuectl worker start --count 4 --drain > "$work/worker.log"
queuectl status

queuectl dlq list --json > "$work/dead.json"
python3 - "$work/dead.json" "$work/truncated" <<'END'
import json
import sys

dead = json.load(open(sys.argv[1]))
expected = {line.strip() for line in open(sys.argv[2])}
found = {job["command"].removeprefix("gzip -t ").replace("\\", "") for job in dead}
if found != expected:
    sys.exit(f"WRONG: dead but sound {sorted(found - expected)}, truncated but not dead {sorted(expected - found)}")
print(f"The dead letter queue holds exactly the {len(expected)} truncated copies. What gzip said of the first three:")
for job in dead[:3]:
    print(f"  {job['id']}  after {job['attempts']} attempts: {job['last_error']}")
END

time queuectl replay --check
