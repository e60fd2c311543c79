"use strict";
/* Enter in the field Detect detects, and does not send the form that it stands in. */

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
