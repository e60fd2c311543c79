"use strict";
/* Enter in the field Detect detects, and does not send the form that it stands in. What was detected is chosen where the
   form offers it, so that nothing that was typed is lost; without a script the link opens the form anew. */

function chooseProvider(slug) {
  const tile = document.querySelector(`input[name="provider"][value="${slug}"]`);
  const more = document.querySelector(`select[name="more"] option[value="${slug}"]`);
  if (tile) {
    tile.checked = true;
    tile.dispatchEvent(new Event("change", { bubbles: true }));
  } else if (more) {
    more.closest("select").value = slug;
    more.closest("select").dispatchEvent(new Event("change", { bubbles: true }));
  }
  return Boolean(tile || more);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-pr-use-provider]");
  if (link && chooseProvider(link.dataset.prUseProvider)) event.preventDefault();
});

document.addEventListener("DOMContentLoaded", () => {
  for (const place of document.querySelectorAll("[data-pr-detect]")) {
    place.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.matches("input")) return;
      event.preventDefault();
      event.stopPropagation();
      place.querySelector("button").click();
    });
  }
});
