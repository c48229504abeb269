"use strict";
(function () {
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));

  // Colours: as the system, light, dark.
  const themes = ["as the system", "light", "dark"];
  const button = document.getElementById("theme");
  let theme = 0;
  const paint = () => {
    if (theme) document.documentElement.dataset.theme = themes[theme];
    else delete document.documentElement.dataset.theme;
    button.textContent = "Colours: " + themes[theme];
  };
  button.addEventListener("click", () => { theme = (theme + 1) % themes.length; paint(); });
  all(".tools, .scripted").forEach((each) => { each.hidden = false; });

  // Sorting: by numbers where there are any, gaps last, part by part.
  const value = (row, column) => {
    let at = 0;
    for (const cell of row.cells) {
      if (column < at + cell.colSpan) {
        const main = cell.querySelector("a.n, b") || cell;
        const words = main.firstChild ? main.firstChild.textContent.trim() : "";
        const number = parseFloat(words.replace(/[,%]/g, ""));
        return /^[-+]?[\d.]/.test(words) && !isNaN(number) ? number : words === "–" ? null : words;
      }
      at += cell.colSpan;
    }
    return null;
  };
  const sort = (table, column, up) => {
    for (const body of table.tBodies) {
      const rows = all("tr", body);
      const head = rows.length && rows[0].querySelector('th[scope="rowgroup"]') ? rows.shift() : null;
      const keyed = rows.map((row, place) => ({ row, place, key: value(row, column) }));
      keyed.sort((one, other) => {
        if ((one.key === null) !== (other.key === null)) return one.key === null ? 1 : -1;
        const both = typeof one.key === "number" && typeof other.key === "number";
        const order = both ? one.key - other.key : String(one.key).localeCompare(String(other.key));
        return (up ? order : -order) || one.place - other.place;
      });
      body.append(...(head ? [head] : []), ...keyed.map((each) => each.row));
    }
  };
  for (const row of all("tr.heads")) {
    const table = row.closest("table");
    let at = 0;
    for (const head of row.cells) {
      const column = at;
      at += head.colSpan;
      const press = document.createElement("button");
      press.type = "button";
      press.title = "Sort by this column";
      press.append(...head.childNodes);
      head.append(press);
      press.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const each of row.cells) each.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        sort(table, column, up);
      });
    }
  }

  // The baseline: the same numbers as without the script, for another host.
  const shown = (ratio) => (ratio >= 99.5 ? ratio.toFixed(0) : ratio >= 9.95 ? ratio.toFixed(1) : ratio.toFixed(2));
  const speed = (own, base, same, published) => {
    if (!own) return { text: "–", said: "not measured", told: false };
    if (!base) return { text: "–", said: "the baseline has no result", told: false };
    if (same) return { text: "1", said: "the baseline", told: false };
    const count = own.length;
    const gap = own.reduce((sum, each, at) => sum + Math.log(base[at][0] / each[0]), 0) / count;
    const text = shown(Math.exp(gap));
    if ([...own, ...base].some((each) => each.length < 3)) {
      return { text, said: published ? "published medians have no interval" : "too few repeats for an interval", told: false };
    }
    const reach = (one, other) => Math.hypot(...own.flatMap((each, at) => [
      Math.log(base[at][0] / base[at][one]), Math.log(each[other] / each[0])])) / count;
    const low = Math.exp(gap - reach(1, 2));
    const high = Math.exp(gap + reach(2, 1));
    const told = low > 1 || high < 1;
    return { text, said: shown(low) + " to " + shown(high) + (told ? "" : ": no difference shown"), told };
  };
  for (const block of all(".block")) {
    const numbers = block.querySelector(".numbers");
    if (!numbers) continue;
    const { lines, measured, titles } = JSON.parse(numbers.textContent);
    const select = block.querySelector("select");
    const isPublished = (place) => !measured.includes(Number(place));
    // What all compared hosts have, the published ones only where one is the baseline.
    const common = (baseline) => lines.filter((line) => [...measured, baseline].every((place) => line[place]));
    const of = (line, place, baseline) => {
      const chosen = line === "all" ? common(baseline) : [lines[line]];
      const found = chosen.map((each) => each[place]);
      return found.every(Boolean) && (line !== "all" || found.length > 1) ? found : null;
    };
    const first = common(select.value).length;
    const totals = all(".overall td[data-total]", block).map((cell) => ({ cell, content: cell.innerHTML }));
    select.addEventListener("change", () => {
      const baseline = select.value;
      const together = common(baseline);
      const said = block.querySelector('[data-code="overall"]');
      if (said) {
        const own = titles.filter((_, at) => together.includes(lines[at]));
        const left = [...new Set(titles.filter((each) => !own.includes(each)))];
        said.textContent = said.textContent.replace(/\d+ workloads?/, own.length + (own.length === 1 ? " workload" : " workloads"))
          .replace(/left out: .*\.$/, () => "left out: " + (left.join(", ") || "none") + ".");
        // Sums are of the workloads that were common at first.
        for (const { cell, content } of totals) cell.innerHTML = own.length === first ? content : "–";
      }
      block.querySelector(".name").textContent = select.selectedOptions[0].textContent;
      for (const cell of all("[data-line]", block)) {
        const { line, place } = cell.dataset;
        const found = speed(of(line, place, baseline), of(line, baseline, baseline), place === baseline,
          isPublished(place) || isPublished(baseline));
        if (line === "all" && found.text === "–") found.said = "not all of these workloads";
        const main = cell.querySelector("a.n, b") || cell;
        main.textContent = found.text;
        const detail = cell.querySelector("small.said");
        if (detail) detail.textContent = found.said;
        else {
          cell.title = found.said;
          cell.classList.toggle("untold", !found.told);
        }
      }
    });
  }

  // What is laid out on the way to a target moves it, so it is gone to again until it stays.
  const settle = () => {
    let left = 5;
    const again = () => {
      const target = document.querySelector(":target");
      if (!target) return;
      target.scrollIntoView();
      left -= 1;
      if (left) requestAnimationFrame(again);
    };
    again();
  };
  window.addEventListener("hashchange", settle);
  window.addEventListener("load", settle);

  // On paper everything is open.
  window.addEventListener("beforeprint", () => all("details").forEach((each) => { each.open = true; }));
})();
