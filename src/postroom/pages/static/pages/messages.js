"use strict";
/* The panel beside the list, and choosing several messages. Without it a click opens the message as a page. */

(() => {
  const WIDE = window.matchMedia("(min-width: 1200px)");
  const frame = one("[data-pr-messages]");
  const panel = one("#panel");
  if (!frame || !panel) return;

  const listAddress = () => {
    const address = new URL(window.location.href);
    address.searchParams.delete("open");
    return address;
  };

  function mark(id) {
    for (const row of all(".pr-message-table tr[aria-current]")) row.removeAttribute("aria-current");
    const row = id && one(`#row-${CSS.escape(id)}`);
    if (row) row.setAttribute("aria-current", "true");
  }

  async function open(link) {
    const id = link.dataset.prOpen;
    const address = listAddress();
    address.searchParams.set("open", id);
    const back = `${address.pathname}${address.search}`;
    await htmx.ajax("GET", `${link.getAttribute("href")}/panel?back=${encodeURIComponent(back)}`, { target: "#panel", swap: "innerHTML" });
    if (!one(`#message-${CSS.escape(id)}`)) {
      window.location.assign(link.href);
      return;
    }
    frame.classList.add("pr-with-panel");
    mark(id);
    window.history.pushState({ prPanel: id }, "", back);
    panel.scrollTop = 0;
    one("#panel-title", panel).focus({ preventScroll: true });
  }

  function close() {
    const shown = one("[id^='message-']", panel);
    const row = shown && one(`#row-${CSS.escape(shown.id.slice("message-".length))} a`);
    panel.replaceChildren();
    frame.classList.remove("pr-with-panel");
    mark("");
    window.history.pushState({}, "", listAddress());
    if (row) row.focus();
  }

  document.addEventListener("click", (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.shiftKey && !event.altKey && event.button === 0;
    const link = event.target.closest("[data-pr-open]");
    if (link && plain && WIDE.matches) {
      event.preventDefault();
      open(link);
    } else if (event.target.closest("[data-pr-close-panel]") && plain) {
      event.preventDefault();
      close();
    }
  });

  document.addEventListener("keydown", (event) => {
    const elsewhere = event.target.closest("input, textarea, select, details.pr-menu[open]");
    if (event.key === "Escape" && panel.childElementCount && !elsewhere) close();
  });

  window.addEventListener("popstate", () => window.location.reload());

  /* Choosing */
  const form = one("[data-pr-bulk]");
  if (!form || !one("[data-pr-bulk-bar]", form)) return;
  const every = one("[data-pr-all]", form);
  const said = one("[data-pr-picked]", form);
  const boxes = all('input[name="m"]', form);
  if (every) {
    every.hidden = false;
    every.addEventListener("change", () => {
      for (const box of boxes) box.checked = every.checked;
      tell();
    });
  }
  function tell() {
    const number = boxes.filter((box) => box.checked).length;
    said.textContent = number === 1 ? said.dataset.prPickedOne : said.dataset.prPickedMany.replace("…", String(number));
    if (every) {
      every.checked = number === boxes.length;
      every.indeterminate = number > 0 && number < boxes.length;
    }
  }
  form.addEventListener("change", tell);
})();
