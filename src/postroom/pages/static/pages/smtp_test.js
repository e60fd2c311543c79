"use strict";
/* Following a test: what has ended is said once, focus goes to the failed stage, the open log stays open and follows. */

const saidStages = new Set();
const LOST_AFTER = 2;
let failedPolls = 0;
let logWasOpen = null;
let focusWas = "";

function say(text) {
  const sentence = document.createElement("p");
  sentence.textContent = text;
  document.getElementById("said").append(sentence);
}

function sayEnded(aloud) {
  for (const stage of document.querySelectorAll("[data-pr-said]")) {
    if (saidStages.has(stage.dataset.prStage)) continue;
    saidStages.add(stage.dataset.prStage);
    if (aloud) say(stage.dataset.prSaid);
  }
}

function headingOf(status) {
  return (status === "failed" && document.getElementById("failed-stage")) || document.getElementById("h-test");
}

function sayResult(status) {
  const heading = headingOf(status);
  const alarm = document.getElementById("alarm");
  const text = heading.textContent.trim().replace(/\s+/g, " ");
  if (status === "failed") alarm.textContent = `${alarm.dataset.prFailed} ${text}`;
  else say(text);
  heading.focus({ preventScroll: status !== "failed" });
}

/* While a stage runs its time goes on; the server's figure replaces it when the stage has ended. */
let ticking = { stage: "", since: 0 };
let elapsed = { shown: null, since: 0 };
function tickElapsed() {
  const shown = document.querySelector("[data-pr-elapsed]");
  if (!shown) return;
  if (elapsed.shown !== shown) {
    const before = Number(shown.closest("[data-pr-began]").dataset.prBegan);
    elapsed = { shown, since: performance.now() - 1000 * before };
  }
  const digits = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
  shown.textContent = ((performance.now() - elapsed.since) / 1000).toLocaleString(document.documentElement.lang, digits);
}

function tick() {
  tickElapsed();
  const shown = document.querySelector("[data-pr-ticks]");
  if (!shown) return;
  const stage = shown.closest("[data-pr-stage]").dataset.prStage;
  if (ticking.stage !== stage) ticking = { stage, since: performance.now() };
  const ms = Math.round((performance.now() - ticking.since) / 100) * 100;
  shown.textContent = `${ms.toLocaleString(document.documentElement.lang)} ms`;
  const bar = shown.parentElement.querySelector(".pr-tbar rect");
  if (bar) bar.setAttribute("width", Math.max(2, Math.min(200 - bar.getAttribute("x"), ms / shown.dataset.prTicks)));
}

/* On phones the stages that were not reached fold into one line. */
function foldRest() {
  const rest = document.querySelector("[data-pr-rest]");
  if (!rest) return;
  rest.hidden = false;
  document.getElementById("stages").classList.add("pr-short");
}

function showLost(lost) {
  document.querySelector("#lost > .pr-note").hidden = !lost;
}

function countPoll(failed) {
  failedPolls = failed ? failedPolls + 1 : 0;
  showLost(failedPolls >= LOST_AFTER);
}

document.addEventListener("DOMContentLoaded", () => {
  const work = document.getElementById("work");
  if (!work) return;
  sayEnded(false);
  foldRest();
  const entered = work.querySelector("[aria-invalid]");
  const failed = work.dataset.prTest === "failed" && document.getElementById("failed-stage");
  if (entered) entered.focus();
  else if (failed) failed.focus({ preventScroll: true });
  setInterval(tick, 100);
});

const isPoll = (event) => event.detail.elt && event.detail.elt.id === "work";
for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) {
  document.addEventListener(name, (event) => { if (isPoll(event)) countPoll(true); });
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (isPoll(event) && event.detail.successful) countPoll(false);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "work") return;
  const fold = document.getElementById("log-fold");
  logWasOpen = fold ? fold.open : null;
  focusWas = document.activeElement ? document.activeElement.id : "";
});

document.addEventListener("htmx:afterSwap", (event) => {
  const work = document.getElementById("work");
  if (!work || event.detail.target.id !== "work") return;
  countPoll(false);
  const fold = document.getElementById("log-fold");
  const status = work.dataset.prTest;
  const isOver = ["passed", "failed", "stopped"].includes(status);
  if (fold && logWasOpen !== null && !isOver) fold.open = logWasOpen;
  const kept = focusWas && document.getElementById(focusWas);
  if (kept && !isOver) kept.focus({ preventScroll: true });
  tick();
  foldRest();
  sayEnded(true);
  if (isOver) sayResult(status);
});

document.addEventListener("click", (event) => {
  /* A link to the log opens it. */
  if (event.target.closest('a[href="#log"]')) document.getElementById("log-fold").open = true;
  const rest = event.target.closest("[data-pr-rest]");
  if (rest) {
    const short = document.getElementById("stages").classList.toggle("pr-short");
    rest.setAttribute("aria-expanded", String(!short));
  }
});
