// Elements made and compared: what was drawn afresh is put in the place of what is shown.

export function h(tag, about, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(about || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on") || name === "checked") made[name] = value;
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...inside.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return made;
}

const keyOf = (node) => (node.nodeType === 1 ? node.dataset.key : undefined);

// Makes what is shown equal to what was drawn afresh, touching only what differs: focus, selection,
// what was typed and what was unfolded stay.
function morph(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (name !== "open" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const name of ["onclick", "onsubmit", "onchange", "oninput", "ontoggle"]) old[name] = fresh[name];
  if (old.type === "checkbox") old.checked = fresh.checked;
  if (!("kept" in old.dataset)) morphInside(old, fresh);
}

export function morphInside(old, fresh) {
  const wanted = new Set([...fresh.childNodes].map(keyOf));
  const known = new Map();
  for (const child of [...old.childNodes]) {
    const key = keyOf(child);
    if (key === undefined) continue;
    if (wanted.has(key)) known.set(key, child);
    else child.remove();
  }
  let at = old.firstChild;
  for (const child of [...fresh.childNodes]) {
    const key = keyOf(child);
    const same = key !== undefined ? known.get(key) : at && keyOf(at) === undefined && at.nodeName === child.nodeName ? at : null;
    if (!same) old.insertBefore(child, at);
    else {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      morph(same, child);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}
