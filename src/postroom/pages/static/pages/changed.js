"use strict";
/* Editors: which parts of the form differ from what the page came with, in the bar of actions. */

let begun = null;

function editedForm() {
  const said = document.querySelector("[data-pr-changed]");
  return said ? { said, usual: said.previousElementSibling, form: said.closest("form") } : null;
}

function partsOf(form) {
  const parts = new Map();
  for (const field of form.elements) {
    const part = field.name && !field.closest("aside") && field.closest("details.pr-fold, section");
    const head = part && part.querySelector("h2");
    if (!head || field.type === "submit") continue;
    const isChoice = field.type === "checkbox" || field.type === "radio";
    const value = isChoice && !field.checked ? "" : field.value;
    const title = head.textContent.trim();
    // The name of a language is written as it is.
    const name = head.lang ? title : title[0].toLocaleLowerCase() + title.slice(1);
    parts.set(name, [...(parts.get(name) || []), field.name, value]);
  }
  return new Map([...parts].map(([name, values]) => [name, JSON.stringify(values)]));
}

function sayChanged() {
  const edited = editedForm();
  if (!edited || !begun) return;
  const now = partsOf(edited.form);
  const names = [...now.keys()].filter((name) => now.get(name) !== begun.get(name));
  edited.said.textContent = names.length
    ? `${edited.said.dataset.prChanged} ${names.join(", ")}` : "";
  edited.said.hidden = !names.length;
  edited.usual.hidden = names.length > 0;
}

document.addEventListener("DOMContentLoaded", () => {
  const edited = editedForm();
  if (edited) begun = partsOf(edited.form);
});
for (const happened of ["input", "change", "htmx:afterSettle"]) document.addEventListener(happened, sayChanged);
