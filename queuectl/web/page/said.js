// What is said to the user and asked of the user.

import { h } from "./elements.js";
import { Refused } from "./server.js";
import { app, element } from "./state.js";
import { shown, visible } from "./text.js";

let saidTimer = 0;

export function say(text, isBad = false) {
  const said = element("said");
  said.textContent = text;
  said.classList.toggle("bad", isBad);
  clearTimeout(saidTimer);
  saidTimer = setTimeout(() => { said.textContent = ""; }, isBad ? 12000 : 5000);
}

export function tellError(error) {
  if (error instanceof Refused && error.status === 401) {
    trouble(error);
    return;
  }
  say(error instanceof Refused ? visible(error.message) : "The server does not answer; whether this was done is not known. Look when it is back.", true);
}

export function confirm(title, text, word, act) {
  element("ask-title").textContent = title;
  element("ask-text").textContent = text;
  element("ask-yes").textContent = word;
  element("ask-reason").value = "";
  element("ask-form").onsubmit = async (event) => {
    event.preventDefault();
    element("ask").close();
    try {
      await act(element("ask-reason").value.trim() || null);
    } catch (error) {
      tellError(error);
    }
    app.refresh();
  };
  element("ask-no").onclick = () => element("ask").close();
  element("ask").showModal();
  element("ask-reason").focus();
}

export function trouble(error) {
  const box = element("trouble");
  const isToken = error instanceof Refused && error.status === 401;
  if (isToken && !box.querySelector("input")) {
    box.replaceChildren(h("form", { class: "bar", onsubmit: (event) => {
      event.preventDefault();
      app.token = new FormData(event.currentTarget).get("token").trim();
      try { localStorage.setItem("queuectl-token", app.token); } catch { /* kept for this page only */ }
      app.look();
    } }, h("label", null, "This dashboard asks for its token, which queuectl dashboard printed", h("input", { name: "token", type: "password", autocomplete: "off" })), h("button", { type: "submit" }, "Go on")));
  } else if (!isToken) {
    box.textContent = error instanceof Refused ? `The server says: ${visible(error.message)}. Trying again…` : "The dashboard's server does not answer; what is shown may be old. Trying again…";
  }
  box.hidden = false;
}
