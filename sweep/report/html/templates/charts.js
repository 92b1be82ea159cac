// Charts of report.html: pointer or arrow keys read values, buttons hide cells. No library.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.getElementById("charts");
  const names = [...new Set(data.cells.map((cell) => cell.name))];
  const hidden = new Set();
  let focus = null, logarithmic = false; // the cell whose button is pointed at; the axis of generations
  const charts = data.charts.map((chart) => ({ ...chart, at: null }));
  const MARKS = ["", "circle", "square", "triangle", "cross"];
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  };
  const colour = (cell) => {
    const k = names.indexOf(cell.name);
    return names.length <= 8 ? `var(--c${k})` : `hsl(${Math.round(280 - (280 * k) / (names.length - 1))} 70% var(--ramp))`;
  };
  const short = (value) => (value === null || value === undefined ? "-" : Number(value.toPrecision(4)).toString());
  const title = (cell) => (data.groups.length > 1 ? `${data.groups[cell.group]} ${cell.name}` : cell.name);
  const shown = (chart) => data.cells.filter((cell, i) => !hidden.has(i) && cell.curves[chart.key]);

  function ticks(low, high, most, whole) {
    const raw = (high - low) / most || 1;
    const power = 10 ** Math.floor(Math.log10(raw));
    let step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw * 0.999);
    if (whole) step = Math.max(1, Math.round(step));
    const positions = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) positions.push(Number((k * step).toPrecision(12)));
    return positions;
  }

  function mark(kind, x, y) {
    if (kind === "circle") return `<circle cx="${x}" cy="${y}" r="3.5"/>`;
    if (kind === "square") return `<path d="M${x - 3} ${y - 3}h6v6h-6z"/>`;
    if (kind === "triangle") return `<path d="M${x} ${y - 4}l4 7h-8z"/>`;
    return kind === "cross" ? `<path class="line" d="M${x - 3} ${y - 3}l6 6m0 -6l-6 6"/>` : "";
  }

  function draw(chart) {
    const width = Math.max(260, chart.plot.clientWidth), height = width < 420 ? 230 : 280;
    const left = 46, right = 18, top = 8, bottom = 36;
    const cells = shown(chart);
    const edges = cells.map((cell) => { // two standard errors; of a cell alone also 5% to 95% of runs
      const { mean, se, low, high } = cell.curves[chart.key], alone = cells.length === 1 || cell === focus;
      const side = (sign) => mean.map((v, i) => (v === null ? null : v + sign * 2 * (se?.[i] || 0)));
      return [...(se ? [[side(-1), side(1)]] : []), ...(low && alone ? [[low, high]] : [])];
    });
    const values = chart.levels.map(([, value]) => value);
    cells.forEach(({ curves: { [chart.key]: curve } }, k) => {
      for (const row of [curve.mean, curve.exact || [], ...edges[k].flat()]) values.push(...row.filter((v) => v !== null));
    });
    let low = Math.min(...values), high = Math.max(...values);
    if (!values.length) [low, high] = [0, 1];
    const room = high > low ? 0.06 * (high - low) : 0.5 * Math.abs(high) || 1;
    low = low >= 0 && low < high / 2 ? 0 : low - room; // from zero, unless that would flatten all
    high += room;
    const last = Math.max(2, ...data.cells.map((cell) => cell.steps.at(-1)));
    const share = (m) => (logarithmic ? Math.log(m) / Math.log(last) : (m - 1) / (last - 1));
    const X = (m) => left + share(m) * (width - left - right);
    const Y = (v) => top + ((high - v) / (high - low)) * (height - top - bottom);
    const path = (cell, row) => {
      let pen = "M";
      return row.map((v, i) => {
        if (v === null) { pen = "M"; return ""; }
        const piece = `${pen}${X(cell.steps[i]).toFixed(1)} ${Y(v).toFixed(1)}`;
        pen = "L";
        return piece;
      }).join("");
    };
    const parts = [];
    for (const v of ticks(low, high, 5, false)) parts.push(`<path class="grid" d="M${left} ${Y(v)}H${width - right}"/><text x="${left - 6}" y="${Y(v) + 4}" text-anchor="end">${v}</text>`);
    const decades = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5, 2e5, 5e5, 1e6];
    const at = logarithmic ? decades.filter((m) => m <= last) : [1, ...ticks(1, last, width / 80, true)].filter((m) => m === 1 || X(m) - X(1) > 18);
    for (const m of at) parts.push(`<path class="grid" d="M${X(m)} ${top}V${height - bottom}"/><text x="${X(m)}" y="${height - bottom + 16}" text-anchor="middle">${m}</text>`);
    parts.push(`<text x="${(left + width - right) / 2}" y="${height - 3}" text-anchor="middle">generation m</text>`);
    for (const [name, v] of chart.levels) parts.push(`<path class="level" d="M${left} ${Y(v)}H${width - right}"/><text class="halo" x="${width - right - 4}" y="${Y(v) - 5}" text-anchor="end">${name}</text>`);
    cells.forEach((cell, k) => {
      const curve = cell.curves[chart.key], back = { steps: [...cell.steps].reverse() };
      parts.push(`<g style="color:${colour(cell)}"${focus && focus !== cell ? ' opacity="0.25"' : ""}>`);
      for (const [lower, upper] of cells.length <= 5 || cell === focus ? edges[k] : []) {
        parts.push(`<path class="band" d="${path(cell, lower)}${path(back, [...upper].reverse()).replace("M", "L")}Z"/>`);
      }
      parts.push(`<path class="line" d="${path(cell, curve.mean)}"/>`, curve.exact ? `<path class="exact" d="${path(cell, curve.exact)}"/>` : "");
      const every = Math.max(1, Math.ceil(cell.steps.length / 8));
      const kind = cell.steps.length === 1 ? "circle" : MARKS[cell.group % MARKS.length];
      cell.steps.forEach((m, i) => { if (kind && i % every === 0 && curve.mean[i] !== null) parts.push(mark(kind, X(m), Y(curve.mean[i]))); });
      parts.push("</g>");
    });
    parts.push('<g class="cursor"></g>');
    chart.plot.innerHTML = `<svg width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" aria-hidden="true">${parts.join("")}</svg>`;
    Object.assign(chart, { X, Y, last, width, height, top, bottom, left, right });
    point(chart, chart.at, null);
  }

  // The value of each visible cell at its generation nearest to m.
  function read(chart, m, y) {
    const values = shown(chart).flatMap((cell) => {
      const i = cell.steps.reduce((best, step, k) => (Math.abs(step - m) < Math.abs(cell.steps[best] - m) ? k : best), 0);
      const curve = cell.curves[chart.key];
      if (curve.mean[i] === null || m > cell.steps.at(-1)) return [];
      return [{ cell, m: cell.steps[i], mean: curve.mean[i], se: curve.se?.[i], exact: curve.exact?.[i] }];
    });
    if (y !== null) values.sort((a, b) => Math.abs(chart.Y(a.mean) - y) - Math.abs(chart.Y(b.mean) - y));
    return values.slice(0, 8).sort((a, b) => b.mean - a.mean);
  }

  function words(row) {
    return short(row.mean) + (row.se ? ` ± ${Number(row.se.toPrecision(2))}` : "") + (row.exact === undefined || row.exact === null ? "" : `, exact ${short(row.exact)}`);
  }

  function point(chart, m, y) {
    chart.at = m;
    const rows = m === null ? [] : read(chart, m, y);
    chart.tip.hidden = !rows.length;
    const cursor = chart.plot.querySelector(".cursor"), x = chart.X(m || 1);
    cursor.innerHTML = "";
    if (!rows.length) return;
    cursor.innerHTML = `<path d="M${x} ${chart.top}V${chart.height - chart.bottom}"/>` + rows.map((row) => `<circle style="color:${colour(row.cell)}" cx="${chart.X(row.m)}" cy="${chart.Y(row.mean)}" r="4"/>`).join("");
    chart.tip.replaceChildren(make("b", {}, `m = ${m}`), ...rows.map((row) => make("div", {}, make("i", { style: `background:${colour(row.cell)}` }), `${title(row.cell)}: ${words(row)}`)));
    chart.tip.style.left = "0px"; // its width is taken where there is room
    chart.tip.style.left = `${Math.max(0, Math.min(chart.plot.clientWidth - chart.tip.offsetWidth, x - chart.tip.offsetWidth / 2))}px`;
    chart.plot.setAttribute("aria-valuenow", m);
    chart.plot.setAttribute("aria-valuetext", `generation ${m}: ` + rows.map((row) => `${title(row.cell)} ${words(row)}`).join("; "));
  }

  function build(chart) {
    const last = Math.max(...data.cells.map((cell) => cell.steps.at(-1)));
    chart.plot = make("div", { class: "plot", tabindex: "0", role: "slider", "aria-valuemin": 1, "aria-valuemax": last, "aria-valuenow": last, "aria-valuetext": `generation ${last}`, "aria-label": `${chart.title} by generation; arrow keys read the values` });
    chart.tip = make("div", { class: "tip", hidden: "" });
    const steps = [...new Set(data.cells.flatMap((cell) => cell.steps))].sort((a, b) => a - b);
    const near = (m) => steps.reduce((best, step) => (Math.abs(step - m) < Math.abs(best - m) ? step : best));
    const move = (event) => {
      const box = chart.plot.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (event.clientX - box.left - chart.left) / (chart.width - chart.left - chart.right)));
      point(chart, near(logarithmic ? chart.last ** share : 1 + share * (chart.last - 1)), event.clientY - box.top);
    };
    chart.plot.addEventListener("pointermove", move);
    chart.plot.addEventListener("pointerdown", move);
    chart.plot.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && point(chart, null, null));
    chart.plot.addEventListener("blur", () => point(chart, null, null));
    chart.plot.addEventListener("keydown", (event) => {
      const k = chart.at === null ? steps.length : steps.indexOf(chart.at);
      const to = { ArrowRight: k + 1, ArrowUp: k + 1, ArrowLeft: k - 1, ArrowDown: k - 1, Home: 0, End: steps.length - 1, PageUp: k + 10, PageDown: k - 10 }[event.key];
      if (event.key === "Escape") point(chart, null, null);
      if (to === undefined) return;
      event.preventDefault();
      point(chart, steps[Math.max(0, Math.min(steps.length - 1, to))], null);
    });
    const box = make("div", { class: "frame" }, chart.plot, chart.tip);
    root.append(make("figure", { class: "chart" }, make("figcaption", {}, make("b", {}, chart.title), ` ${chart.about}`), box));
  }

  const buttons = [];
  const paint = () => { buttons.forEach((button, i) => button.setAttribute("aria-pressed", !hidden.has(i))); charts.forEach(draw); };
  const all = (members, on) => { members.forEach((i) => (on ? hidden.delete(i) : hidden.add(i))); paint(); };
  const legend = make("div", { class: "legend", role: "group", "aria-label": "Cells shown in the charts" });
  data.groups.forEach((group, g) => {
    const members = data.cells.flatMap((cell, i) => (cell.group === g ? [i] : []));
    const line = make("div");
    if (data.groups.length > 1) line.append(make("b", {}, group));
    members.forEach((i) => {
      const cell = data.cells[i];
      const swatch = make("span", { class: "swatch", style: `color:${colour(cell)}`, "aria-hidden": "true" });
      swatch.innerHTML = `<svg width="22" height="10"><path class="line" d="M0 5H22"/>${mark(MARKS[g % MARKS.length], 11, 5)}</svg>`;
      const button = make("button", { type: "button", "aria-pressed": "true" }, swatch, cell.name);
      button.addEventListener("click", () => all([i], hidden.has(i)));
      for (const [event, on] of [["mouseenter", cell], ["mouseleave", null], ["focus", cell], ["blur", null]]) {
        button.addEventListener(event, () => { focus = on && !hidden.has(i) && button.matches(":hover, :focus-visible") ? on : null; charts.forEach(draw); });
      }
      buttons[i] = button;
      line.append(button);
    });
    if (members.length > 2) {
      for (const [name, on] of [["all", true], ["none", false]]) {
        const button = make("button", { type: "button", class: "set", "aria-label": `${name} of ${group || "the cells"}` }, name);
        button.addEventListener("click", () => all(members, on));
        line.append(button);
      }
    }
    legend.append(line);
  });
  if (charts.length && Math.max(...data.cells.map((cell) => cell.steps.at(-1))) > 100) {
    const button = make("button", { type: "button", class: "set", "aria-pressed": "false" }, "logarithmic m");
    button.addEventListener("click", () => { logarithmic = !logarithmic; button.setAttribute("aria-pressed", logarithmic); charts.forEach(draw); });
    legend.lastChild.append(button);
  }
  root.append(legend);
  charts.forEach(build);
  root.closest("section").hidden = false;
  let drawn = 0; // only when the width has changed: a drawing changes the height
  new ResizeObserver(() => { if (root.clientWidth !== drawn) { drawn = root.clientWidth; charts.forEach(draw); } }).observe(root);
  paint();
})();
