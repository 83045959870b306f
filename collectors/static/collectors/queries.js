// Leaves out of the address what was not chosen, so that links stay short enough to be shared.
"use strict";

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".dbpower-query-form")) return;
  const unset = [...event.target.elements].filter((field) => field.name && field.value === "" && !field.disabled);
  unset.forEach((field) => { field.disabled = true; });
  // The browser has read the form when this runs; a page that it brings back from its memory is whole again.
  setTimeout(() => unset.forEach((field) => { field.disabled = false; }), 0);
});
