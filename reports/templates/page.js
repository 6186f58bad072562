"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const words = JSON.parse(document.body.dataset.words);
  for (const one of all(".bar, .legend, .copy")) one.hidden = false;

  // Theme: as the system, light, dark.
  const themes = { "": words.theme_system, light: words.theme_light, dark: words.theme_dark };
  const themeButton = document.getElementById("theme");
  themeButton.addEventListener("click", () => {
    const names = Object.keys(themes);
    const next = names[(names.indexOf(document.documentElement.dataset.theme || "") + 1) % names.length];
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    themeButton.textContent = themes[next];
  });

  // One task at a time.
  document.getElementById("task")?.addEventListener("change", (event) => {
    const task = event.target.value;
    for (const one of all("[data-task]")) one.classList.toggle("off", Boolean(task && one.dataset.task && one.dataset.task !== task));
  });

  // Copy a command.
  for (const button of all(".copy"))
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(button.dataset.copy);
        button.textContent = words.copied;
      } catch {
        const range = document.createRange();
        range.selectNodeContents(button.previousElementSibling);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        button.textContent = words.selected;
      }
      setTimeout(() => (button.textContent = words.to_copy), 1500);
    });

  // The hovered criterion stands out, with its band; the legend switches criteria off. One mark may stand for several.
  const names = (mark) => mark.dataset.criterion.split(" ");
  const choose = (panels, chosen) => {
    panels.classList.toggle("chosen", chosen.length > 0);
    for (const mark of all("[data-criterion]", panels)) mark.classList.toggle("shown", names(mark).some((name) => chosen.includes(name)));
  };
  for (const panels of all(".panels")) {
    panels.addEventListener("mouseover", (event) => {
      const mark = event.target.closest("[data-criterion]");
      choose(panels, mark ? names(mark) : []);
    });
    panels.addEventListener("mouseleave", () => choose(panels, []));
  }
  for (const legend of all(".legend")) {
    const panels = legend.closest("figure").querySelector(".panels");
    const buttons = all("button", legend);
    for (const button of buttons) {
      for (const kind of ["mouseenter", "focus"]) button.addEventListener(kind, () => choose(panels, [button.dataset.criterion]));
      for (const kind of ["mouseleave", "blur"]) button.addEventListener(kind, () => choose(panels, []));
      button.addEventListener("click", () => {
        button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
        const off = buttons.filter((one) => one.getAttribute("aria-pressed") !== "true").map((one) => one.dataset.criterion);
        for (const mark of all("[data-criterion]", panels)) mark.classList.toggle("off", names(mark).every((name) => off.includes(name)));
      });
    }
  }

  // Tables that are sorted and filtered.
  const value = (cell) => {
    const number = parseFloat(cell.textContent.replace(/,/g, "").replace("−", "-"));
    return Number.isNaN(number) ? cell.textContent : number;
  };
  const compare = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
  for (const table of all("table.tools")) {
    const heads = all("th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = all("tbody tr", table).map((row) => [value(row.cells[column]), row]);
        rows.sort(([a], [b]) => (down ? compare(b, a) : compare(a, b)));
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
    const input = Object.assign(document.createElement("input"), { type: "search", placeholder: words.filter });
    input.setAttribute("aria-label", words.filter);
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/);
      for (const row of all("tbody tr", table)) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    });
    table.parentElement.before(input);
  }

  // A link to a closed part opens it; so does printing.
  const open = (element) => { for (let one = element; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true; };
  const follow = () => open(document.getElementById(decodeURIComponent(location.hash.slice(1))));
  addEventListener("hashchange", follow);
  follow();
  addEventListener("beforeprint", () => all("details").forEach((one) => (one.open = true)));
})();
