// A form that enqueues a job.

import { h } from "./elements.js";
import { linkTo } from "./route.js";
import { say, tellError } from "./said.js";
import { ask } from "./server.js";
import { app } from "./state.js";
import { visible } from "./text.js";

export async function newPage() {
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
      field("unique", "Unique key", { hint: "nothing is enqueued where a job holds it" }),
      field("unique_for", "Held for, in any case", { hint: "90s, 5m, 1h30m" }),
      field("labels", "Labels, key=value a line", { lines: 2, whole: true, mono: true }),
      field("meta", "Meta, a JSON object", { whole: true, mono: true }),
      field("env", "Environment, NAME=value a line", { lines: 2, whole: true, mono: true }),
      field("reason", "Reason, kept in the log", { whole: true }),
      h("div", { class: "whole buttons" }, h("button", { class: "main", type: "submit" }, "Enqueue"))),
  ];
}

function numberIn(text) {
  return /^-?[0-9]{1,15}$/.test(text) ? Number(text) : text; // what is no number is refused by the server, by name
}

function pairsIn(text) {
  return Object.fromEntries(text.split("\n").filter((line) => line.trim()).map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line.trim(), null] : [line.slice(0, at).trim(), line.slice(at + 1).replace(/\r$/, "")];
  }));
}

function jsonIn(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text; // which is no object: refused by name as well
  }
}

async function enqueue(form) {
  const body = {};
  for (const [name, value] of new FormData(form)) {
    const text = name === "command" ? value.replaceAll("\r\n", "\n") : value.trim();
    if (!text) continue;
    body[name] = ["priority", "max_retries"].includes(name) ? numberIn(text) : text;
  }
  if (body.env) body.env = pairsIn(body.env);
  if (body.labels) body.labels = pairsIn(body.labels);
  if (body.meta) body.meta = jsonIn(body.meta);
  const button = form.querySelector("button[type=submit]");
  button.disabled = true; // twice pressed is not twice enqueued
  try {
    const job = await ask("api/jobs", { body });
    say(`${job.existing ? "Exists" : "Enqueued"} ${visible(job.id)}`);
    location.hash = linkTo(job.id);
  } catch (error) {
    tellError(error);
  } finally {
    button.disabled = false;
  }
}
