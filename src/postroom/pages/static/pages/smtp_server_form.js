"use strict";
/* The form Configure SMTP server: port beside SSL, sign-in fields, password, preview, suggestions. */

function startServerForm(form) {
  const port = form.elements.port;
  let portByHand = port.value !== "" && ![...form.elements.security].some((each) => each.dataset.prPort === port.value);

  function tellChange() {
    form.dispatchEvent(new Event("input"));
  }

  function chosenSecurity() {
    return [...form.elements.security].find((each) => each.checked);
  }

  function warnPort() {
    const warning = form.querySelector("[data-pr-port-warning]");
    const usual = [...form.elements.security].find((each) => each.dataset.prPort === port.value.trim());
    const chosen = chosenSecurity();
    const unusual = usual && usual !== chosen && !(usual.value === "none" && chosen.value === "starttls");
    warning.hidden = !unusual;
    if (!unusual) return;
    form.querySelector("[data-pr-port-words]").textContent = usual.dataset.prUsual;
    const fix = form.querySelector("[data-pr-port-fix]");
    fix.hidden = false;
    fix.textContent = usual.dataset.prUse;
    fix.onclick = () => { usual.checked = true; usual.focus(); warnPort(); tellChange(); };
  }

  /* What provider.js fills in is not typed by hand: its events say so. */
  port.addEventListener("input", (event) => { portByHand = event.detail !== "filled" && port.value !== ""; warnPort(); });
  for (const choice of form.elements.security) {
    choice.addEventListener("change", () => {
      if (!portByHand) port.value = choice.dataset.prPort;
      warnPort();
    });
  }

  const signIn = form.querySelector("[data-pr-signin]");
  for (const choice of form.elements.auth) {
    choice.addEventListener("change", () => { signIn.hidden = choice.value === "none"; });
  }

  const advanced = form.querySelector("[data-pr-advanced]");
  advanced.closest("details").addEventListener("input", () => { advanced.textContent = advanced.dataset.prWord; });

  /* Save is for words; whatever a test proves needs one. The server decides the same. */
  const save = form.querySelector("[data-pr-save]");
  const proven = ["from_address", "host", "port", "security", "auth", "username", "password", "ehlo_name", "ca_pem",
    "verify_certificate", "allow_plain_auth"];
  const stateOf = (names) => {
    const data = new FormData(form);
    return JSON.stringify(names.map((name) => data.getAll(name)));
  };
  const words = ["name", "description", "from_name", "subject_prefix", "test_recipient", "from_policy", "uncertain",
    ...[...form.querySelectorAll("#f-limits input")].map((each) => each.name)];
  const destination = ["host", "port", "security", "auth", "username", "ca_pem", "verify_certificate", "allow_plain_auth"];
  const before = { destination: stateOf(destination), proven: stateOf(proven), words: stateOf(words) };
  const judge = () => { save.disabled = stateOf(proven) !== before.proven || stateOf(words) === before.words; };
  if (save) {
    judge();
    form.addEventListener("input", judge);
    form.addEventListener("change", judge);
  }

  /* A stored password stays with its destination: another one asks for it before the test does. */
  const replace = form.querySelector("[data-pr-replace]");
  const showPassword = () => {
    form.querySelector("[data-pr-stored]").hidden = true;
    form.querySelector("[data-pr-new]").hidden = false;
  };
  const judgeDestination = () => {
    if (stateOf(destination) === before.destination) return;
    if (replace) showPassword();
    form.querySelector("[data-pr-keep]").hidden = true;
    form.querySelector("[data-pr-moved]").hidden = false;
  };
  if (replace) replace.addEventListener("click", () => { showPassword(); form.elements.password.focus(); });
  if (form.querySelector("[data-pr-keep]")) form.addEventListener("input", judgeDestination);

  const verify = form.querySelector("[data-pr-verify]");
  verify.addEventListener("change", () => { form.querySelector("[data-pr-verify-warning]").hidden = verify.checked; });

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pr-suggest]");
    if (button) {
      const values = JSON.parse(button.dataset.prSuggest);
      for (const [name, value] of Object.entries(values)) form.elements[name].value = value;
      button.remove();
      form.elements[Object.keys(values)[0]].focus();
      warnPort();
      tellChange();
    }
    const ask = event.target.closest("[data-pr-ask]");
    if (ask) {
      event.preventDefault();
      document.getElementById(ask.dataset.prAsk).showModal();
    }
  });

  /* Enter in a field runs the live test, not the first button of the document. */
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches("input") && !event.target.closest("dialog")) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("[data-pr-first-submit]"));
    }
  });

  function preview() {
    const value = (name) => form.elements[name].value.trim();
    const words = (name) => document.querySelector(`[data-pr-shows="${name}"][data-pr-empty]`).dataset.prEmpty;
    const from = value("from_name") || value("from_address") || words("from");
    const shown = {
      from, initial: from.slice(0, 1).toUpperCase(), from_name: value("from_name"),
      from_bracketed: value("from_address") ? `<${value("from_address")}>` : "–", test_recipient: value("test_recipient"),
      subject: `${value("subject_prefix")} ${words("subject")}`.trim(),
      proves: words("proves").replace("{name}", value("name")),
    };
    for (const place of document.querySelectorAll("[data-pr-shows]")) place.textContent = shown[place.dataset.prShows];
  }
  form.addEventListener("input", preview);

  const open = form.querySelector("dialog[data-pr-open]");
  if (open) {
    open.showModal();
    form.elements.reason.focus();
  }
  warnPort();
}

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("[data-pr-server-form]");
  if (form) startServerForm(form);
});
