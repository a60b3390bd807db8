// Filter and sort for the table of all results. Each column comes as its sorted distinct texts and one rank per row, so
// sorting compares whole numbers and no text is ever parsed. Only textContent is written: names stay names.
(() => {
  "use strict";
  const source = document.getElementById("data");
  const table = document.getElementById("all");
  if (!source || !table) return;
  const data = JSON.parse(source.textContent);
  const names = Object.keys(data.columns);
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const controls = document.getElementById("controls");
  const count = document.getElementById("count");
  const STEP = 25;
  const text = (name, row) => {
    const rank = data.columns[name][1][row];
    return rank === null ? data.missing : data.columns[name][0][rank];
  };
  const all = Array.from({ length: data.n_rows }, (_, row) => row);
  const selects = {};
  let order = all;
  let shown = STEP;
  let haystacks = null;
  let search = null;

  const haystack = (row) => {
    haystacks ??= all.map((r) => names.map((name) => text(name, r)).join(" ").toLowerCase());
    return haystacks[row];
  };
  const selected = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = Object.entries(selects).filter(([, select]) => select.value !== "");
    return order.filter((row) =>
      wanted.every(([name, select]) => String(data.columns[name][1][row]) === select.value) &&
      (words.length === 0 || words.every((word) => haystack(row).includes(word))));
  };
  const line = (row) => {
    const tr = document.createElement("tr");
    const status = "Status" in data.columns ? text("Status", row) : "ok";
    if (status !== "ok") tr.className = "bad";
    for (const name of names) {
      const td = tr.insertCell();
      td.textContent = text(name, row);
      if (!data.text_columns.includes(name)) td.className = "num";
      if (name === "Status") td.className = "status";
    }
    return tr;
  };
  const more = document.createElement("button");
  more.type = "button";
  more.className = "more";
  const draw = () => {
    const rows = selected();
    body.replaceChildren(...rows.slice(0, shown).map(line));
    const visible = Math.min(shown, rows.length);
    count.textContent = `${visible} of ${rows.length} rows shown` +
      (rows.length < data.n_rows ? `, filtered from ${data.n_rows}` : "");
    more.hidden = visible >= rows.length;
    more.textContent = `Show ${Math.min(shown * 3, rows.length - visible)} more`;
  };
  more.addEventListener("click", () => { shown *= 4; draw(); });

  const field = (label, control) => {
    const wrap = document.createElement("label");
    wrap.append(label, control);
    controls.append(wrap);
  };
  const restart = () => { shown = STEP; draw(); };
  search = document.createElement("input");
  search.type = "search";
  search.addEventListener("input", restart);
  field("Search", search);
  for (const name of data.filtered) {
    const values = name in data.columns ? data.columns[name][0] : [];
    if (values.length < 2 || values.length > 400) continue;
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    values.forEach((value, rank) => select.add(new Option(value, String(rank))));
    select.addEventListener("change", restart);
    selects[name] = select;
    field(name, select);
  }

  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const ranks = data.columns[names[index]][1];
      order = [...all].sort((a, b) => {
        if (ranks[a] === null || ranks[b] === null) return (ranks[a] === null) - (ranks[b] === null) || a - b;
        return (down ? ranks[b] - ranks[a] : ranks[a] - ranks[b]) || a - b;
      });
      restart();
    });
  });
  controls.hidden = false;
  table.parentElement.after(more);
  draw();
})();
