// Filter, sort and page the table of all results. A column comes as its distinct texts in order and a coded rank per row:
// sorting compares whole numbers, and no text is parsed. Only textContent is written: names stay names.
(() => {
  "use strict";
  const get = (id) => document.getElementById(id);
  const data = JSON.parse(get("data").textContent);
  const table = get("all");
  const names = Object.keys(data.columns);
  const PAGE = 25;
  const cache = {};
  // a column's ranks, -1 where nothing was measured: digits are "#" to "~" without "<" and "\"
  const ranks = (name) => cache[name] ??= Int32Array.from({ length: data.n_rows }, (_, row) => {
    const [, width, codes] = data.columns[name];
    let code = width ? 0 : 1;
    for (let at = row * width; at < (row + 1) * width; at++) {
      const c = codes.charCodeAt(at);
      code = code * 90 + c - 35 - (c > 60) - (c > 92);
    }
    return code - 1;
  });
  const text = (name, row) => data.columns[name]?.[0][ranks(name)[row]];
  const add = (parent, tag, content) => {
    const element = document.createElement(tag);
    element.textContent = content;
    parent.append(element);
    return element;
  };
  let order = Int32Array.from({ length: data.n_rows }, (_, row) => row);
  let rows = order;
  let first = 0;
  let found;
  const line = (row) => {
    const tr = document.createElement("tr");
    tr.className = text("Status", row) !== "ok" ? "bad" : text("Doubt", row) ? "doubtful" : "";
    if (row === found) Object.assign(tr, { ariaCurrent: "true", tabIndex: -1 });
    for (const name of names) add(tr, "td", text(name, row) ?? data.missing).className = data.numbers.includes(name) ? "num" : "";
    return tr;
  };
  const draw = () => {
    const last = Math.min(first + PAGE, rows.length);
    const words = [Math.min(first + 1, last), last, rows.length, data.n_rows].map((n) => n.toLocaleString("en"));
    table.tBodies[0].replaceChildren(...Array.from(rows.subarray(first, last), line));
    get("count").textContent = `Rows ${words[0]} to ${words[1]} of ${words[2]}` +
      (rows.length < data.n_rows ? `, filtered from ${words[3]}` : "");
    get("back").disabled = !first;
    get("forth").disabled = last === rows.length;
  };
  const selects = [...document.querySelectorAll("#controls select")];
  // a word is looked for among the texts of each column, which are few; then rows are asked for their ranks
  const filter = () => {
    const tests = selects.filter((select) => select.value).map((select) => {
      const column = ranks(select.name);
      return (row) => column[row] === Number(select.value);
    });
    for (const word of get("search").value.toLowerCase().split(" ").filter(Boolean)) {
      const hits = names.map((name) => [ranks(name), data.columns[name][0].map((value) => value.toLowerCase().includes(word))]);
      const some = hits.filter(([, hit]) => hit.includes(true));
      tests.push((row) => some.some(([column, hit]) => hit[column[row]]));
    }
    rows = order.filter((row) => tests.every((test) => test(row)));
    first = 0;
    draw();
    document.dispatchEvent(new CustomEvent("rows", { detail: tests.length && new Set(rows) }));
  };
  const clear = () => {
    for (const control of [get("search"), ...selects]) control.value = "";
    filter();
  };
  const on = (id, act) => get(id).addEventListener("click", act);
  get("controls").addEventListener("input", filter);
  on("clear", clear);
  on("back", () => { first -= PAGE; draw(); });
  on("forth", () => { first += PAGE; draw(); });
  on("save", () => {
    const csv = (texts) => `${texts.map((value = "") => /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value)}\n`;
    const parts = [csv(names), ...Array.from(rows, (row) => csv(names.map((name) => text(name, row))))];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(parts, { type: "text/csv" }));
    link.download = "results.csv";
    link.click();
  });
  for (const head of table.tHead.rows[0].cells) {
    const name = head.textContent;
    head.textContent = "";
    add(head, "button", name).addEventListener("click", () => {
      const down = head.ariaSort === "ascending" ? -1 : 1;
      for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
      head.ariaSort = down < 0 ? "descending" : "ascending";
      const keys = ranks(name).map((rank) => rank < 0 ? data.n_rows : down * rank); // missing last, either way
      order = order.toSorted((a, b) => keys[a] - keys[b] || a - b);
      filter();
    });
  }
  // for the points of the figures: what a row says, and the way to it
  window.storebench = {
    add,
    facts: (row, list) => data[list].map((name) => [name, text(name, row)]).filter(([, value]) => value),
    find: (row) => {
      if (!rows.includes(row)) clear();
      found = row;
      first = rows.indexOf(row) - rows.indexOf(row) % PAGE;
      draw();
      location.hash = "results"; // the browser's Back leads back to the figure
      table.querySelector("[aria-current]").focus();
    },
  };
  get("controls").hidden = get("pager").hidden = false;
  draw();
})();
