// Tells the console in which time zone this browser is, for people who chose none. It counts from the next page on.
"use strict";

(() => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.split("; ").includes(`dbpower_time_zone=${zone}`)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `dbpower_time_zone=${zone}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
})();
