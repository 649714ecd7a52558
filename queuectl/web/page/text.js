// Text of others made visible; sizes, durations and moments as people read them.

import { h } from "./elements.js";
import { app } from "./state.js";

const CONTROL = /\x1b\[[0-9;:?<=>]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

export function shown(found) {
  return [...found].map((char) => {
    const code = char.codePointAt(0);
    if (code >= 0x20 && code < 0x7f) return char;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  }).join("");
}

export function visible(text) {
  return String(text).replaceAll("\n", "\\n").replaceAll("\t", "\\t").replace(CONTROL, shown);
}

export function appendVisible(parent, text) {
  let from = 0;
  for (const found of text.replaceAll("\r\n", "\n").matchAll(CONTROL)) {
    if (found.index > from) parent.append(found.input.slice(from, found.index));
    parent.append(h("span", { class: "ctl" }, shown(found[0])));
    from = found.index + found[0].length;
  }
  parent.append(text.replaceAll("\r\n", "\n").slice(from));
}

export function commandOf(job) {
  if (typeof job.command === "string") return visible(job.command);
  return visible(job.command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" "));
}

export function length(ms) {
  const s = Math.abs(ms) / 1000;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.floor(s)} s`;
  for (const [unit, size, less, part] of [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]]) {
    if (s >= size) return `${Math.floor(s / size)} ${unit}` + (Math.floor((s % size) / part) ? ` ${Math.floor((s % size) / part)} ${less}` : "");
  }
  return "";
}

const roughly = (ms) => length(Math.floor(ms / 1000) * 1000).replace(".0", "").replace(/^(\d+ \w+) .*/, "$1");
export const bytes = (count) => (count < 1024 ? `${count} B` : count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`);
export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
export const now = () => Date.now() + app.skewMs;

export function clockTime(iso) {
  const at = new Date(iso);
  const day = at.toDateString() === new Date(now()).toDateString() ? "" : at.toLocaleDateString("sv") + " ";
  return day + at.toLocaleTimeString("sv");
}

export function since(iso) {
  if (!iso) return "";
  const ms = now() - Date.parse(iso);
  const text = ms < -999 ? `in ${roughly(-ms)}` : Math.abs(ms) < 1000 ? "now" : `${roughly(ms)} ago`;
  return h("time", { datetime: iso, title: `${clockTime(iso)} (${iso})` }, text);
}
