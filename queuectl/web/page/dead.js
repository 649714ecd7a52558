// The dead letter queue.

import { h } from "./elements.js";
import { stateOf, table } from "./jobcells.js";
import { jobLink } from "./route.js";
import { confirm, say } from "./said.js";
import { ask, query } from "./server.js";
import { app, chosen } from "./state.js";
import { commandOf, plural, since, visible } from "./text.js";

export async function deadPage({ query: about }) {
  const found = await ask(`api/dead?${query(about)}`);
  const here = new Set(found.jobs.map((job) => job.id));
  for (const id of chosen) if (!here.has(id)) chosen.delete(id);
  const can = !app.status.read_only;
  const rows = found.jobs.map((job) => h("tr", { "data-key": job.id },
    can && h("td", null, h("input", { type: "checkbox", checked: chosen.has(job.id), "aria-label": `Choose ${visible(job.id)}`, onchange: (event) => { event.target.checked ? chosen.add(job.id) : chosen.delete(job.id); app.refresh(); } })),
    h("td", { class: "wide" }, stateOf(job)),
    h("td", { class: "id" }, jobLink(job.id)),
    h("td", { class: "command" }, h("code", { title: commandOf(job).slice(0, 2000) }, commandOf(job).slice(0, 400)), h("span", { class: "quiet" }, visible(job.last_error || ""))),
    h("td", { class: "wide" }, visible(job.queue)),
    h("td", { class: "right wide" }, job.attempts),
    h("td", { class: "tight" }, since(job.finished_at || job.updated_at))));
  const pick = h("input", { type: "checkbox", "aria-label": "Choose all on this page", checked: here.size > 0 && chosen.size === here.size, onchange: (event) => { event.target.checked ? here.forEach((id) => chosen.add(id)) : chosen.clear(); app.refresh(); } });
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
