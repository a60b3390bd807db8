// Priorities re-rank the settings by the function of advise/scoring.py; a test compares the two.
(() => {
  "use strict";
  const form = document.getElementById("priorities");
  if (!form) return;
  const card = document.getElementById("answer");
  const all = (selector) => [...card.querySelectorAll(selector)];
  const say = (name, text) => { card.querySelector(`[data-live=${name}]`).textContent = text; };
  const { rows, parts, templates, gaps, missing, own } = JSON.parse(all("#answer-data")[0].textContent);
  const [top] = all("#top tbody");
  const kept = [...all("[data-live],output,#figures td>*")].map((node) => [node, node.textContent]);
  const old = [...top.rows];

  const UNITS = [[0.9995e-3, 1e-6, "us"], [0.9995, 1e-3, "ms"], [119.5, 1, "s"], [5400, 60, "min"], [1 / 0, 3600, "h"]];
  const number = (v) => (v < 999.5 ? v.toPrecision(3) : Math.round(v).toLocaleString("en"));
  const time = (s) => {
    const [, factor, unit] = UNITS.find(([limit]) => s < limit);
    return s ? `${number(s / factor)} ${unit}` : missing;
  };
  const times = (a, b) => (a && b ? `${number(a / b)}x` : missing);
  const called = (row, kind) => row[0].map((at, i) => parts[i][at][kind]).filter(Boolean).join(kind ? ", " : " ");
  // size, write, mean read, files: as costs, and as texts
  const costsOf = (row, reads) => {
    let total = 0, sum = 0;
    row[4].forEach((s, i) => {
      if (reads[i]) total += s === null ? NaN : reads[i] * s;
      sum += reads[i];
    });
    const [bytes, write, files] = row[3];
    return [bytes, write, total / sum || null, files];
  };
  const texts = (row, costs) => [row[2][0], time(costs[1]), time(costs[2]), row[2][1]];
  const rank = form.rank = (goals, reads) => {
    const used = [0, 1, 2, 3].filter((g) => goals[g] && (g !== 2 || reads.some(Boolean)));
    const able = rows.map((row, i) => [i, 0, costsOf(row, reads)])
      .filter(([i, , costs]) => rows[i][5] && used.length && used.every((g) => costs[g]));
    let sum = 0;
    for (const g of used) {
      const best = Math.min(...able.map((one) => one[2][g]));
      for (const one of able) one[1] += goals[g] * Math.log(one[2][g] / best);
      sum += goals[g];
    }
    for (const one of able) one[1] = Math.round(Math.exp(one[1] / sum) * 1e11) / 1e11;
    return able.sort((a, b) => a[1] - b[1] || a[0] - b[0]);
  };

  const weigh = (kind, not) => {
    const bars = all(`[name=${kind}]`);
    const weights = bars.map((one) => +one.value);
    const sum = weights.reduce((a, b) => a + b, 0) || 1;
    bars.forEach((one, i) => { one.nextSibling.value = `${Math.round(100 * weights[i] / sum)} %`; });
    const text = bars.filter((one) => +one.value && one.dataset.of !== not).map((one) => `${one.dataset.of}=${one.value}`).join();
    return [weights, text && ` --${kind} '${text.replace(/'/g, `'"'"'`)}'`];
  };
  form.oninput = () => {
    const [reads, mix] = weigh("reads");
    // where no pattern has a weight, reads have none
    const [goals, asked] = weigh("priority", mix || "read");
    const ranked = rank(goals, reads);
    say("command", `storebench report${asked}${mix}`);
    top.replaceChildren(...ranked.slice(0, 5).map(([i, score, costs], place) => {
      const tr = document.createElement("tr");
      for (const text of [place + 1, called(rows[i], 0), ...texts(rows[i], costs), times(score, 1)]) tr.insertCell().textContent = text;
      return tr;
    }));
    const [best] = ranked;
    card.className = `moved ${best ? best[0] === own ? "" : "other" : "none"}`;
    const why = asked ? "No setting has all that is weighed." : "Give at least one goal a weight.";
    if (!best) return ["title", "status"].map((name) => say(name, why));
    const [i, , first] = best;
    const row = rows[i];
    say("status", `First of ${ranked.length}: ${called(row, 0)}`);
    say("title", `Store as ${called(row, 1)}`);
    say("standing", "First for your priorities, by the medians.");
    say("snippet", templates[row[1][0]].replace(/<<(l|c)\w+>>/g, (_, gap) => gaps[row[1][gap === "l" ? 1 : 2]]));
    for (const tr of all("[data-row]")) {
      const held = rows[tr.dataset.row] || row;
      const costs = costsOf(held, reads);
      texts(held, costs).forEach((text, k) => {
        const [value, note] = tr.cells[k + 1].children;
        value.textContent = text;
        note.textContent = held === row ? "" : times(costs[k], first[k]);
      });
    }
  };
  form.onreset = () => {
    card.className = "";
    for (const [node, text] of kept) node.textContent = text;
    top.replaceChildren(...old);
  };
  const copy = document.getElementById("copy");
  copy.onclick = async () => {
    const [code] = all("pre");
    getSelection().selectAllChildren(code);
    await navigator.clipboard?.writeText(code.textContent);
    copy.textContent = "Copied";
  };
  form.hidden = copy.hidden = false;
})();
