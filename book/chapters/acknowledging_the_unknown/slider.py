"""A slider for alpha, as one piece of HTML: plain JavaScript, nothing fetched, works from a file.

The left chart shows the gradients of the losses; the right one where training comes to rest on
examples that look alike and of which a share s carries the annotation.
"""

from __future__ import annotations

ALPHA_SLIDER = """
<div class="atu-explorer" role="group" aria-labelledby="atu-alpha-label">
<style>
.atu-explorer { margin: 1rem 0; max-width: 46rem; }
.atu-explorer .atu-control { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
.atu-explorer input[type=range] { flex: 1 1 14rem; min-width: 8rem; height: 1.75rem; }
.atu-explorer input[type=range]:focus-visible { outline: 3px solid #56B4E9; outline-offset: 2px; }
.atu-explorer output { font-variant-numeric: tabular-nums; min-width: 3rem; font-weight: 600; }
.atu-explorer .atu-charts { display: flex; flex-wrap: wrap; gap: .75rem; margin: .5rem 0; }
.atu-explorer svg { flex: 1 1 18rem; max-width: 100%; background: #fff; border-radius: .6rem; }
.atu-explorer svg text { fill: #222; font: 12px sans-serif; }
.atu-explorer svg .grid { stroke: #ccc; stroke-width: 1; }
.atu-explorer svg path { fill: none; stroke-width: 2.2; }
.atu-explorer .atu-text { margin: .25rem 0; min-height: 4.5em; }
</style>
<div class="atu-control">
<label id="atu-alpha-label" for="atu-alpha">Weight of the entropy, α</label>
<input id="atu-alpha" type="range" min="0.01" max="1" step="0.01" value="0.1"
 aria-describedby="atu-alpha-text">
<output id="atu-alpha-value" for="atu-alpha">0.10</output>
</div>
<div class="atu-charts">
<svg id="atu-alpha-gradient" viewBox="0 0 330 250" role="img"
 aria-label="Gradient against logit for annotated and unannotated labels"></svg>
<svg id="atu-alpha-rest" viewBox="0 0 330 250" role="img"
 aria-label="Probability at rest against the annotated share"></svg>
</div>
<p class="atu-text" id="atu-alpha-text" aria-live="polite"></p>
<noscript><p>The slider needs JavaScript; the figure above shows the gradients for α = 1.</p>
</noscript>
<script>
(() => {
  const box = { left: 44, right: 322, top: 28, bottom: 208 };
  const sigmoid = (g) => 1 / (1 + Math.exp(-g));
  const slider = document.getElementById("atu-alpha");

  function add(svg, tag, attributes, text) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    if (text !== undefined) node.textContent = text;
    svg.append(node);
    return node;
  }

  function chart(id, xs, ys, title, xlabel, legend) {
    const svg = document.getElementById(id);
    const part = (v, all) => (v - all[0]) / (all[all.length - 1] - all[0]);
    const x = (v) => box.left + (box.right - box.left) * part(v, xs);
    const y = (v) => box.bottom - (box.bottom - box.top) * part(v, ys);
    for (const v of xs) {
      add(svg, "line", { class: "grid", x1: x(v), x2: x(v), y1: box.top, y2: box.bottom });
      add(svg, "text", { x: x(v), y: box.bottom + 15, "text-anchor": "middle" }, v);
    }
    for (const v of ys) {
      add(svg, "line", { class: "grid", x1: box.left, x2: box.right, y1: y(v), y2: y(v) });
      add(svg, "text", { x: box.left - 5, y: y(v) + 4, "text-anchor": "end" }, v);
    }
    add(svg, "text", { x: box.left, y: 16 }, title);
    add(svg, "text", { x: (box.left + box.right) / 2, y: 243, "text-anchor": "middle" }, xlabel);
    legend.forEach(([name, colour, dash, lx, ly]) => {
      add(svg, "line", { x1: lx, x2: lx + 18, y1: ly - 4, y2: ly - 4, stroke: colour,
        "stroke-width": 2.2, "stroke-dasharray": dash });
      add(svg, "text", { x: lx + 22, y: ly }, name);
    });
    return (points, colour, dash, old) => {
      const d = points.map(([a, b], i) =>
        (i ? "L" : "M") + x(a).toFixed(1) + " " + y(b).toFixed(1)).join("");
      const path = old || add(svg, "path", { stroke: colour, "stroke-dasharray": dash });
      path.setAttribute("d", d);
      return path;
    };
  }

  const logits = Array.from({ length: 161 }, (_, i) => -10 + i / 8);
  const shares = Array.from({ length: 100 }, (_, i) => i / 100);
  const left = chart("atu-alpha-gradient", [-10, -5, 0, 5, 10], [-1, -0.5, 0, 0.5, 1],
    "Gradient of one label", "logit z", [
      ["annotated", "#000", "", 178, 196], ["unannotated, AN", "#D55E00", "6 3", 50, 46],
      ["unannotated, EM", "#0072B2", "", 50, 62]]);
  const right = chart("atu-alpha-rest", [0, 0.25, 0.5, 0.75, 1], [0, 0.25, 0.5, 0.75, 1],
    "Probability at rest", "share s of look-alikes that are annotated", [
      ["AN: p = s", "#D55E00", "6 3", 196, 180], ["EM", "#0072B2", "", 196, 196]]);
  left(logits.map((g) => [g, sigmoid(g) - 1]), "#000", "");
  left(logits.map((g) => [g, sigmoid(g)]), "#D55E00", "6 3");
  right([[0, 0], [1, 1]], "#D55E00", "6 3");
  let gradient, rest;

  function resting(share, alpha) {
    // The root of z p = s / ((1 - s) alpha); the left side grows with z from 0 on.
    const wanted = share / ((1 - share) * alpha);
    let low = 0, high = wanted * 2 + 1;
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (middle * sigmoid(middle) < wanted) low = middle; else high = middle;
    }
    return sigmoid(low);
  }

  function update() {
    const alpha = Number(slider.value);
    const em = (g) => alpha * g * sigmoid(g) * (1 - sigmoid(g));
    gradient = left(logits.map((g) => [g, em(g)]), "#0072B2", "", gradient);
    rest = right(shares.map((s) => [s, resting(s, alpha)]), "#0072B2", "", rest);
    document.getElementById("atu-alpha-value").textContent = alpha.toFixed(2);
    document.getElementById("atu-alpha-text").textContent =
      `With α = ${alpha.toFixed(2)} an unannotated label is never pushed harder than ` +
      `${(0.2239 * alpha).toFixed(3)} (at logits ±1.54); at logit 5 the push is ` +
      `${em(5).toFixed(4)}, that of assume-negative 0.993. If one in ten look-alikes is ` +
      `annotated, EM comes to rest at p = ${resting(0.1, alpha).toFixed(2)}, if one in three, at ` +
      `${resting(1 / 3, alpha).toFixed(2)}; assume-negative at 0.10 and 0.33.`;
  }
  slider.addEventListener("input", update);
  update();
})();
</script>
</div>
"""
"""Show it with ``IPython.display.HTML``. No time or random number is in it."""
