// The dashboard's page. It draws what /api says and sends what is asked; it knows no rule of the queue.
// Whatever came from a job is set as text, never as markup, with its control characters made visible.

import { deadPage } from "./dead.js";
import { h, morphInside } from "./elements.js";
import { jobPage } from "./job.js";
import { jobsPage } from "./jobs.js";
import { newPage } from "./new.js";
import { showOutputs } from "./output.js";
import { overviewPage } from "./overview.js";
import { route, takeToken } from "./route.js";
import { trouble } from "./said.js";
import { Refused, ask, query } from "./server.js";
import { EVERY_MS, FEED, SLOWEST_MS, app, chosen, element } from "./state.js";
import { visible } from "./text.js";

const PAGES = { overview: overviewPage, jobs: jobsPage, job: jobPage, dead: deadPage, new: newPage };

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

app.refresh = refresh;
app.look = look;
takeToken();
look();
