// Keeps every element with data-live="milliseconds" as the server would render it now.
"use strict";

const stale = document.getElementById("stale");
const form = document.querySelector("[data-live-form]");
let typed = 0;

async function refresh(section) {
  const asked = typed;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(section.id);
  // What was asked before the last key was pressed is out of date.
  if (asked !== typed || fresh === null || fresh.innerHTML === section.innerHTML) return;
  const focused = section.contains(document.activeElement)
    ? document.activeElement.getAttribute("href")
    : null;
  section.replaceChildren(...fresh.childNodes);
  if (focused !== null) section.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus();
  showTitle(section);
}

function showTitle(section) {
  const title = section.querySelector("[data-title]");
  if (title !== null) document.title = title.dataset.title;
}

function isSelecting(section) {
  const selection = getSelection();
  return !selection.isCollapsed && section.contains(selection.anchorNode);
}

async function keep(section) {
  if (!document.hidden && !isSelecting(section)) {
    try {
      await refresh(section);
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }
  setTimeout(keep, Number(section.dataset.live), section);
}

for (const section of document.querySelectorAll("[data-live]")) {
  showTitle(section);
  setTimeout(keep, Number(section.dataset.live), section);
}

if (form !== null) {
  const section = document.getElementById(form.dataset.liveForm);
  form.addEventListener("input", () => {
    typed += 1;
    const query = new URLSearchParams(new FormData(form));
    history.replaceState(null, "", `?${query}`);
    refresh(section).catch(() => (stale.hidden = false));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target === document.body) {
      event.preventDefault();
      form.querySelector("[type=search]").focus();
    }
  });
}
