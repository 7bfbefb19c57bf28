// Keeps every element with data-live="milliseconds" as the server would render it now.
"use strict";

const stale = document.getElementById("stale");
const form = document.querySelector("[data-live-form]");
let typed = 0;

async function refresh(section) {
  const asked = typed;
  const answer = await fetch(section.dataset.liveFrom ?? location.href, { headers: { Accept: "text/html" } });
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

function isTyping(section) {
  return section.contains(document.activeElement) && document.activeElement.matches("input");
}

function isSelecting(section) {
  const selection = getSelection();
  return !selection.isCollapsed && section.contains(selection.anchorNode);
}

async function keep(section) {
  // A page in the background is left alone, but for what is to be told of.
  const isWanted = !document.hidden || section.id === "alert-bar";
  if (isWanted && !isSelecting(section) && !isTyping(section)) {
    try {
      await refresh(section);
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  }
  setTimeout(keep, Number(section.dataset.live), section);
}

// A browser that was allowed to tells of findings that came since the page was opened.
let waiting = Number(document.querySelector("[data-waiting]")?.dataset.waiting ?? 0);
const bar = document.getElementById("alert-bar");
if (bar !== null) {
  new MutationObserver(() => {
    const now = Number(bar.querySelector("[data-waiting]")?.dataset.waiting ?? 0);
    if (now > waiting && "Notification" in window && Notification.permission === "granted") {
      const shown = new Notification("Sightline", {
        body: `${now} time-critical finding${now === 1 ? "" : "s"} to acknowledge`,
        tag: "sightline-alerts",
        renotify: true,
      });
      shown.onclick = () => { focus(); location.href = "/alerts"; };
    }
    waiting = now;
  }).observe(bar, { childList: true });
}

const notify = document.getElementById("notify");
if (notify !== null && "Notification" in window && Notification.permission === "default") {
  notify.hidden = false;
  notify.addEventListener("click", async () => {
    await Notification.requestPermission();
    notify.hidden = true;
  });
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
