// The overview: counts, queues, workers, and what happens.

import { h } from "./elements.js";
import { table, told } from "./jobcells.js";
import { jobLink, jobsLink } from "./route.js";
import { ask } from "./server.js";
import { STATES, app } from "./state.js";
import { clockTime, length, now, since, visible } from "./text.js";

export async function overviewPage() {
  const workers = await ask("api/workers");
  const { jobs, queues, oldest_pending_s: oldest, unserved, paused } = app.status;
  const counts = STATES.map((state) =>
    h("a", { class: `count ${state}${jobs[state] ? "" : " none"}`, href: state === "dead" ? "#/dead" : jobsLink({ state }) }, h("b", null, jobs[state].toLocaleString("en")), state));
  const names = Object.keys(queues).sort();
  return [
    h("h1", null, "Overview"),
    h("div", { class: "counts" }, counts),
    h("p", { class: "quiet" }, oldest === null ? "Nothing waits that could run." : `The job that has waited longest could have run for ${length(oldest * 1000)}.`),
    paused.length > 0 && h("section", { "data-key": "paused" }, h("h2", null, "Paused queues"), pausedTable(paused)),
    names.length > 0 && h("section", { "data-key": "queues" }, h("h2", null, "Queues"), queueTable(names, queues)),
    h("section", { "data-key": "workers" }, h("h2", null, "Workers"), workers.length > 0 && unservedText(unserved), workerTable(workers)),
    h("section", { "data-key": "feed" }, h("h2", null, "What happens"), feed()),
  ];
}

function pausedTable(paused) {
  const rows = paused.map((each) => h("tr", { "data-key": each.queue },
    h("td", { class: "id" }, h("a", { href: jobsLink({ queue: each.queue }) }, visible(each.queue))),
    h("td", { class: "tight" }, since(each.paused_at)),
    h("td", { class: "tight" }, each.until ? clockTime(each.until) : "it is resumed"),
    h("td", { class: "wide" }, visible(each.by)),
    h("td", { class: "wide" }, visible(each.reason || ""))));
  return table([["Queue"], ["Paused"], ["Until"], ["By", "wide"], ["Reason", "wide"]], rows);
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
