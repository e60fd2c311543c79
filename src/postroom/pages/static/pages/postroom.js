"use strict";
/* Small behaviours of the pages. Everything works without them except following a test while it runs. */

const one = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
/* Words that scripts show come from the page, which knows the language */
const said = (name) => document.body.getAttribute(`data-pr-word-${name}`) || "";

/* Focus after a refused form or a finished test */
function focusFirst() {
  const target = one("[data-pr-focus]");
  if (target) target.focus();
}

/* Menus close on Escape and when focus or pointer leaves them */
function closeMenus(except) {
  for (const menu of all("details.pr-menu[open]")) if (menu !== except) menu.open = false;
}

function showMenu(open) {
  document.body.classList.toggle("pr-menu-open", open);
  const button = one("[data-pr-menu]");
  if (button) button.setAttribute("aria-expanded", String(open));
  if (open) one("#sidebar a").focus();
}

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest("details.pr-menu"));
  if (event.target.closest("[data-pr-menu]")) {
    showMenu(!document.body.classList.contains("pr-menu-open"));
  } else if (!event.target.closest("#sidebar")) {
    document.body.classList.remove("pr-menu-open");
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const menu = one("details.pr-menu[open]");
    closeMenus();
    if (menu) one("summary", menu).focus();
    if (document.body.classList.contains("pr-menu-open")) {
      showMenu(false);
      one("[data-pr-menu]").focus();
    }
    document.body.classList.remove("pr-finding");
  }
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
  if (event.key === "/" && plain && !typing && document.body.hasAttribute("data-pr-shortcuts")) {
    event.preventDefault();
    one("#find").focus();
  }
});

/* Copying */
async function copyText(text, button) {
  const label = one("span", button);
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = said("copied");
  } catch {
    label.textContent = said("not-copied");
  }
  setTimeout(() => { label.textContent = before; }, 3000);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const data = button.dataset;
  if (data.prCopyFrom) copyText(one(`#${data.prCopyFrom}`).textContent, button);
  if (data.prCopy) copyText(await (await fetch(data.prCopy)).text(), button);
  if ("prDismiss" in data) button.closest("[data-pr-toast]").remove();
  if ("prFind" in data) {
    document.body.classList.add("pr-finding");
    one("#find").focus();
  }
  if (data.prShow) {
    const field = one(`#${data.prShow}`);
    const shows = field.type === "password";
    field.type = shows ? "text" : "password";
    const label = one("span", button);
    label.dataset.prShown ??= label.textContent;
    label.textContent = shows ? said("hide") : label.dataset.prShown;
  }
  if ("prClose" in data) button.closest("dialog").close();
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.prConfirm;
  if (question && !window.confirm(question)) event.preventDefault();
  if (event.defaultPrevented) return;
  /* A double click sends no second test mail and makes no second token; a moment later the form may be sent again */
  if (event.target.dataset.prSent) event.preventDefault();
  event.target.dataset.prSent = "yes";
  setTimeout(() => delete event.target.dataset.prSent, 2000);
});

/* Toasts go after six seconds unless they are errors or somebody looks at them */
function startToast(toast) {
  if (toast.dataset.prToast === "error") return;
  let timer = setTimeout(() => toast.remove(), 6000);
  const stay = () => clearTimeout(timer);
  const go = () => { timer = setTimeout(() => toast.remove(), 6000); };
  toast.addEventListener("pointerenter", stay);
  toast.addEventListener("pointerleave", go);
  toast.addEventListener("focusin", stay);
  toast.addEventListener("focusout", go);
}

/* First run: zone of the browser */
function fillZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const clock = one("[data-pr-zone-clock]");
  if (clock) clock.textContent = `${zone}, ${new Date().toTimeString().slice(0, 5)}`;
  const select = one("[data-pr-zone]");
  const option = select && [...select.options].find((each) => each.value === zone);
  if (option) {
    option.selected = true;
    option.textContent = select.dataset.prZone.replace("…", zone);
  }
}

/* What has the focus is never behind the bar at the bottom: browsers keep scroll-padding only when they scroll anyway */
document.addEventListener("focusin", (event) => {
  const bar = one(".pr-bar");
  if (!bar || bar.contains(event.target)) return;
  const target = event.target.closest("label") || event.target;
  const behind = target.getBoundingClientRect().bottom + 12 - bar.getBoundingClientRect().top;
  if (behind > 0 && target.offsetHeight < bar.getBoundingClientRect().top) window.scrollBy({ top: behind, behavior: "instant" });
});

/* "Show cause and fix" above the servers and "Test mode" in the menu of a subscription open what they lead to */
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#server-"], a[href="#test-mode"]');
  const fold = link && one(`${link.getAttribute("href")} details:not(.pr-menu)`);
  if (fold) { closeMenus(null); fold.open = true; }
});

document.addEventListener("DOMContentLoaded", () => {
  for (const fold of all("[data-pr-folds-on-phone]")) fold.open = window.matchMedia("(min-width: 768px)").matches;
  focusFirst();
  fillZone();
  all("[data-pr-toast]").forEach(startToast);
  for (const button of all("[data-pr-show]")) button.hidden = false;
});
