"use strict";
/* The calendar's keys, and what works only with script. Filters work without. */

(() => {
  const days = (table) => all("td > a", table);

  /* One day takes the focus; arrows move it through the days that have something, Page Up and Page Down between months */
  function rove(table) {
    const chosen = one('a[aria-current="date"]', table) || days(table).at(-1);
    for (const day of days(table)) day.tabIndex = day === chosen ? 0 : -1;
  }

  function nextInColumn(table, day, step) {
    const rows = all("tbody tr", table);
    const column = day.closest("td").cellIndex;
    for (let at = rows.indexOf(day.closest("tr")) + step; rows[at]; at += step) {
      const found = one("a", rows[at].cells[column]);
      if (found) return found;
    }
    return null;
  }

  function target(table, day, key) {
    const list = days(table);
    const at = list.indexOf(day);
    switch (key) {
      case "ArrowLeft": return list[at - 1];
      case "ArrowRight": return list[at + 1];
      case "ArrowUp": return nextInColumn(table, day, -1);
      case "ArrowDown": return nextInColumn(table, day, 1);
      case "Home": return list[0];
      case "End": return list.at(-1);
      default: return undefined;
    }
  }

  document.addEventListener("keydown", (event) => {
    const table = event.target.closest("[data-pr-calendar]");
    const day = event.target.closest("td > a");
    if (!table || !day || event.ctrlKey || event.metaKey || event.altKey) return;
    const month = { PageUp: "[data-pr-earlier]", PageDown: "[data-pr-later]" }[event.key];
    const found = target(table, day, event.key);
    if (month && one(month)) {
      event.preventDefault();
      one(month).click();
    } else if (found !== undefined) {
      event.preventDefault();
      if (!found) return;
      day.tabIndex = -1;
      found.tabIndex = 0;
      found.focus();
    }
  });

  function ready() {
    for (const part of all("[data-pr-needs-script]")) part.hidden = false;
    all("[data-pr-calendar]").forEach(rove);
  }

  document.addEventListener("DOMContentLoaded", ready);
  document.addEventListener("htmx:afterSettle", ready);
})();
