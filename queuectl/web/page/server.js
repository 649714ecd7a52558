// What is asked of the server, and how it refuses.

import { app } from "./state.js";

export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export async function ask(path, { body, tag } = {}) {
  const headers = {};
  if (app.token) headers.Authorization = `Bearer ${app.token}`;
  if (tag) headers["If-None-Match"] = tag;
  const request = { headers, cache: "no-store", signal: AbortSignal.timeout(15000) };
  if (body !== undefined) {
    Object.assign(request, { method: "POST", body: JSON.stringify(body) });
    Object.assign(headers, { "Content-Type": "application/json", "X-Queuectl": "page" });
  }
  const answer = await fetch(path, request);
  if (answer.status === 304) return null;
  let found = null;
  try {
    found = await answer.json();
  } catch {
    throw new Refused(answer.status, `the server answered ${answer.status}`);
  }
  if (!answer.ok) throw new Refused(answer.status, found.error || `the server answered ${answer.status}`);
  return found;
}

export const pathOf = (id) => `api/jobs/${encodeURIComponent(id)}`;
export const query = (about) => new URLSearchParams(Object.entries(about).filter(([, value]) => value)).toString();
