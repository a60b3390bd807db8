// Points that know their row: its facts by mouse, finger or arrow keys; a click or Enter leads to it; filtered out they
// fade. The n-th <use> of a group is the n-th row in data-points.
(() => {
"use strict";
const { add, facts, find } = window.storebench;
const tip = Object.assign(add(document.body, "div", ""), { id: "tip", role: "status" });
const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
ring.id = "ring";
const all = [];
let current;
const hide = () => {
  current = null;
  tip.replaceChildren();
  ring.remove();
};
const show = (point) => {
  if (point === current) return;
  hide();
  current = point;
  for (const name of ["x", "y"]) ring.setAttribute(`c${name}`, point[name]);
  point.use.closest("svg").append(ring);
  add(tip, "b", facts(point.row, "setting").map(([, value]) => value).join(" "));
  const list = add(tip, "dl", "");
  for (const pair of facts(point.row, "point")) pair.forEach((words, n) => add(list, ["dt", "dd"][n], words));
  const { left, right, top, bottom } = point.use.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = tip;
  const place = (at, most) => `${Math.max(8, Math.min(at, most - 8))}px`;
  tip.style.left = place(right + 20 + width < innerWidth ? right + 12 : left - 12 - width, innerWidth - width);
  tip.style.top = place(innerWidth < 2 * width + 40 ? bottom + 16 : top - 20, innerHeight - height);
};
for (const figure of document.querySelectorAll("[data-points]")) {
  const points = [];
  for (const [id, rows] of Object.entries(JSON.parse(figure.dataset.points))) {
    document.querySelectorAll(`#${id} use`).forEach((use, n) => {
      if (rows[n] !== null) points.push({ use, row: rows[n], x: use.x.baseVal.value, y: use.y.baseVal.value });
    });
  }
  all.push(...points);
  const follow = (event) => {
    const { a, e, f } = figure.querySelector("svg").getScreenCTM();
    const far = ({ x, y }) => Math.hypot(a * x + e - event.clientX, a * y + f - event.clientY);
    const near = points.reduce((best, point) => far(point) < far(best) ? point : best);
    if (far(near) > 14) hide();
    // a finger's first tap only shows
    else if (event.type === "click" && near === current) find(near.row);
    else show(near);
  };
  figure.onpointermove = figure.onclick = follow;
  figure.onpointerleave = figure.onblur = hide;
  const [xs, ys] = ["x", "y"].map((axis) => points.toSorted((a, b) => a[axis] - b[axis]));
  const steps = { ArrowRight: [xs, 1], ArrowLeft: [xs, -1], ArrowDown: [ys, 1], ArrowUp: [ys, -1] };
  figure.onkeydown = (event) => {
    if (event.key === "Enter" && current) find(current.row);
    const [order, step] = steps[event.key] ?? [];
    const seen = order?.filter(({ use }) => !use.classList.contains("faded")) ?? [];
    const point = seen[seen.indexOf(current) + step] ?? current ?? seen[0];
    if (!order || !point) return;
    event.preventDefault();
    point.use.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    show(point);
  };
}
document.addEventListener("keydown", ({ key }) => key === "Escape" && hide());
document.addEventListener("rows", ({ detail }) => {
  for (const { use, row } of all) use.classList.toggle("faded", detail && !detail.has(row));
});
})();
