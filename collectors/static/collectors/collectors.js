// Keeps the list of collectors up to date. Every few seconds it asks for the rows of this page and replaces the cells that
// changed, and nothing else: what is chosen, focused, marked or scrolled to stays as it is.
"use strict";

(() => {
  const EVERY = 5000;
  const SLOWEST = 30000;
  const table = document.getElementById("result_list");
  if (!table) return;
  const body = document.getElementById("rows");
  const form = document.getElementById("changelist-form");
  const words = JSON.parse(document.getElementById("list-words").textContent);
  const sign = document.getElementById("live");
  const word = document.getElementById("live-word");
  const button = document.getElementById("live-button");
  const said = document.getElementById("said");
  const empty = document.getElementById("empty");
  const rowsOf = (within) => [...within.querySelectorAll("tr[data-row]")];
  const cellsOf = (row) => [...row.querySelectorAll("td[data-cell]")];

  // -- Ages tick by themselves -------------------------------------------------------------------------------------------

  const UNITS = words.units;
  function duration(seconds) {
    for (let place = 0; place < UNITS.length; place += 1) {
      const [size, unit] = UNITS[place];
      if (seconds < size) continue;
      const count = Math.floor(seconds / size);
      if (size === 1 || count >= 10) return `${count} ${unit}`;
      const [smaller, smallerUnit] = UNITS[place + 1];
      const rest = Math.floor((seconds % size) / smaller);
      return rest ? `${count} ${unit} ${rest} ${smallerUnit}` : `${count} ${unit}`;
    }
    return `0 ${UNITS[UNITS.length - 1][1]}`;
  }

  // This machine's clock may be wrong: ages are counted from what the page's own answers said the time was.
  let ahead = 0;
  function heed(answer) {
    const date = Date.parse(answer.headers.get("Date") || "");
    if (date) ahead = Date.now() - date;
  }
  function tick() {
    const now = Date.now() - ahead;
    body.querySelectorAll("time[datetime]").forEach((moment) => {
      const seconds = Math.max(0, Math.floor((now - Date.parse(moment.dateTime)) / 1000));
      const text = words.ago.replace("{age}", duration(seconds));
      // The text node itself, so that a marked text stays marked where nothing changes.
      if (moment.textContent !== text && !isMarked(moment)) moment.textContent = text;
    });
  }

  function isMarked(element) {
    const selection = window.getSelection();
    return !selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(element);
  }

  // -- Cells -------------------------------------------------------------------------------------------------------------

  // What the server said of each cell, without the ages, which it says anew each second.
  const heard = new WeakMap();
  const plain = (cell) => cell.innerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1");
  const remember = (row) => cellsOf(row).forEach((cell) => heard.set(cell, plain(cell)));
  rowsOf(body).forEach(remember);

  function replace(cell, fresh) {
    const text = plain(fresh);
    // A marked text is replaced once nobody marks it any more.
    if (heard.get(cell) === text || isMarked(cell)) return;
    const focused = cell.contains(document.activeElement) ? document.activeElement : null;
    const act = focused?.dataset.act;
    cell.replaceChildren(...fresh.childNodes);
    heard.set(cell, text);
    if (focused) (cell.querySelector(`[data-act="${act}"]`) || cell.querySelector("a, button"))?.focus();
    if (cell.dataset.cell === "status") flash(cell);
  }

  function flash(cell) {
    cell.classList.remove("dbpower-flash");
    void cell.offsetWidth;
    cell.classList.add("dbpower-flash");
  }

  function update(row, fresh) {
    const cells = new Map(cellsOf(row).map((cell) => [cell.dataset.cell, cell]));
    cellsOf(fresh).forEach((cell) => {
      const present = cells.get(cell.dataset.cell);
      if (present) replace(present, cell);
    });
    row.classList.remove("dbpower-gone");
    row.removeAttribute("title");
  }

  // Rows do not move under a hand that is about to choose or press something.
  const isInHand = () =>
    table.matches(":hover") || body.contains(document.activeElement) || body.querySelector(".action-select:checked");

  function apply(text) {
    const answer = document.createElement("template");
    answer.innerHTML = `<table><tbody>${text}</tbody></table>`;
    const fresh = rowsOf(answer.content);
    const present = new Map(rowsOf(body).map((row) => [row.dataset.row, row]));
    const inHand = isInHand();
    let before = null;
    fresh.forEach((row) => {
      const known = present.get(row.dataset.row);
      present.delete(row.dataset.row);
      if (known) update(known, row);
      else remember(row);
      const place = before ? before.nextElementSibling : body.firstElementChild;
      if (!known || (!inHand && place !== known)) body.insertBefore(known || row, place);
      before = known || row;
    });
    present.forEach((row) => {
      // What is chosen or focused stays, and says that it does not belong here any more.
      if (inHand && (row.querySelector(".action-select:checked") || row.contains(document.activeElement) || row.matches(":hover"))) {
        row.classList.add("dbpower-gone");
        row.title = words.gone;
      } else {
        row.remove();
      }
    });
    empty.hidden = body.querySelector("tr") !== null;
    tick();
    count();
  }

  // -- Asking again ------------------------------------------------------------------------------------------------------

  let version = table.dataset.version;
  let paused = false;
  let wait = EVERY;
  let timer = 0;
  let asking = null;
  let state = "";

  // Said aloud when it changes, not with each answer.
  function show(next) {
    if (next === state) return;
    state = next;
    sign.dataset.state = next;
    word.textContent = words[next];
    button.hidden = false;
    button.textContent = { live: words.pause, paused: words.resume, lost: words.retry, out: words.signin }[next];
  }

  const isBusy = () => document.querySelector(".dbpower-fleet details[open], dialog[open]") !== null;

  function next(after = wait) {
    window.clearTimeout(timer);
    if (!paused && state !== "out") timer = window.setTimeout(turn, after);
  }

  function turn() {
    if (document.hidden || isBusy()) return next(1000);
    return ask();
  }

  async function ask() {
    window.clearTimeout(timer);
    asking?.abort();
    const mine = (asking = new AbortController());
    const given = window.setTimeout(() => mine.abort("late"), 15000);
    try {
      const answer = await fetch(table.dataset.live, {
        headers: { "If-None-Match": `"${version}"` },
        cache: "no-store",
        redirect: "manual",
        signal: mine.signal,
      });
      if (answer.type === "opaqueredirect" || answer.status === 403) return show("out");
      if (answer.status !== 200 && answer.status !== 304) throw new Error(String(answer.status));
      heed(answer);
      if (answer.status === 200) {
        const text = await answer.text();
        version = (answer.headers.get("ETag") || "").replaceAll('"', "");
        apply(text);
      }
      wait = EVERY;
      if (!paused) show("live");
    } catch {
      // A newer question has taken this one's place, and says what is so.
      if (asking !== mine) return undefined;
      wait = Math.min(SLOWEST, wait * 2);
      show("lost");
    } finally {
      window.clearTimeout(given);
    }
    return next();
  }

  button.addEventListener("click", () => {
    if (state === "out") return window.location.reload();
    if (state === "lost") {
      wait = EVERY;
      return ask();
    }
    paused = !paused;
    if (!paused) return ask();
    window.clearTimeout(timer);
    return show("paused");
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused && state !== "out") next(0);
  });

  // -- Choosing ----------------------------------------------------------------------------------------------------------

  const toggle = document.getElementById("action-toggle");
  const across = document.getElementById("across");
  const clear = document.getElementById("bar-clear");
  const boxes = () => [...body.querySelectorAll(".action-select")];
  let last = null;
  let shift = false;

  function count() {
    const all = boxes();
    const chosen = all.filter((box) => box.checked).length;
    const told = document.getElementById("bar-count");
    const text = words.chosen.replace("{count}", chosen);
    if (told && told.textContent !== text) told.textContent = text;
    toggle.checked = chosen > 0 && chosen === all.length;
    toggle.indeterminate = chosen > 0 && chosen < all.length;
    if (clear) clear.hidden = false;
    if (across && !chosen) across.checked = false;
  }

  const choose = (some, checked) => {
    some.forEach((box) => (box.checked = checked));
    count();
  };
  toggle.addEventListener("change", () => choose(boxes(), toggle.checked));
  clear?.addEventListener("click", () => choose(boxes(), false));
  body.addEventListener("click", (event) => (shift = event.shiftKey), true);
  body.addEventListener("change", (event) => {
    if (!event.target.matches(".action-select")) return;
    const all = boxes();
    const [from, to] = [all.indexOf(last), all.indexOf(event.target)].sort((a, b) => a - b);
    choose(shift && from >= 0 ? all.slice(from, to + 1) : [event.target], event.target.checked);
    last = event.target;
  });
  window.addEventListener("pageshow", count);

  // -- Acting on a row ---------------------------------------------------------------------------------------------------

  const dialog = document.getElementById("ask");
  function confirmed(pressed) {
    if (!pressed.dataset.asks) return Promise.resolve(true);
    document.getElementById("ask-title").textContent = `${pressed.textContent.replace(pressed.firstElementChild.textContent, "")}?`;
    document.getElementById("ask-text").textContent = pressed.dataset.asks;
    document.getElementById("ask-yes").textContent = pressed.title;
    dialog.returnValue = "no";
    dialog.showModal();
    return new Promise((resolve) => {
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
    });
  }

  async function post(address) {
    const sent = new FormData();
    sent.set("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    const answer = await fetch(address, {
      method: "POST",
      body: sent,
      headers: { "X-DBPower-Live": "1" },
      redirect: "manual",
    });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  }

  function tell(messages, undo) {
    said.replaceChildren(
      ...messages.map(({ level, text }) => {
        const line = document.createElement("p");
        line.className = `dbpower-said-${level}`;
        line.textContent = text;
        return line;
      }),
    );
    if (undo) {
      const again = document.createElement("button");
      again.type = "button";
      again.className = "dbpower-button dbpower-small";
      again.textContent = words.undo;
      again.addEventListener("click", () => act(undo));
      said.append(again);
    }
    window.clearTimeout(tell.timer);
    tell.timer = window.setTimeout(() => said.replaceChildren(), undo ? 30000 : 10000);
  }

  async function act(address) {
    try {
      const { messages, undo } = await post(address);
      tell(messages, undo);
    } catch {
      tell([{ level: "error", text: words.failed }]);
    }
    if (!paused) await ask();
    else window.setTimeout(ask, 0);
  }

  body.addEventListener("click", async (event) => {
    const pressed = event.target.closest("button[data-act]");
    if (!pressed) return;
    event.preventDefault();
    const address = pressed.getAttribute("formaction");
    if (pressed.getAttribute("aria-disabled") || !(await confirmed(pressed))) return;
    pressed.setAttribute("aria-disabled", "true");
    await act(address);
    pressed.removeAttribute("aria-disabled");
  });

  // -- Menus close as menus do -------------------------------------------------------------------------------------------

  const menus = [...document.querySelectorAll(".dbpower-menu")];
  document.addEventListener("click", (event) => {
    menus.forEach((menu) => menu.contains(event.target) || menu.removeAttribute("open"));
  });
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && menus.find((menu) => menu.open);
    if (!open) return;
    open.removeAttribute("open");
    open.querySelector("summary").focus();
  });
  // What is not chosen does not belong into the address.
  document.getElementById("filter-form").addEventListener("submit", (event) => {
    const unset = [...event.target.elements].filter((field) => field.name && !field.value && !field.disabled);
    unset.forEach((field) => (field.disabled = true));
    // The browser has read the form when this runs; a page that it brings back from its memory is whole again.
    window.setTimeout(() => unset.forEach((field) => (field.disabled = false)), 0);
  });

  show("live");
  count();
  window.setInterval(() => document.hidden || tick(), 1000);
  next();
})();
