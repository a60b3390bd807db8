// Points of the figures that know their row: its facts beside the point, by mouse, finger or arrow keys; a click or Enter
// leads to the row; points whose row is filtered out fade. The n-th <use> of a group is the n-th row in data-points.
(() => {
  "use strict";
  const { add, facts, find } = window.storebench;
  const tip = add(document.body, "div", "");
  tip.id = "tip";
  tip.role = "status";
  const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
  ring.id = "ring";
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
    for (const [name, value] of [["r", 8], ["cx", point.x], ["cy", point.y]]) ring.setAttribute(name, value);
    point.use.closest("svg").append(ring);
    add(tip, "b", facts(point.row, "setting").map(([, value]) => value).join(" "));
    const list = add(tip, "dl", "");
    for (const pair of facts(point.row, "point")) pair.forEach((words, n) => add(list, n ? "dd" : "dt", words));
    const { left, right, top } = point.use.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = tip;
    const beside = right + 12 + width < innerWidth ? right + 12 : left - 12 - width;
    const place = (at, most) => `${Math.max(8, Math.min(at, most - 8))}px`;
    tip.style.left = place(beside, innerWidth - width);
    tip.style.top = place(top - 20, innerHeight - height);
  };
  const all = [];
  for (const figure of document.querySelectorAll("[data-points]")) {
    const points = [];
    for (const [id, rows] of Object.entries(JSON.parse(figure.dataset.points))) {
      document.querySelectorAll(`#${id} use`).forEach((use, n) => {
        const at = (axis) => Number(use.getAttribute(axis));
        if (rows[n] !== null) points.push({ use, row: rows[n], x: at("x"), y: at("y") });
      });
    }
    all.push(...points);
    // the nearest point, and none where it is too far from the pointer
    const follow = (event) => {
      const { a, e, f } = figure.querySelector("svg").getScreenCTM();
      const far = ({ x, y }) => Math.hypot(a * x + e - event.clientX, a * y + f - event.clientY);
      const near = points.reduce((best, point) => far(point) < far(best) ? point : best);
      if (far(near) > 14) hide();
      else if (event.type === "click" && near === current) find(near.row); // a finger's first tap only shows
      else show(near);
    };
    for (const type of ["pointermove", "click"]) figure.addEventListener(type, follow);
    for (const type of ["pointerleave", "blur"]) figure.addEventListener(type, hide);
    // left and right go along x, up and down along y
    const along = (axis) => points.toSorted((a, b) => a[axis] - b[axis]);
    const [xs, ys] = [along("x"), along("y")];
    const steps = { ArrowRight: [xs, 1], ArrowLeft: [xs, -1], ArrowDown: [ys, 1], ArrowUp: [ys, -1] };
    figure.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && current) find(current.row);
      const [order, step] = steps[event.key] ?? [];
      if (!order) return;
      event.preventDefault();
      const shown = order.filter(({ use }) => !use.classList.contains("faded"));
      const point = shown[shown.indexOf(current) + step] ?? current ?? shown[0];
      if (!point) return;
      point.use.scrollIntoView({ block: "nearest", inline: "nearest" });
      show(point);
    });
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("rows", ({ detail }) => {
    for (const { use, row } of all) use.classList.toggle("faded", detail && !detail.has(row));
  });
})();
