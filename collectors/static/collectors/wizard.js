// Shows a form that stands whole in the page one part at a time. Without it, all of it is there and works.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("register-form");
  if (!form) return;
  const pages = [...form.querySelectorAll("[data-wizard-page]")].sort(
    (a, b) => Number(a.dataset.wizardPage) - Number(b.dataset.wizardPage),
  );
  const steps = [...document.querySelectorAll("[data-step]")];
  const back = form.querySelector("[data-wizard-back]");
  const next = form.querySelector("[data-wizard-next]");
  const submit = form.querySelector("[data-wizard-submit]");
  let shown = 0;

  const fieldsOf = (page) => [...page.querySelectorAll("input, select, textarea")];
  const invalid = (page) => fieldsOf(page).find((field) => !field.checkValidity());

  function show(number, focus = true) {
    shown = Math.min(Math.max(number, 0), pages.length - 1);
    pages.forEach((page, index) => {
      page.hidden = index !== shown;
    });
    steps.forEach((step, index) => {
      step.classList.toggle("dbpower-step-done", index < shown);
      if (index === shown) step.setAttribute("aria-current", "step");
      else step.removeAttribute("aria-current");
    });
    back.hidden = shown === 0;
    next.hidden = shown === pages.length - 1;
    submit.hidden = !next.hidden;
    document.body.dispatchEvent(new Event("wizard-shown"));
    if (focus) pages[shown].querySelector("[tabindex='-1']").focus();
  }

  function goOn() {
    const wrong = invalid(pages[shown]);
    if (!wrong) return show(shown + 1);
    const folded = wrong.closest("details");
    if (folded) folded.open = true;
    wrong.reportValidity();
  }

  next.addEventListener("click", goOn);
  back.addEventListener("click", () => show(shown - 1));
  // Enter in a field goes on to the next part; in the last one it registers.
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.target.matches("button, a, textarea, summary") || shown === pages.length - 1) return;
    event.preventDefault();
    goOn();
  });
  form.addEventListener("submit", (event) => {
    const page = pages.findIndex(invalid);
    if (page === -1) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    show(page, false);
    invalid(pages[page]).reportValidity();
  }, { capture: true });

  // The server may have refused something in any part.
  const refused = pages.findIndex((page) => page.hasAttribute("data-refused"));
  show(refused === -1 ? 0 : refused, false);
});
