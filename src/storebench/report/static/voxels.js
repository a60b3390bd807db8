// Counts as storebench.grid, draws as report/isometric.py.
(() => {
"use strict";
const id = (name) => document.getElementById(`vx-${name}`);
const form = id("form"), live = id("live"), svg = id("svg"), code = id("code"), { preset, copy } = form;

const read = (name, shape) => {
  const input = form[name], { how, part } = input.dataset;
  const parts = input.value.split(/[,x]/).map((text) => text.match(part));
  const error = parts.includes(null) ? how
    : !parts[1] || parts[5] || parts.length !== (shape ?? parts).length ? form.dataset.axes
    : parts.map(([text, a, z], i) => +a >= +z ? `${text} is empty.` : +z > shape?.[i] && `${text} ends beyond ${shape[i]}.`).find(Boolean) || "";
  input.ariaInvalid = !!error;
  id(name).textContent = error;
  return error ? null : parts.map((part) => part.slice(1).map(Number));
};

const cut = (from, to, step, line) => {
  let path = "";
  for (step *= Math.ceil((to - from) / step / 40); (from += step) < to;) path += line(from);
  return path;
};
// axes: [from, to, step] of image, decoded, region
const draw = (axes) => {
  const flat = !axes[2], drawn = flat ? [axes[0], Array(3).fill([0, 1, 1]), axes[1]] : axes.slice(-3);
  const ends = drawn.map(([[, n], [, end]]) => Math.max(n, end));
  const [p, q, r] = ends.map((n) => Math.max(100 / Math.max(...ends), 8 / n));
  const steps = flat ? [[0, p], [0, 0], [r, 0]] : [[-.866 * p, p / 2], [0, -q], [.866 * r, r / 2]];
  svg.querySelectorAll("path").forEach((path, i) => {
    const face = i % 3, u = +!face, v = face < 2 ? 2 : 1, box = drawn.map((axis) => axis[(i - face) / 3]);
    const [a, c, g] = box[u], [b, d, h] = box[v];
    path.setAttribute("d", `M${a} ${b}H${c}V${d}H${a}z` +
      cut(a, c, g, (n) => `M${n} ${b}V${d}`) + cut(b, d, h, (n) => `M${a} ${n}H${c}`));
    path.style.transform = `matrix(${[steps[u], steps[v], steps[face].map((n) => n * box[face][1])]})`;
  });
  const { x, y, width, height } = svg.getBBox();
  svg.setAttribute("viewBox", [x, y, width, height]);
};

const update = () => {
  const shape = read("shape"), chunks = read("chunks", shape), region = read("region", shape);
  if (live.hidden = !(shape && chunks && region)) return;
  const axes = region.map(([a, z], i) => {
    const [n] = shape[i], [c] = chunks[i], low = a - a % c, high = Math.ceil(z / c) * c;
    return [[0, n, c], [low, high, c], [a, z, z - a > 12 ? z : 1], [low, Math.min(high, n)], [low / c, high / c]];
  });
  const [, decoded, asked, inside, touched] = axes[0].map((_, k) =>
    axes.reduce((size, axis) => size * BigInt(axis[k][1] - axis[k][0]), 1n));
  [asked, decoded, decoded - asked, decoded - inside, touched].forEach((n, i) => {
    const [, text, bar] = id("numbers").rows[i].cells;
    text.textContent = n.toLocaleString("en");
    bar.firstChild.style.width = Number(n * 1000n / decoded) / 10 + "%";
  });
  draw(axes);

  const box = region.map((pair) => pair.join(":")).join(), size = region.map(([a, z]) => z - a);
  const found = document.querySelectorAll(`#vx-measured [data-read="${shape} ${box} ${chunks}"]`);
  id("rows").replaceChildren(...Array.from(found, (row) => row.cloneNode(true)));
  const image = `[data-shape="${shape}"]`, exact = preset.querySelector(`${image}[data-region="${box}"]`);
  const run = (exact ?? preset.querySelector(image))?.dataset.run ?? `${form.dataset.run} --shape ${shape}`;
  code.textContent = `${run} --chunks ${chunks} --pattern ${exact?.dataset.pattern ?? "roi" + size.slice(-3).join("x")}`;
  copy.textContent = "Copy";
  live.className = found[0] ? "measured" : exact ? "exact" : size.slice(0, -3).some((n) => n > 1) ? "never" : "box";
};

form.oninput = ({ target }) => {
  const { shape, region } = preset.selectedOptions[0].parentNode.dataset;
  if (target !== preset) preset.value = "";
  else if (shape) [form.shape.value, form.chunks.value, form.region.value] = [shape, preset.value, region];
  update();
};
copy.onclick = () => {
  getSelection().selectAllChildren(code);
  if (document.execCommand("copy")) copy.textContent = "Copied";
};
form.hidden = false;
form.oninput({ target: preset });
})();
