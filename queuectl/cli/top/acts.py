"""What the keys do to jobs, by the verbs of the same names in a process of their own.

The view itself never opens the queue for writing: it waits for nobody, and holds nobody up.
"""

import asyncio
import os
from pathlib import Path

from ..detach import this_python

PATIENCE_S = 30.0


async def act(path: Path, verb: str, job_id: str) -> tuple[bool, str]:
    """Do something to a job; returns whether it was done, and what is to be said about it."""
    words = [*this_python(), "-m", "queuectl", "--db", str(path), verb, "--", job_id]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=os.environ | {"NO_COLOR": "1"}
    )
    try:
        said, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    except TimeoutError:
        return False, f"{verb} {job_id}: the queue is busy; nothing happened within {PATIENCE_S:.0f} s"
    finally:
        if process.returncode is None:
            process.kill()
    is_done = process.returncode == 0
    told = said if is_done and said else errors  # which may begin with what was waited for
    return is_done, "".join(told.decode(errors="replace").splitlines()[-1:])
