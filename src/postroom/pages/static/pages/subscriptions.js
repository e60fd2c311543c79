"use strict";
/* The editor of a subscription. Without this, the form is the same and takes a step more. */

let valueField = null;

document.addEventListener("focusin", (event) => {
  if (event.target.matches("[data-pr-values]")) valueField = event.target;
});

/* A value goes where the cursor was last, be it the subject or the text */
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pr-insert]");
  if (!button) return;
  const field = valueField || document.getElementById("f-text");
  field.setRangeText(button.dataset.prInsert, field.selectionStart, field.selectionEnd, "end");
  button.closest("details").open = false;
  field.focus();
  field.dispatchEvent(new Event("input", { bubbles: true }));
});

/* Enter adds a recipient instead of saving */
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.target.id !== "f-add" || !event.target.value.trim()) return;
  event.preventDefault();
  event.target.dispatchEvent(new Event("change", { bubbles: true }));
});

/* Whoever adds several stays in the field */
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target && event.detail.target.id === "recipients" && document.activeElement === document.body) {
    document.getElementById("f-add").focus();
  }
});
