// Completes what is typed into an input with values that are there already, and finds options of long selections.
// <input data-dbpower-complete="tag">, with data-dbpower-several where several are separated by commas;
// <input data-dbpower-narrows="id of a select" data-dbpower-of="team">.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const list = document.querySelector("[data-choices]");
  const source = () => list?.dataset.choices || document.querySelector("[data-dbpower-choices]")?.dataset.dbpowerChoices;

  async function found(of, term) {
    const url = new URL(source(), window.location.href);
    url.searchParams.set("of", of);
    url.searchParams.set("term", term);
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    return answer.ok && !answer.redirected ? (await answer.json()).choices : [];
  }

  // Only the last answer counts, and only after a moment's rest.
  function quietly(act) {
    let timer = 0;
    let turn = 0;
    return (...given) => {
      window.clearTimeout(timer);
      timer = window.setTimeout(async () => {
        const mine = ++turn;
        const apply = await act(...given).catch(() => null);
        if (apply && mine === turn) apply();
      }, 150);
    };
  }

  document.querySelectorAll("[data-dbpower-complete]").forEach((input, place) => {
    if (!source()) return;
    const list = document.createElement("datalist");
    list.id = `completions-${place}`;
    input.after(list);
    input.setAttribute("list", list.id);
    const several = "dbpowerSeveral" in input.dataset;
    const offer = quietly(async () => {
      const parts = input.value.split(/[,\s]+/);
      const term = several ? parts[parts.length - 1] : input.value;
      const before = several ? parts.slice(0, -1).filter(Boolean).join(", ") : "";
      const choices = await found(input.dataset.dbpowerComplete, term);
      return () => {
        list.replaceChildren(
          ...choices.map(({ value }) => {
            const option = document.createElement("option");
            option.value = before ? `${before}, ${value}` : value;
            return option;
          }),
        );
      };
    });
    input.addEventListener("focus", offer);
    input.addEventListener("input", offer);
  });

  document.querySelectorAll("[data-dbpower-narrows]").forEach((input) => {
    const select = document.getElementById(input.dataset.dbpowerNarrows);
    input.addEventListener(
      "input",
      quietly(async () => {
        const choices = await found(input.dataset.dbpowerOf, input.value);
        return () => {
          const kept = [...select.options].filter((option) => option.value === "" || option.selected);
          const others = choices.filter(({ value }) => !kept.some((option) => option.value === value));
          select.replaceChildren(...kept, ...others.map(({ value, label }) => new Option(label, value)));
          // What was found is what is wanted: one more key press fewer.
          if (input.value && choices.length) select.value = choices[0].value;
        };
      }),
    );
  });
});
