"use strict";
/* Following a test: what has ended is said once, focus goes to the failed stage, the open log stays open and follows. */

const saidStages = new Set();

function sayEnded(aloud) {
  for (const stage of document.querySelectorAll("[data-pr-said]")) {
    if (saidStages.has(stage.dataset.prStage)) continue;
    saidStages.add(stage.dataset.prStage);
    if (!aloud) continue;
    const sentence = document.createElement("p");
    sentence.textContent = stage.dataset.prSaid;
    document.getElementById("said").append(sentence);
  }
}

function sayResult(status) {
  const heading = document.getElementById("failed-stage") || document.getElementById("h-test");
  if (status === "failed") document.getElementById("alarm").textContent = `Test failed. ${heading.textContent}`;
  if (status === "passed") {
    const sentence = document.createElement("p");
    sentence.textContent = heading.textContent;
    document.getElementById("said").append(sentence);
  }
  if (status === "failed" || status === "passed") {
    heading.focus({ preventScroll: status === "passed" });
  }
}

let logWasOpen = null;

document.addEventListener("DOMContentLoaded", () => {
  const work = document.getElementById("work");
  if (!work) return;
  sayEnded(false);
  if (work.dataset.prTest === "failed") {
    const heading = document.getElementById("failed-stage");
    if (heading) heading.focus({ preventScroll: true });
  }
});

document.addEventListener("htmx:beforeSwap", () => {
  const fold = document.getElementById("log-fold");
  logWasOpen = fold ? fold.open : null;
});

document.addEventListener("htmx:afterSwap", () => {
  const work = document.getElementById("work");
  const fold = document.getElementById("log-fold");
  const status = work.dataset.prTest;
  const isOver = ["passed", "failed", "stopped"].includes(status);
  if (fold && logWasOpen !== null && !isOver) fold.open = logWasOpen;
  sayEnded(true);
  if (isOver) sayResult(status);
});

/* A link to the log opens it. */
document.addEventListener("click", (event) => {
  if (event.target.closest('a[href="#log"]')) document.getElementById("log-fold").open = true;
});
