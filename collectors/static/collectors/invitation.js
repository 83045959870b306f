// The token of an invitation stands behind the "#" of its link, which no browser sends: so it is in no log. It is handed over
// in the body of a form, and taken out of the address.
"use strict";

function openInvitation() {
  const form = document.getElementById("invitation-open");
  const token = window.location.hash.slice(1);
  if (!form || !token) return;
  window.history.replaceState(null, "", window.location.pathname);
  form.elements.token.value = token;
  form.requestSubmit();
}

window.addEventListener("hashchange", openInvitation);
openInvitation();
