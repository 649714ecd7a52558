// The list of jobs, and its filter.

import { h } from "./elements.js";
import { stateOf, table, whenOf } from "./jobcells.js";
import { jobLink, jobsLink } from "./route.js";
import { Refused, ask, query } from "./server.js";
import { STATES, app } from "./state.js";
import { commandOf, length, plural, visible } from "./text.js";

export async function jobsPage({ query: about }) {
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
    h("label", null, "Labels", h("input", { name: "label", type: "search", value: about.label || "", autocomplete: "off", spellcheck: "false", placeholder: "team=a, urgent" })),
    h("label", null, "Paused", h("select", { name: "paused" }, option("", "or not", about.paused), option("true", "only", about.paused))),
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

function nothingMeant({ state, queue, text, label, paused, after }) {
  const are = state ? ` are ${visible(state)}` : "", within = queue ? ` in queue ${visible(queue)}` : "";
  const having = text ? ` with “${visible(text)}” in id, command or error` : "";
  const labelled = label ? ` labelled ${visible(label)}` : "";
  return `No ${after ? "more " : ""}${paused ? "paused " : ""}jobs${are}${within}${labelled}${having}.`;
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
  app.refresh();
}
