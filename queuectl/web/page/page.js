"use strict";
// The dashboard's page. It draws what /api says and sends what is asked; it knows no rule of the queue.
// Whatever came from a job is set as text, never as markup, with its control characters made visible.

const EVERY_MS = 1000; // how often the log's head is looked at
const SLOWEST_MS = 5000; // ... while the server is gone; and how old what depends on time alone may get
const FEED = 60;
const TAIL_BYTES = 64 * 1024;
const KEPT_CHARS = 512 * 1024; // output shown at once; what is older goes
const STATES = ["pending", "processing", "completed", "failed", "dead", "cancelled"];

const app = { token: null, status: null, skewMs: 0, head: null, feed: [], drawnAt: 0, turn: 0, timer: 0, wait: EVERY_MS };
const chosen = new Set(); // ids ticked among the dead
const element = (id) => document.getElementById(id);

// ---- Text ----

const CONTROL = /\x1b\[[0-9;:?<=>]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

function shown(found) {
  return [...found].map((char) => {
    const code = char.codePointAt(0);
    if (code >= 0x20 && code < 0x7f) return char;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  }).join("");
}

function visible(text) {
  return String(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t").replace(CONTROL, shown);
}

function appendVisible(parent, text) {
  let from = 0;
  for (const found of text.replaceAll("\r\n", "\n").matchAll(CONTROL)) {
    if (found.index > from) parent.append(found.input.slice(from, found.index));
    parent.append(h("span", { class: "ctl" }, shown(found[0])));
    from = found.index + found[0].length;
  }
  parent.append(text.replaceAll("\r\n", "\n").slice(from));
}

function commandOf(job) {
  if (typeof job.command === "string") return visible(job.command);
  return visible(job.command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" "));
}

function length(ms) {
  const s = Math.abs(ms) / 1000;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.floor(s)} s`;
  for (const [unit, size, less, part] of [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]]) {
    if (s >= size) return `${Math.floor(s / size)} ${unit}` + (Math.floor((s % size) / part) ? ` ${Math.floor((s % size) / part)} ${less}` : "");
  }
  return "";
}

const roughly = (ms) => length(Math.floor(ms / 1000) * 1000).replace(".0", "").replace(/^(\d+ \w+) .*/, "$1");
const bytes = (count) => (count < 1024 ? `${count} B` : count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`);
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const now = () => Date.now() + app.skewMs;

function clockTime(iso) {
  const at = new Date(iso);
  const day = at.toDateString() === new Date(now()).toDateString() ? "" : at.toLocaleDateString("sv") + " ";
  return day + at.toLocaleTimeString("sv");
}

function since(iso) {
  if (!iso) return "";
  const ms = now() - Date.parse(iso);
  const text = ms < -999 ? `in ${roughly(-ms)}` : Math.abs(ms) < 1000 ? "now" : `${roughly(ms)} ago`;
  return h("time", { datetime: iso, title: `${clockTime(iso)} (${iso})` }, text);
}

// ---- Elements ----

function h(tag, about, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key : undefined);

// Makes what is shown equal to what was drawn afresh, touching only what differs: focus, selection,
// what was typed and what was unfolded stay.
function morph(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of ["onclick", "onsubmit", "onchange", "oninput", "ontoggle"]) old[name] = fresh[name];
  if (old.type === "checkbox") old.checked = fresh.checked;
  if (!("kept" in old.dataset)) morphInside(old, fresh);
}

function morphInside(old, fresh) {
  const wanted = new Set([...fresh.childNodes].map(keyOf));
  const known = new Map();
  for (const child of [...old.childNodes]) {
    const key = keyOf(child);
    if (key === undefined) continue;
    if (wanted.has(key)) known.set(key, child);
    else child.remove();
  }
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const key = keyOf(child);
    const same = key !== undefined ? known.get(key) : at && keyOf(at) === undefined && at.nodeName === child.nodeName ? at : null;
    if (!same) old.insertBefore(child, at);
    else {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      morph(same, child);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// ---- The server ----

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(path, { body, tag } = {}) {
  const headers = {};
  if (app.token) headers.Authorization = `Bearer ${app.token}`;
  if (tag) headers["If-None-Match"] = tag;
  const request = { headers, cache: "no-store", signal: AbortSignal.timeout(15000) };
  if (body !== undefined) {
    Object.assign(request, { method: "POST", body: JSON.stringify(body) });
    Object.assign(headers, { "Content-Type": "application/json", "X-Queuectl": "page" });
  }
  const answer = await fetch(path, request);
  if (answer.status === 304) return null;
  let found = null;
  try {
    found = await answer.json();
  } catch {
    throw new Refused(answer.status, `the server answered ${answer.status}`);
  }
  if (!answer.ok) throw new Refused(answer.status, found.error || `the server answered ${answer.status}`);
  return found;
}

const pathOf = (id) => `api/jobs/${encodeURIComponent(id)}`;
const query = (about) => new URLSearchParams(Object.entries(about).filter(([, value]) => value)).toString();

// ---- Where we are ----

function route() {
  const [path, words] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  let id = "";
  try {
    id = decodeURIComponent(rest.join("/"));
  } catch {
    id = rest.join("/");
  }
  return { page: page in PAGES ? page : "overview", id, query: Object.fromEntries(new URLSearchParams(words || "")) };
}

const linkTo = (id) => `#/job/${encodeURIComponent(id)}`;
const jobLink = (id) => h("a", { href: linkTo(id), class: "mono" }, visible(id));
const jobsLink = (about) => `#/jobs${query(about) ? "?" + query(about) : ""}`;

function takeToken() {
  const found = location.hash.match(/^#token=(.*)$/);
  try {
    if (found) {
      localStorage.setItem("queuectl-token", decodeURIComponent(found[1]));
      history.replaceState(null, "", "#/");
    }
    app.token = localStorage.getItem("queuectl-token");
  } catch {
    if (found) app.token = decodeURIComponent(found[1]); // a browser that keeps nothing
  }
}

// ---- Pages ----

const PAGES = { overview: overviewPage, jobs: jobsPage, job: jobPage, dead: deadPage, new: newPage };

function stateOf(job) {
  let text = job.state;
  if (["failed", "dead"].includes(job.state)) {
    if (job.signal) text += ` (${job.signal})`;
    else if (job.return_code !== null) text += ` (${job.return_code})`;
  }
  return h("span", { class: `state ${job.state}` }, visible(text));
}

function whenOf(job) {
  if (job.state === "pending" || job.state === "failed") {
    return Date.parse(job.run_at) > now() ? since(job.run_at) : ["waits ", h("span", null, length(Math.max(0, now() - Date.parse(job.run_at))))];
  }
  return since(job.state === "processing" ? job.started_at || job.updated_at : job.finished_at || job.updated_at);
}

function table(heads, rows) {
  const cells = heads.map(([text, kind]) => h("th", { class: kind, scope: "col" }, text));
  return h("div", { class: "box" }, h("table", null, h("thead", null, h("tr", null, cells)), h("tbody", null, rows)));
}

async function overviewPage() {
  const workers = await ask("api/workers");
  const { jobs, queues, oldest_pending_s: oldest, unserved } = app.status;
  const counts = STATES.map((state) =>
    h("a", { class: `count ${state}${jobs[state] ? "" : " none"}`, href: state === "dead" ? "#/dead" : jobsLink({ state }) }, h("b", null, jobs[state].toLocaleString("en")), state));
  const names = Object.keys(queues).sort();
  return [
    h("h1", null, "Overview"),
    h("div", { class: "counts" }, counts),
    h("p", { class: "quiet" }, oldest === null ? "Nothing waits that could run." : `The job that has waited longest could have run for ${length(oldest * 1000)}.`),
    names.length > 0 && h("section", { "data-key": "queues" }, h("h2", null, "Queues"), queueTable(names, queues)),
    h("section", { "data-key": "workers" }, h("h2", null, "Workers"), workers.length > 0 && unservedText(unserved), workerTable(workers)),
    h("section", { "data-key": "feed" }, h("h2", null, "What happens"), feed()),
  ];
}

function queueTable(names, queues) {
  const rows = names.map((queue) => h("tr", { "data-key": queue },
    h("td", { class: "id" }, h("a", { href: jobsLink({ queue }) }, visible(queue))),
    STATES.map((state) => h("td", { class: "right" }, queues[queue][state] ? h("a", { href: jobsLink({ queue, state }) }, queues[queue][state].toLocaleString("en")) : h("span", { class: "quiet" }, "0")))));
  return table([["Queue"], ...STATES.map((state) => [state, "right"])], rows);
}

function typed(word) {
  return /^[\w.-]+$/.test(word) ? word : `'${visible(word).replaceAll("'", `'"'"'`)}'`;
}

function wayToStart(command) {
  const reason = app.status.unwritable;
  return reason ? [`None can be started here: ${visible(reason)}.`] : ["Start one in a terminal: ", h("code", null, command)];
}

function unservedText(unserved) {
  if (!unserved.length) return null;
  const named = unserved.slice(0, 3).map((queue) => visible(queue)).join(", ") + (unserved.length > 3 ? ` and ${unserved.length - 3} more` : "");
  return h("p", { class: "failed" }, `Jobs wait in ${unserved.length === 1 ? "queue" : "queues"} ${named}, and no running worker serves ${unserved.length === 1 ? "it" : "them"}. `, wayToStart(unserved.length === 1 ? `queuectl worker start --queue ${typed(unserved[0])}` : "queuectl worker start"));
}

function workerTable(workers) {
  if (!workers.length) return h("p", { class: "quiet" }, "No workers. ", wayToStart("queuectl worker start"));
  const rows = workers.map((worker) => {
    const slots = worker.runs.map((run) => h("span", { class: "slot" }, jobLink(run.job_id),
      run.attempt > 1 ? ` attempt ${run.attempt}` : "", " ", h("span", { class: "quiet" }, length(now() - Date.parse(run.since))), run.cancelling ? " being cancelled" : ""));
    const free = worker.state === "dead" ? 0 : worker.slots - worker.runs.length;
    if (free > 0) slots.push(h("span", { class: "slot free" }, free === worker.slots && free === 1 ? "idle" : `${free} free`));
    return h("tr", { "data-key": worker.id },
      h("td", { class: "id mono" }, visible(worker.id)),
      h("td", null, h("span", { class: `state ${worker.state}` }, worker.state)),
      h("td", null, h("div", { class: "slots" }, slots)),
      h("td", { class: "wide" }, worker.queues ? visible(worker.queues.join(", ")) : "all"),
      h("td", { class: "tight wide" }, since(worker.started_at)),
      h("td", { class: "tight wide" }, since(worker.heartbeat_at)));
  });
  return table([["Worker"], ["State"], ["Slots"], ["Queues", "wide"], ["Started", "wide"], ["Heard", "wide"]], rows);
}

function feed() {
  if (!app.feed.length) return h("p", { class: "quiet" }, "Nothing yet.");
  return h("div", { class: "box" }, h("ol", { class: "events feed" }, app.feed.map((event) =>
    h("li", { "data-key": event.position },
      h("span", { class: "quiet tight", title: `${event.time}, position ${event.position}` }, clockTime(event.time)),
      h("span", { class: `tight ${event.type}` }, event.type.replaceAll("_", " ")),
      h("span", { class: "what" }, event.job ? [jobLink(event.job), " "] : [h("span", { class: "mono" }, visible(event.stream)), " "],
        h("span", { class: "quiet" }, told(event), " by ", visible(event.actor)))))));
}

async function jobsPage({ query: about }) {
  let found;
  try {
    found = await ask(`api/jobs?${query(about)}`);
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404 || !about.after) throw error;
    found = { jobs: [], next: null, gone: true };
  }
  const queues = Object.keys(app.status.queues).sort();
  if (about.queue && !queues.includes(about.queue)) queues.push(about.queue);
  const option = (value, text, at) => h("option", { value, selected: value === (at || "") }, text);
  const form = h("form", { class: "bar", role: "search", onsubmit: (event) => { event.preventDefault(); filter(event.currentTarget); }, onchange: (event) => filter(event.currentTarget), oninput: (event) => filterSoon(event.currentTarget) },
    h("label", { class: "grow" }, "Text in id, command or error", h("input", { name: "text", type: "search", value: about.text || "", autocomplete: "off" })),
    h("label", null, "State", h("select", { name: "state" }, option("", "any", about.state), [...STATES, ...(about.state && !STATES.includes(about.state) ? [about.state] : [])].map((state) => option(state, visible(state), about.state)))),
    h("label", null, "Queue", h("select", { name: "queue" }, option("", "any", about.queue), queues.map((queue) => option(queue, visible(queue), about.queue)))));
  const isPartial = found.next && found.jobs.length < 50;
  return [
    h("h1", null, "Jobs"),
    form,
    found.gone ? h("p", { class: "quiet" }, "The job that this page began behind is gone.")
      : found.jobs.length ? jobTable(found.jobs)
        : h("p", { class: "quiet" }, isPartial ? "None so far." : query(about) ? nothingMeant(about) : ["No jobs yet. ", !app.status.read_only && h("a", { href: "#/new" }, "Enqueue one")]),
    isPartial && h("p", { class: "quiet" }, `Looked at ${plural(found.searched, "job")} so far.`),
    h("p", { class: "bar" },
      about.after && h("a", { href: jobsLink({ ...about, after: "" }) }, "First page"),
      found.next && h("a", { href: jobsLink({ ...about, after: found.next }) }, isPartial ? "Search on" : "Next page")),
  ];
}

function nothingMeant({ state, queue, text, after }) {
  const are = state ? ` are ${visible(state)}` : "", within = queue ? ` in queue ${visible(queue)}` : "";
  const having = text ? ` with “${visible(text)}” in id, command or error` : "";
  return `No ${after ? "more " : ""}jobs${are}${within}${having}.`;
}

function jobTable(jobs) {
  const rows = jobs.map((job) => h("tr", { "data-key": job.id },
    h("td", null, stateOf(job)),
    h("td", { class: "id" }, jobLink(job.id)),
    h("td", { class: "command" }, h("code", { title: commandOf(job).slice(0, 2000) }, commandOf(job).slice(0, 400)), job.state === "failed" && job.last_error ? h("span", { class: "quiet" }, visible(job.last_error)) : null),
    h("td", { class: "wide" }, visible(job.queue)),
    h("td", { class: "right wide" }, job.priority || ""),
    h("td", { class: "right wide" }, job.attempts || ""),
    h("td", { class: "tight" }, whenOf(job)),
    h("td", { class: "right tight wide" }, job.duration_ms === null ? "" : length(job.duration_ms))));
  return table([["State"], ["Id"], ["Command", "command"], ["Queue", "wide"], ["Priority", "right wide"], ["Attempts", "right wide"], ["When"], ["Took", "right wide"]], rows);
}

let filterTimer = 0;

function filterSoon(form) {
  clearTimeout(filterTimer);
  filterTimer = setTimeout(() => filter(form), 250);
}

function filter(form) {
  clearTimeout(filterTimer);
  const fresh = jobsLink(Object.fromEntries(new FormData(form)));
  if (fresh === location.hash) return;
  history.replaceState(null, "", fresh);
  refresh();
}

async function jobPage({ id }) {
  const [found, past] = await Promise.allSettled([ask(pathOf(id)), ask(`${pathOf(id)}/history`)]);
  if (past.status === "rejected") throw past.reason;
  if (found.status === "rejected" && !(found.reason instanceof Refused && found.reason.status === 404)) throw found.reason;
  const job = found.value;
  return [
    h("h1", null, "Job ", h("span", { class: "mono" }, visible(id)), " ", job && stateOf(job)),
    job ? [jobButtons(job), jobFields(job)] : h("p", { class: "quiet" }, "It was removed; what happened to it is still told below."),
    job && job.runs.length > 0 && h("section", { "data-key": "runs" }, h("h2", null, "Output"), [...job.runs].reverse().map((run, index) => runDetails(job, run, index === 0))),
    h("section", { "data-key": "past" }, h("h2", null, "Timeline"), timeline(past.value)),
  ];
}

function jobButtons(job) {
  if (app.status.read_only) return null;
  const can = [];
  if (!["pending", "processing"].includes(job.state)) can.push(["Retry", "retry", "It runs again now, from its first attempt.", ""]);
  if (["pending", "failed"].includes(job.state)) can.push(["Cancel", "cancel", "It will not run.", "danger"]);
  if (job.state === "processing") can.push(["Cancel", "cancel", "Its command is told to end, and killed if it does not.", "danger"]);
  return h("div", { class: "buttons" }, can.map(([word, verb, text, kind]) =>
    h("button", { type: "button", class: kind, "data-key": verb, onclick: () => confirm(`${word} ${visible(job.id)}?`, text, word, async (reason) => {
      await ask(`${pathOf(job.id)}/${verb}`, { body: { reason } });
      say(`${word === "Retry" ? "Requeued" : "Cancelled"} ${visible(job.id)}`);
    }) }, word)));
}

function jobFields(job) {
  const fields = [
    ["Command", h("code", null, commandOf(job))],
    ["Queue", visible(job.queue)],
    ["Priority", job.priority],
    ["Attempts", `${job.attempts} of ${job.max_retries + 1}`],
    ["Runs", ["pending", "failed"].includes(job.state) ? since(job.run_at) : null],
    ["Enqueued", since(job.created_at)],
    ["Started", since(job.started_at)],
    ["Finished", since(job.finished_at)],
    ["Took", job.duration_ms === null ? null : length(job.duration_ms)],
    ["Ended with", job.signal ? visible(job.signal) : job.return_code === null ? null : `exit code ${job.return_code}`],
    ["Last error", job.last_error && visible(job.last_error)],
    ["Worker", job.worker_id && visible(job.worker_id)],
    ["Lease", job.lease_expires_at && since(job.lease_expires_at)],
    ["Timeout", job.timeout_s === null ? "none" : length(job.timeout_s * 1000)],
    ["Directory", h("code", null, visible(job.cwd))],
    ["Environment", Object.keys(job.env).length ? h("code", null, Object.entries(job.env).map(([name, value]) => visible(`${name}=${value}`)).join("\n")) : null],
  ];
  return h("div", { class: "box" }, h("dl", { class: "fields" }, fields.filter(([, value]) => value !== null && value !== "" && value !== undefined).map(([name, value]) => [h("dt", { "data-key": `t${name}` }, name), h("dd", { "data-key": `d${name}` }, value)])));
}

function timeline({ events, left_out: leftOut }) {
  const rows = [];
  let before = null;
  let renewals = 0;
  events.forEach((event, index) => {
    if (event.type === "renewed" && events[index + 1]?.type === "renewed") {
      renewals += 1;
      return;
    }
    const gap = before === null ? "" : `+${length(Date.parse(event.time) - Date.parse(before))}`;
    before = event.time;
    const times = renewals ? ` ${renewals + 1} times` : "";
    renewals = 0;
    rows.push(h("li", { "data-key": event.position },
      h("span", { class: "tight", title: `${event.time}, position ${event.position}` }, clockTime(event.time)),
      h("span", { class: "quiet tight" }, gap),
      h("span", { class: `tight ${event.type}` }, event.type.replaceAll("_", " ") + times),
      h("span", { class: "what" }, told(event), " ", h("span", { class: "quiet who" }, "by ", visible(event.actor)))));
  });
  return [leftOut > 0 && h("p", { class: "quiet" }, `${plural(leftOut, "earlier event")} left out; queuectl history has them all.`), h("div", { class: "box" }, h("ol", { class: "events" }, rows))];
}

function told(event) {
  const about = event.data;
  const took = about.duration_ms === null || about.duration_ms === undefined ? "" : ` in ${length(about.duration_ms)}`;
  const printed = ["stdout", "stderr"].filter((name) => about[name]).map((name) => `${name} ${bytes(about[name].size)}`).join(", ");
  const texts = {
    enqueued: () => commandOf(about).slice(0, 300) + `, queue ${about.queue || "default"}` + (about.priority ? `, priority ${about.priority}` : "") + (about.run_at ? `, not before ${clockTime(about.run_at)}` : ""),
    claimed: () => `until ${clockTime(about.expires_at)}`,
    renewed: () => `until ${clockTime(about.expires_at)}`,
    started: () => `attempt ${about.attempt}, worker pid ${about.pid} on ${about.host}`,
    completed: () => `attempt ${about.attempt}${took}, exit code ${about.return_code}${printed ? `, ${printed}` : ""}`,
    failed: () => `attempt ${about.attempt}${took}${about.retry_at ? `, retry at ${clockTime(about.retry_at)}` : ", no retry left"}${printed ? `, ${printed}` : ""}: ${about.error}`,
    dead: () => `after ${plural(about.attempts, "attempt")}, the last: ${about.reason}`,
    released: () => about.cause,
    cancelled: () => (about.attempt === null ? "before it ran" : `attempt ${about.attempt}${took}`),
    removed: () => `was ${about.state}`,
    config_changed: () => `${about.key}: ${about.old ?? "default"} -> ${about.new ?? "default"}`,
    worker_started: () => `pid ${about.pid} on ${about.host}, slots ${about.slots}`,
    worker_stopping: () => (about.now ? "give back what runs" : "finish what runs"),
    worker_stopped: () => about.cause,
  };
  const cause = event.caused_by?.job ? `, caused by job ${event.caused_by.job}` : "";
  return visible((texts[event.type]?.() ?? "") + cause + (event.reason ? `, because: ${event.reason}` : ""));
}

async function deadPage({ query: about }) {
  const found = await ask(`api/dead?${query(about)}`);
  const here = new Set(found.jobs.map((job) => job.id));
  for (const id of chosen) if (!here.has(id)) chosen.delete(id);
  const can = !app.status.read_only;
  const rows = found.jobs.map((job) => h("tr", { "data-key": job.id },
    can && h("td", null, h("input", { type: "checkbox", checked: chosen.has(job.id), "aria-label": `Choose ${visible(job.id)}`, onchange: (event) => { event.target.checked ? chosen.add(job.id) : chosen.delete(job.id); refresh(); } })),
    h("td", { class: "wide" }, stateOf(job)),
    h("td", { class: "id" }, jobLink(job.id)),
    h("td", { class: "command" }, h("code", { title: commandOf(job).slice(0, 2000) }, commandOf(job).slice(0, 400)), h("span", { class: "quiet" }, visible(job.last_error || ""))),
    h("td", { class: "wide" }, visible(job.queue)),
    h("td", { class: "right wide" }, job.attempts),
    h("td", { class: "tight" }, since(job.finished_at || job.updated_at))));
  const pick = h("input", { type: "checkbox", "aria-label": "Choose all on this page", checked: here.size > 0 && chosen.size === here.size, onchange: (event) => { event.target.checked ? here.forEach((id) => chosen.add(id)) : chosen.clear(); refresh(); } });
  return [
    h("h1", null, "Dead letters"),
    found.count === 0 ? h("p", { class: "quiet" }, "No dead jobs. A job comes here when its last attempt has failed.") : [
      can && deadButtons(found.count),
      table([...(can ? [[pick]] : []), ["State", "wide"], ["Id"], ["Command and error", "command"], ["Queue", "wide"], ["Attempts", "right wide"], ["Died"]], rows),
      h("p", { class: "bar" }, about.after && h("a", { href: "#/dead" }, "First page"), found.next && h("a", { href: `#/dead?${query({ after: found.next })}` }, "Next page")),
    ],
  ];
}

function deadButtons(count) {
  const button = (word, verb, ids, kind) => {
    const many = ids ? ids.length : count;
    const text = verb === "retry" ? "They run again now, from their first attempt." : "They leave the queue for good; their history stays in the log.";
    return h("button", { type: "button", class: kind, "data-key": `${verb}${ids ? "" : "-all"}`, disabled: many === 0, onclick: () => confirm(`${word} ${plural(many, "dead job")}?`, text, `${word} ${many.toLocaleString("en")}`, async (reason) => {
      const done = await ask(`api/dlq/${verb}`, { body: ids ? { ids, reason } : { all: true, count, reason } });
      chosen.clear();
      say(`${verb === "retry" ? "Requeued" : "Purged"} ${plural(done.ids.length, "job")}`);
    }) }, ids ? `${word} chosen${many ? ` (${many})` : ""}` : `${word} all ${count.toLocaleString("en")}`);
  };
  const ids = [...chosen];
  return h("div", { class: "buttons" }, button("Retry", "retry", ids, ""), button("Purge", "purge", ids, "danger"), button("Retry", "retry", null, ""), button("Purge", "purge", null, "danger"));
}

async function newPage() {
  if (app.status.read_only) return [h("h1", null, "Enqueue"), h("p", { class: "quiet" }, "This dashboard only looks.")];
  const field = (name, text, about = {}) => h("label", { class: about.whole ? "whole" : null }, text, h(about.lines ? "textarea" : "input", { name, rows: about.lines, autocomplete: "off", spellcheck: "false", placeholder: about.hint, required: about.required, type: about.lines ? null : "text", inputmode: about.inputmode, class: about.mono ? "mono" : null }));
  return [
    h("h1", null, "Enqueue a job"),
    h("form", { class: "box form", onsubmit: (event) => { event.preventDefault(); enqueue(event.currentTarget); } },
      field("command", "Command, a line for the shell", { lines: 3, whole: true, required: true, mono: true }),
      field("id", "Id", { hint: "made if left empty" }),
      field("queue", "Queue", { hint: "default" }),
      field("priority", "Priority, higher first", { hint: "0", inputmode: "numeric" }),
      field("max_retries", "Retries", { hint: "as configured", inputmode: "numeric" }),
      field("timeout", "Timeout", { hint: "as configured; 90s, 5m, 0 for none" }),
      field("delay", "Delay", { hint: "90s, 5m, 1h30m" }),
      field("run_at", "Not before", { hint: "2026-12-31T17:30:00Z" }),
      field("cwd", "Directory", { hint: visible(app.status.directory) }),
      field("env", "Environment, NAME=value a line", { lines: 2, whole: true, mono: true }),
      field("reason", "Reason, kept in the log", { whole: true }),
      h("div", { class: "whole buttons" }, h("button", { class: "main", type: "submit" }, "Enqueue"))),
  ];
}

function numberIn(text) {
  return /^-?[0-9]{1,15}$/.test(text) ? Number(text) : text; // what is no number is refused by the server, by name
}

async function enqueue(form) {
  const body = {};
  for (const [name, value] of new FormData(form)) {
    const text = name === "command" ? value.replaceAll("\r\n", "\n") : value.trim();
    if (!text) continue;
    body[name] = ["priority", "max_retries"].includes(name) ? numberIn(text) : text;
  }
  if (body.env) {
    body.env = Object.fromEntries(body.env.split("\n").filter((line) => line.trim()).map((line) => {
      const at = line.indexOf("=");
      return at < 0 ? [line.trim(), null] : [line.slice(0, at).trim(), line.slice(at + 1).replace(/\r$/, "")];
    }));
  }
  const button = form.querySelector("button[type=submit]");
  button.disabled = true; // twice pressed is not twice enqueued
  try {
    const job = await ask("api/jobs", { body });
    say(`Enqueued ${visible(job.id)}`);
    location.hash = linkTo(job.id);
  } catch (error) {
    tellError(error);
  } finally {
    button.disabled = false;
  }
}

// ---- Output ----

function runDetails(job, run, isOpen) {
  const name = run.run === run.attempt ? `Attempt ${run.attempt}` : `Run ${run.run}, attempt ${run.attempt}`;
  const about = { class: "output", "data-kept": "", "data-key": "pre", "data-run": run.run, tabindex: "0", "aria-label": `Output of ${name.toLowerCase()}` };
  return h("details", { "data-key": `run-${job.id}-${run.run}`, open: isOpen, ontoggle: () => showOutputs(job.id) },
    h("summary", null, h("b", null, name), " ", h("span", { class: run.state === "released" ? "quiet" : run.state }, visible(run.summary)), h("span", { class: "quiet" }, ", ", since(run.started_at), " by ", visible(run.worker_id))),
    h("div", { class: "outbar", "data-kept": "", "data-key": "bar", hidden: true }),
    h("pre", about));
}

async function showOutputs(id) {
  const turn = app.turn;
  for (const details of document.querySelectorAll("main details[open]")) {
    const pre = details.querySelector("pre.output");
    if (!pre || pre.isBusy) continue;
    pre.isBusy = true;
    try {
      await readOn(pre, id);
    } catch (error) {
      if (turn === app.turn && error instanceof Refused && error.status >= 500) tellError(error);
    } finally {
      pre.isBusy = false;
    }
  }
}

// Reads what is new of a run's output: its tail first, or, where the reader asked, parts from the beginning.
async function readOn(pre, id) {
  const at = (pre.at ??= { offset: null, isEnd: false, skipped: 0, chars: 0, isPaged: false });
  if (at.isEnd || (at.isPaged && at.isPart)) return;
  const words = at.offset === null ? { tail: TAIL_BYTES } : { offset: String(at.offset) };
  const found = await ask(`${pathOf(id)}/output?${query({ run: pre.dataset.run, ...words })}`);
  if (pre.at !== at) return;
  const isAtBottom = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 8;
  const isFirst = at.offset === null;
  Object.assign(at, { offset: found.offset, isEnd: found.is_end, isPart: at.isPaged, skipped: at.skipped + found.skipped_bytes });
  for (const { stream, text } of found.pieces) {
    const piece = h("span", { class: stream });
    appendVisible(piece, text);
    pre.append(piece);
    at.chars += text.length;
  }
  while (at.chars > KEPT_CHARS && pre.childNodes.length > 1 && !at.isPaged) {
    at.chars -= pre.firstChild.textContent.length;
    at.skipped += pre.firstChild.textContent.length;
    pre.firstChild.remove();
  }
  const isEmpty = !pre.firstChild;
  pre.classList.toggle("quiet", isEmpty);
  pre.dataset.empty = isEmpty ? (at.isEnd ? "It printed nothing." : "Nothing printed yet.") : "";
  if ((isFirst || isAtBottom) && !at.isPaged) pre.scrollTop = pre.scrollHeight;
  outputBar(pre, id, at);
}

function outputBar(pre, id, at) {
  const bar = pre.previousElementSibling;
  bar.hidden = !at.skipped && !at.isPaged;
  const go = (start) => () => {
    pre.replaceChildren();
    pre.at = { offset: start, isEnd: false, skipped: 0, chars: 0, isPaged: start !== null };
    readOn(pre, id).catch(tellError);
  };
  bar.replaceChildren(
    at.isPaged ? "A part of the output." : `About ${bytes(at.skipped)} came before this.`,
    h("button", { type: "button", onclick: go(0) }, "From the beginning"),
    ...(at.isPaged && !at.isEnd ? [h("button", { type: "button", onclick: go(at.offset) }, "Next part")] : []),
    ...(at.isPaged ? [h("button", { type: "button", onclick: go(null) }, "The end")] : []));
}

// ---- Saying and asking ----

let saidTimer = 0;

function say(text, isBad = false) {
  const said = element("said");
  said.textContent = text;
  said.classList.toggle("bad", isBad);
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { said.textContent = ""; }, isBad ? 12000 : 5000);
}

function tellError(error) {
  if (error instanceof Refused && error.status === 401) {
    trouble(error);
    return;
  }
  say(error instanceof Refused ? visible(error.message) : "The server does not answer; whether this was done is not known. Look when it is back.", true);
}

function confirm(title, text, word, act) {
  element("ask-title").textContent = title;
  element("ask-text").textContent = text;
  element("ask-yes").textContent = word;
  element("ask-reason").value = "";
  element("ask-form").onsubmit = async (event) => {
    event.preventDefault();
    element("ask").close();
    try {
      await act(element("ask-reason").value.trim() || null);
    } catch (error) {
      tellError(error);
    }
    refresh();
  };
  element("ask-no").onclick = () => element("ask").close();
  element("ask").showModal();
  element("ask-reason").focus();
}

function trouble(error) {
  const box = element("trouble");
  const isToken = error instanceof Refused && error.status === 401;
  if (isToken && !box.querySelector("input")) {
    box.replaceChildren(h("form", { class: "bar", onsubmit: (event) => {
      event.preventDefault();
      app.token = new FormData(event.currentTarget).get("token").trim();
      try { localStorage.setItem("queuectl-token", app.token); } catch { /* kept for this page only */ }
      look();
    } }, h("label", null, "This dashboard asks for its token, which queuectl dashboard printed", h("input", { name: "token", type: "password", autocomplete: "off" })), h("button", { type: "submit" }, "Go on")));
  } else if (!isToken) {
    box.textContent = error instanceof Refused ? `The server says: ${visible(error.message)}. Trying again…` : "The dashboard's server does not answer; what is shown may be old. Trying again…";
  }
  box.hidden = false;
}

// ---- The loop ----

function frame() {
  const { page } = route();
  for (const link of document.querySelectorAll("nav a[data-page]")) {
    const isHere = link.dataset.page === page || (page === "job" && link.dataset.page === "jobs");
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const { jobs, path, read_only: readOnly, actor } = app.status;
  element("dead-count").textContent = jobs.dead ? jobs.dead.toLocaleString("en") : "";
  element("where").textContent = visible(path) + (readOnly ? ", read-only" : "");
  element("where").title = `Changes made here are logged as ${visible(actor)}`;
  element("nav-new").hidden = readOnly;
  document.title = (jobs.dead ? `(${jobs.dead} dead) ` : "") + "queuectl";
}

async function refresh(isNewPage = false) {
  const turn = ++app.turn;
  app.status = await ask("api/status").catch((error) => {
    if (turn === app.turn) trouble(error);
    return null;
  }) || app.status;
  if (turn !== app.turn || !app.status) return;
  app.skewMs = Date.parse(app.status.now) - Date.now();
  const at = route();
  frame();
  let drawn;
  try {
    drawn = [await PAGES[at.page](at)].flat(Infinity).filter(Boolean);
  } catch (error) {
    if (!(error instanceof Refused) || error.status === 401 || error.status >= 500) {
      if (turn === app.turn) trouble(error);
      return;
    }
    drawn = [h("h1", null, "Not here"), h("p", null, visible(error.message)), h("p", null, h("a", { href: "#/jobs" }, "All jobs"))];
  }
  if (turn !== app.turn) return;
  app.drawnAt = Date.now();
  const main = element("main");
  const fresh = h("main", null, drawn);
  if (isNewPage || !main.dataset.drawn) main.replaceChildren(...fresh.childNodes);
  else if (at.page !== "new") morphInside(main, fresh);
  main.dataset.drawn = at.page;
  if (at.page === "job") showOutputs(at.id);
}

async function look() {
  clearTimeout(app.timer);
  if (document.hidden) return; // visibilitychange looks again
  try {
    let found = await ask(`api/events?${query({ since: String(app.head || ""), limit: String(FEED), without: "renewed" })}`, { tag: app.head === null ? null : `"${app.head}"` });
    if (found && app.head !== null && found.head < app.head) {
      app.feed = []; // another store in its place
      found = await ask(`api/events?limit=${FEED}&without=renewed`);
    }
    const wasInTrouble = !element("trouble").hidden;
    element("trouble").hidden = true;
    element("trouble").replaceChildren();
    app.wait = EVERY_MS;
    if (found) {
      app.head = found.head;
      app.feed = [...found.events.reverse(), ...app.feed].slice(0, FEED);
    }
    if (found || wasInTrouble || Date.now() - app.drawnAt >= SLOWEST_MS) await refresh();
    else if (route().page === "job") showOutputs(route().id);
  } catch (error) {
    trouble(error);
    app.wait = Math.min(app.wait * 1.5, SLOWEST_MS);
  }
  clearTimeout(app.timer);
  app.timer = setTimeout(look, app.wait);
}

window.addEventListener("hashchange", () => {
  if (location.hash === "#main") return;
  takeToken();
  chosen.clear();
  refresh(true).then(() => {
    scrollTo(0, 0);
    element("main").focus({ preventScroll: true });
  });
});
document.addEventListener("visibilitychange", () => { document.hidden ? clearTimeout(app.timer) : look(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.nodeName)) return;
  const field = document.querySelector("main input[type=search]");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  element("main").focus();
};

takeToken();
look();
