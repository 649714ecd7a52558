// One job: its fields, its past, its runs.

import { h } from "./elements.js";
import { stateOf, told } from "./jobcells.js";
import { runDetails } from "./output.js";
import { jobsLink } from "./route.js";
import { confirm, say } from "./said.js";
import { Refused, ask, pathOf } from "./server.js";
import { app } from "./state.js";
import { clockTime, commandOf, length, plural, since, visible } from "./text.js";

export async function jobPage({ id }) {
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
    ["Ended by", job.ended_by && visible(job.ended_by)],
    ["Snoozed", job.snoozes ? plural(job.snoozes, "time") : null],
    ["Unique key", job.unique && visible(job.unique)],
    ["Held until", job.unique_until && since(job.unique_until)],
    ["Uses", job.use.length ? h("code", null, visible(job.use.join(", "))) : null],
    ["Expires", job.expires_at && since(job.expires_at)],
    ["Policy", job.policy && h("code", null, visible(Object.entries(job.policy).map(([name, value]) => `${name}=${value}`).join(" ")))],
    ["Last error", job.last_error && visible(job.last_error)],
    ["Worker", job.worker_id && visible(job.worker_id)],
    ["Lease", job.lease_expires_at && since(job.lease_expires_at)],
    ["Timeout", job.timeout_s === null ? "none" : length(job.timeout_s * 1000)],
    ["Directory", h("code", null, visible(job.cwd))],
    ["Labels", Object.keys(job.labels).length ? labelLinks(job.labels) : null],
    ["Meta", Object.keys(job.meta).length ? h("code", null, visible(JSON.stringify(job.meta))) : null],
    ["Environment", Object.keys(job.env).length ? h("code", null, Object.entries(job.env).map(([name, value]) => visible(`${name}=${value}`)).join("\n")) : null],
  ];
  return h("div", { class: "box" }, h("dl", { class: "fields" }, fields.filter(([, value]) => value !== null && value !== "" && value !== undefined).map(([name, value]) => [h("dt", { "data-key": `t${name}` }, name), h("dd", { "data-key": `d${name}` }, value)])));
}

function labelLinks(labels) {
  return Object.entries(labels).map(([key, value]) => {
    const label = `${key}=${value}`; // a comma would part it where it is looked for: then its key will do
    return h("a", { class: "mono label", href: jobsLink({ label: label.includes(",") ? key : label }) }, visible(label));
  });
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
