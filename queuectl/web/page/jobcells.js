// What several pages show of jobs and events.

import { h } from "./elements.js";
import { bytes, clockTime, commandOf, length, now, plural, since, visible } from "./text.js";

const WAITING_OR_RUNNING = ["pending", "failed", "processing"];

export function stateOf(job) {
  let text = job.state;
  if (["failed", "dead"].includes(job.state)) {
    if (job.signal) text += ` (${job.signal})`;
    else if (job.return_code !== null) text += ` (${job.return_code})`;
  }
  if (job.paused && WAITING_OR_RUNNING.includes(job.state)) text += ", paused";
  return h("span", { class: `state ${job.state}` }, visible(text));
}

export function whenOf(job) {
  if (job.state === "pending" || job.state === "failed") {
    return Date.parse(job.run_at) > now() ? since(job.run_at) : ["waits ", h("span", null, length(Math.max(0, now() - Date.parse(job.run_at))))];
  }
  return since(job.state === "processing" ? job.started_at || job.updated_at : job.finished_at || job.updated_at);
}

export function table(heads, rows) {
  const cells = heads.map(([text, kind]) => h("th", { class: kind, scope: "col" }, text));
  return h("div", { class: "box" }, h("table", null, h("thead", null, h("tr", null, cells)), h("tbody", null, rows)));
}

export function told(event) {
  const about = event.data;
  const took = about.duration_ms === null || about.duration_ms === undefined ? "" : ` in ${length(about.duration_ms)}`;
  const printed = ["stdout", "stderr"].filter((name) => about[name]).map((name) => `${name} ${bytes(about[name].size)}`).join(", ");
  const by = about.ended_by ? ` [${about.ended_by}]` : "";
  const texts = {
    enqueued: () => commandOf(about).slice(0, 300) + `, queue ${about.queue || "default"}` + (about.priority ? `, priority ${about.priority}` : "") + (about.run_at ? `, not before ${clockTime(about.run_at)}` : ""),
    claimed: () => `until ${clockTime(about.expires_at)}`,
    renewed: () => `until ${clockTime(about.expires_at)}`,
    started: () => `attempt ${about.attempt}, worker pid ${about.pid} on ${about.host}`,
    completed: () => `attempt ${about.attempt}${took}, ${about.return_code === null ? about.signal || "no exit code" : `exit code ${about.return_code}`}${by}${printed ? `, ${printed}` : ""}`,
    failed: () => `attempt ${about.attempt}${took}${about.retry_at ? `, retry at ${clockTime(about.retry_at)}` : ", no retry left"}${printed ? `, ${printed}` : ""}: ${about.error}`,
    snoozed: () => `attempt ${about.attempt}${took}${by}, no attempt used up, again at ${clockTime(about.until)}${printed ? `, ${printed}` : ""}: ${about.error}`,
    dead: () => `after ${plural(about.attempts, "attempt")}, the last: ${about.reason}${by}`,
    released: () => about.cause,
    cancelled: () => (about.ended_by ? about.ended_by : about.attempt === null ? "before it ran" : `attempt ${about.attempt}${took}`),
    paused: () => (about.until ? `until ${clockTime(about.until)}` : ""),
    limit_set: () => `${about.running === null ? "any number" : about.running.toLocaleString("en")} at once${about.starts === null ? "" : `, ${plural(about.starts, "start")} in ${length(about.period_s * 1000)}`}`,
    removed: () => `was ${about.state}`,
    config_changed: () => `${about.key}: ${about.old ?? "default"} -> ${about.new ?? "default"}`,
    worker_started: () => `pid ${about.pid} on ${about.host}, slots ${about.slots}`,
    worker_stopping: () => (about.now ? "give back what runs" : "finish what runs"),
    worker_stopped: () => about.cause,
  };
  const cause = event.caused_by?.job ? `, caused by job ${event.caused_by.job}` : "";
  return visible((texts[event.type]?.() ?? "") + cause + (event.reason ? `, because: ${event.reason}` : ""));
}
