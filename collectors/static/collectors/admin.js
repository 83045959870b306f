// Copies what a button's data-copy names to the clipboard. Without a secure context the browser has no clipboard to write to:
// then the text is selected, so that the keyboard can copy it.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const word = button.querySelector("[data-copy-word]");
  let copied = false;
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(source.textContent);
      copied = true;
    } catch {
      copied = false;
    }
  }
  if (!copied) {
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
  word.textContent = copied ? button.dataset.copied : button.dataset.selected;
});

// A second click must not ask for the same thing again while the first is on its way.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "1";
});

// A page that the browser brings back from its memory may be sent again.
window.addEventListener("pageshow", () => {
  document.querySelectorAll("[data-once]").forEach((form) => delete form.dataset.sent);
});
