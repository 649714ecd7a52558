// Where we are: the page in the address, links to others, and the token that came with it.

import { h } from "./elements.js";
import { query } from "./server.js";
import { PAGE_NAMES, app } from "./state.js";
import { visible } from "./text.js";

export function route() {
  const [path, words] = location.hash.replace(/^#\/?/, "").split("?");
  const [page, ...rest] = path.split("/");
  let id = "";
  try {
    id = decodeURIComponent(rest.join("/"));
  } catch {
    id = rest.join("/");
  }
  return { page: PAGE_NAMES.includes(page) ? page : "overview", id, query: Object.fromEntries(new URLSearchParams(words || "")) };
}

export const linkTo = (id) => `#/job/${encodeURIComponent(id)}`;
export const jobLink = (id) => h("a", { href: linkTo(id), class: "mono" }, visible(id));
export const jobsLink = (about) => `#/jobs${query(about) ? "?" + query(about) : ""}`;

export function takeToken() {
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
