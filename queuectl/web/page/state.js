// What the page knows: of the server, of what was chosen, of where it is in the log.

export const EVERY_MS = 1000; // how often the log's head is looked at
export const SLOWEST_MS = 5000; // ... while the server is gone; and how old what depends on time alone may get
export const FEED = 60;
export const TAIL_BYTES = 64 * 1024;
export const KEPT_CHARS = 512 * 1024; // output shown at once; what is older goes
export const STATES = ["pending", "processing", "completed", "failed", "dead", "cancelled"];

export const PAGE_NAMES = ["overview", "jobs", "job", "dead", "new"];

export const app = { token: null, status: null, skewMs: 0, head: null, feed: [], drawnAt: 0, turn: 0, timer: 0, wait: EVERY_MS };
export const chosen = new Set(); // ids ticked among the dead
export const element = (id) => document.getElementById(id);
