// Priorities re-rank the settings by the function of advise/scoring.py; a test compares the two.
(() => {
  "use strict";
  const form = document.getElementById("priorities");
  if (!form) return;
  const card = document.getElementById("answer");
  const all = (selector) => [...card.querySelectorAll(selector)];
  const say = (name, text) => { card.querySelector(`[data-live=${name}]`).textContent = text; };
  const data = JSON.parse(document.getElementById("answer-data").textContent);
  const [top] = all("#top tbody");
  const kept = all("[data-live],output,#figures td>*").map((node) => [node, node.textContent]);
  const keptRows = [...top.rows];

  const UNITS = [[0.9995e-3, 1e-6, "us"], [0.9995, 1e-3, "ms"], [119.5, 1, "s"], [5400, 60, "min"], [1 / 0, 3600, "h"]];
  const number = (v) => (v < 999.5 ? v.toPrecision(3) : Math.round(v).toLocaleString("en"));
  const time = (s) => {
    const [, factor, unit] = UNITS.find(([limit]) => s < limit);
    return s === null ? data.missing : `${number(s / factor)} ${unit}`;
  };
  const called = (row, kind) =>
    row[0].map((part, i) => data.parts[i][part][kind]).filter(Boolean).join(kind ? ", " : " ");
  // size, write, mean read of the mix, files: texts of a row, and its costs
  const texts = ([, , [size, files]], costs) => [size, time(costs[1]), time(costs[2]), files];
  const costsOf = ([, , , [bytes, write, files], reads], weights) => {
    let total = 0, sum = 0;
    weights.forEach((weight, i) => {
      if (weight) total += reads[i] === null ? NaN : weight * reads[i];
      sum += weight;
    });
    return [bytes, write, total > 0 ? total / sum : null, files];
  };
  const rank = (goals, reads) => {
    const used = [0, 1, 2, 3].filter((g) => goals[g] && (g !== 2 || reads.some(Boolean)));
    const able = data.rows.map((row, i) => [i, 0, costsOf(row, reads)])
      .filter(([i, , costs]) => used[0] >= 0 && data.rows[i][5] && used.every((g) => costs[g] !== null));
    const sum = used.reduce((total, g) => total + goals[g], 0);
    const best = used.map((g) => Math.min(...able.map(([, , costs]) => costs[g])));
    for (const one of able) {
      const log = used.reduce((total, g, k) => total + goals[g] * Math.log(one[2][g] / best[k]), 0);
      one[1] = Math.round(Math.exp(log / sum) * 1e11) / 1e11;
    }
    return able.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  };
  form.rank = rank;

  const weigh = (kind) => {
    const inputs = all(`[name=${kind}]`);
    const weights = inputs.map((input) => +input.value);
    const sum = weights.reduce((a, b) => a + b, 0) || 1;
    inputs.forEach((input, i) => { input.nextElementSibling.value = `${Math.round(100 * weights[i] / sum)} %`; });
    const text = inputs.map((input, i) => weights[i] && `${input.dataset.of}=${weights[i]}`).filter(Boolean).join();
    return [weights, text && ` --${kind} '${text.replace(/'/g, `'"'"'`)}'`];
  };
  form.oninput = () => {
    const [goals, priority] = weigh("priority");
    const [reads, mixed] = weigh("reads");
    const ranked = rank(goals, reads);
    card.className = "moved";
    say("command", `storebench report${priority}${mixed}`);
    top.replaceChildren(...ranked.slice(0, 5).map(([i, score, costs], place) => {
      const tr = document.createElement("tr");
      const cells = [place + 1, called(data.rows[i], 0), ...texts(data.rows[i], costs), `${number(score)}x`];
      for (const text of cells) tr.insertCell().textContent = text;
      return tr;
    }));
    if (!ranked[0]) return say("status", "No setting has all that these weights need.");
    const [i, , first] = ranked[0];
    const row = data.rows[i];
    const gaps = row[1];
    say("status", `First of ${ranked.length}: ${called(row, 0)}`);
    say("title", `Store as ${called(row, 1)}`);
    say("standing", "First for your priorities, by the medians.");
    say("snippet", data.templates[gaps[0]].replace(/<<(l|c).+?>>/g, (_, gap) => data.gaps[gaps[gap === "l" ? 1 : 2]]));
    for (const tr of all("[data-row]")) {
      const held = data.rows[tr.dataset.row] || row;
      const costs = costsOf(held, reads);
      texts(held, costs).forEach((text, k) => {
        const [value, detail] = tr.cells[k + 1].children;
        value.textContent = text;
        detail.textContent = held === row ? "" : costs[k] && first[k] ? `${number(costs[k] / first[k])}x` : data.missing;
      });
    }
  };
  form.onreset = () => {
    card.className = "";
    for (const [node, text] of kept) node.textContent = text;
    top.replaceChildren(...keptRows);
    say("status", "Back to this page’s own priorities.");
  };
  const copy = document.getElementById("copy");
  copy.onclick = async () => {
    const [snippet] = all("pre");
    getSelection().selectAllChildren(snippet);
    await navigator.clipboard?.writeText(snippet.textContent);
    copy.textContent = "Copied";
  };
  form.hidden = copy.hidden = false;
})();
