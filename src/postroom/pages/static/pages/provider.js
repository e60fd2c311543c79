"use strict";
/* Providers of the form Configure SMTP server: a choice fills in what nobody typed, an address the other address. */

function startProviders(form) {
  const card = form.querySelector("[data-pr-providers]");
  const tiles = [...card.querySelectorAll("input[type=radio]")];
  const more = card.querySelector("select[name=more]");
  const byHand = new Set(JSON.parse(form.dataset.prTyped || "[]"));

  form.addEventListener("input", (event) => {
    if (event.detail === "filled" || card.contains(event.target)) return;
    if (event.target.value) byHand.add(event.target.name);
    else byHand.delete(event.target.name);
  });

  function enter(name, value) {
    const field = form.elements[name];
    if (byHand.has(name)) return;
    if (field instanceof RadioNodeList) [...field].forEach((each) => { each.checked = each.value === value; });
    else if (field.value === value) return;
    else field.value = value;
    const one = field instanceof RadioNodeList ? [...field].find((each) => each.checked) : field;
    one.dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "filled" }));
    one.dispatchEvent(new CustomEvent("change", { bubbles: true, detail: "filled" }));
  }

  const told = () => form.querySelector("[data-pr-chosen]");
  const isAddress = (text) => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text);

  function fillIn() {
    const chosen = told();
    if (!chosen.dataset.prFill) return;
    const { port, ...rest } = JSON.parse(chosen.dataset.prFill);
    for (const [name, value] of Object.entries(rest)) enter(name, value);
    enter("port", port);
    document.getElementById("h-username").textContent = chosen.dataset.prUsernameHint;
    const words = chosen.dataset.prPasswordHint;
    document.getElementById("h-password-form").textContent = words && `${words}.`;
    takeAddress();
  }

  /* The address that was typed for the one is the other's, too, where the provider asks for the address. */
  function takeAddress() {
    const username = form.elements.username.value.trim();
    const from = form.elements.from_address.value.trim();
    if (isAddress(username) && !from) enter("from_address", username);
    else if (told().dataset.prAsks === "address" && isAddress(from) && !username) enter("username", from);
  }
  form.elements.username.addEventListener("change", takeAddress);
  form.elements.from_address.addEventListener("change", takeAddress);

  /* A server of one's own is called as its host until it gets a name. */
  let ownName = "";
  form.elements.host.addEventListener("change", (event) => {
    const name = form.elements.name;
    if (event.detail === "filled" || (name.value && name.value !== ownName)) return;
    ownName = form.elements.host.value.trim();
    enter("name", ownName);
  });

  card.addEventListener("change", (event) => {
    if (event.target === more) tiles.forEach((tile) => { tile.checked = tile.value === more.value; });
    else if (tiles.includes(event.target)) more.value = "";
  }, true);

  card.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !tiles.includes(event.target)) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.target.checked) event.target.click();
  });

  /* What was found for an address is chosen on request, and the address is the one to send from. */
  function chooseFound(slug) {
    const address = form.querySelector("[data-pr-detect] input").value.trim();
    const tile = tiles.find((each) => each.value === slug);
    const option = [...more.options].find((each) => each.value === slug);
    if (!tile && !option) return false;
    if (isAddress(address) && !form.elements.from_address.value) enter("from_address", address);
    if (tile) tile.checked = true;
    else more.value = slug;
    (tile || more).dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "provider-chosen") fillIn();
  });

  card.addEventListener("click", (event) => {
    const found = event.target.closest("[data-pr-use-provider]");
    if (found && chooseFound(found.dataset.prUseProvider)) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pr-limits]");
    if (!button) return;
    event.preventDefault();
    for (const [name, value] of Object.entries(JSON.parse(button.dataset.prLimits))) {
      form.elements[name].value = value;
      form.elements[name].dispatchEvent(new CustomEvent("input", { bubbles: true, detail: "filled" }));
    }
    form.querySelector("[data-pr-advanced-fold]").open = true;
    const said = document.querySelector("[data-pr-limits-said]");
    said.textContent = said.dataset.prWord;
  });
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("[data-pr-server-form]");
  if (form) startProviders(form);
});
