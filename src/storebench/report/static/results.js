// Filters, sorts and pages all results. A column comes as its distinct texts in order and a coded rank per row: sorting
// compares whole numbers, no text is parsed. Only textContent is written: names stay names.
(() => {
"use strict";
const get = (id) => document.getElementById(id);
const data = JSON.parse(get("data").textContent);
const table = get("all");
const heads = [...table.tHead.rows[0].cells];
const names = Object.keys(data.columns);
const PAGE = 25, cache = {};
// -1: not measured; digits are "#" to "~" without "<" and "\"
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
let order = Int32Array.from({ length: data.n_rows }, (_, row) => row), rows = order, first = 0, found;
const line = (row) => {
  const tr = document.createElement("tr");
  tr.className = text("Status", row) !== "ok" ? "bad" : text("Doubt", row) ? "doubtful" : "";
  if (row === found) Object.assign(tr, { ariaCurrent: "true", tabIndex: -1 });
  names.forEach((name, n) => { add(tr, "td", text(name, row) ?? data.missing).className = heads[n].className; });
  return tr;
};
const draw = () => {
  const last = Math.min(first + PAGE, rows.length);
  const [from, to, all, whole] = [Math.min(first + 1, last), last, rows.length, order.length].map((n) => n.toLocaleString("en"));
  table.tBodies[0].replaceChildren(...Array.from(rows.subarray(first, last), line));
  get("count").textContent = `Rows ${from} to ${to} of ${all}` + (all === whole ? "" : `, filtered from ${whole}`);
  get("back").disabled = !first;
  get("forth").disabled = last === rows.length;
};
const selects = [...get("controls").querySelectorAll("select")];
// a word is looked for in the few texts of each column, then rows are asked for their ranks
const filter = () => {
  const tests = selects.filter((select) => select.value).map(({ name, value }) => (row) => ranks(name)[row] === Number(value));
  for (const word of get("search").value.toLowerCase().split(" ").filter(Boolean)) {
    const hits = names.map((name) => [ranks(name), data.columns[name][0].map((value) => value.toLowerCase().includes(word))]);
    tests.push((row) => hits.some(([column, hit]) => hit[column[row]]));
  }
  rows = order.filter((row) => tests.every((test) => test(row)));
  turn(0);
  document.dispatchEvent(new CustomEvent("rows", { detail: tests.length && new Set(rows) }));
};
const clear = () => {
  for (const control of [get("search"), ...selects]) control.value = "";
  filter();
};
const turn = (to) => {
  first = to;
  draw();
};
const save = () => {
  const csv = (texts) => `${texts.map((value = "") => `"${value.replaceAll('"', '""')}"`)}\n`;
  const lines = Array.from(rows, (row) => csv(names.map((name) => text(name, row))));
  const href = URL.createObjectURL(new Blob([csv(names), ...lines], { type: "text/csv" }));
  Object.assign(document.createElement("a"), { href, download: "results.csv" }).click();
};
get("controls").oninput = filter;
get("clear").onclick = clear;
get("save").onclick = save;
get("back").onclick = () => turn(first - PAGE);
get("forth").onclick = () => turn(first + PAGE);
for (const head of heads) {
  const name = head.textContent;
  head.textContent = "";
  add(head, "button", name).onclick = () => {
    const down = head.ariaSort === "ascending";
    for (const other of heads) other.ariaSort = null;
    head.ariaSort = down ? "descending" : "ascending";
    // not measured: last
    const keys = ranks(name).map((rank) => rank < 0 ? order.length : down ? -rank : rank);
    order = order.toSorted((a, b) => keys[a] - keys[b] || a - b);
    filter();
  };
}
// for the points of the figures
window.storebench = {
  add,
  facts: (row, list) => data[list].map((name) => [name, text(name, row)]).filter(([, value]) => value),
  find: (row) => {
    if (!rows.includes(row)) clear();
    found = row;
    const place = rows.indexOf(row);
    turn(place - place % PAGE);
    // the browser's Back leads back to the figure
    location.hash = "results";
    table.querySelector("[aria-current]").focus();
  },
};
get("controls").hidden = get("pager").hidden = false;
draw();
})();
