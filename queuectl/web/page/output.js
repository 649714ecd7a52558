// What runs printed, read on while they print.

import { h } from "./elements.js";
import { tellError } from "./said.js";
import { Refused, ask, pathOf, query } from "./server.js";
import { KEPT_CHARS, TAIL_BYTES, app } from "./state.js";
import { appendVisible, bytes, since, visible } from "./text.js";

export function runDetails(job, run, isOpen) {
  const name = run.run === run.attempt ? `Attempt ${run.attempt}` : `Run ${run.run}, attempt ${run.attempt}`;
  const about = { class: "output", "data-kept": "", "data-key": "pre", "data-run": run.run, tabindex: "0", "aria-label": `Output of ${name.toLowerCase()}` };
  return h("details", { "data-key": `run-${job.id}-${run.run}`, open: isOpen, ontoggle: () => showOutputs(job.id) },
    h("summary", null, h("b", null, name), " ", h("span", { class: run.state === "released" ? "quiet" : run.state }, visible(run.summary)), h("span", { class: "quiet" }, ", ", since(run.started_at), " by ", visible(run.worker_id)), run.output_error ? h("span", { class: "failed" }, ", not all of its output kept: ", visible(run.output_error)) : ""),
    h("div", { class: "outbar", "data-kept": "", "data-key": "bar", hidden: true }),
    h("pre", about));
}

export async function showOutputs(id) {
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
