// The sphere of the landing page: digits and their prototypes, to turn by mouse, touch or keys.
// It replaces the picture in ".sphere-figure", which remains where scripts do not run.
(() => {
  "use strict";
  const COLOURS = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee",
    "#aa3377", "#e07b39", "#777777", "#7a6fd0", "#8c613c"];
  const STEP = 0.12; // radians a key press
  const SPIN = 0.15; // radians a second, until somebody takes hold of the sphere
  const RADIUS = 0.455; // of the sphere, as a share of the canvas
  const REACH = 14; // pixels within which the pointer finds a digit

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const unitVectors = (text) => {
    const numbers = new Int16Array(bytes(text).buffer); // little-endian, as in all browsers today
    return Array.from({ length: numbers.length / 3 },
      (_, i) => [0, 1, 2].map((axis) => numbers[3 * i + axis] / 32767));
  };

  // Rows of a rotation matrix; turning the view multiplies from the left.
  const product = (a, b) => a.map((row) => [0, 1, 2].map(
    (j) => row[0] * b[0][j] + row[1] * b[1][j] + row[2] * b[2][j]));
  const apply = (m, p) => m.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]);
  const about = (yaw, pitch) => {
    const [c, s, k, t] = [Math.cos(yaw), Math.sin(yaw), Math.cos(pitch), Math.sin(pitch)];
    return product([[1, 0, 0], [0, k, -t], [0, t, k]], [[c, 0, s], [0, 1, 0], [-s, 0, c]]);
  };

  function start(figure, data) {
    const points = unitVectors(data.points);
    const prototypes = unitVectors(data.prototypes);
    const images = bytes(data.images);
    const canvas = document.createElement("canvas");
    const caption = document.createElement("p");
    const context = canvas.getContext("2d");
    if (!context) return;
    let view = about(0.6, -0.35);
    let spinning = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    let found = -1;
    let held = null;
    let colours = {};
    let size = 0;

    canvas.tabIndex = 0;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "A sphere with ten prototypes and 898 handwritten digits "
      + "gathered around them. Arrow keys turn it, the space bar starts and stops it.");
    caption.className = "sphere-found";
    caption.setAttribute("aria-live", "polite");
    const hint = "Drag, or use the arrow keys, to turn it. Point at a dot to see the digit.";

    const readTheme = () => {
      const style = getComputedStyle(document.documentElement);
      const read = (name, other) => style.getPropertyValue(name).trim() || other;
      colours = {
        text: read("--pst-color-text-base", "#222"),
        line: read("--pst-color-border", "#ccc"),
        back: read("--pst-color-background", "#fff"),
      };
    };

    const describe = () => {
      if (found < 0) { caption.textContent = hint; return; }
      const [own, said] = [data.labels[found], data.predicted[found]];
      const p = prototypes[said];
      const z = points[found];
      const cosine = p[0] * z[0] + p[1] * z[1] + p[2] * z[2];
      const degrees = Math.round(Math.acos(Math.min(1, cosine)) * 180 / Math.PI);
      caption.textContent = `digit ${own}, predicted ${said}, ${degrees}° from prototype ${said}`
        + (own === said ? "" : ": a mistake");
    };

    const place = (p) => {
      const [x, y, z] = apply(view, p);
      const radius = RADIUS * size;
      return { x: size / 2 + radius * x, y: size / 2 - radius * y, z };
    };

    const dot = (x, y, radius, fill, stroke, width) => {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      if (fill) { context.fillStyle = fill; context.fill(); }
      if (stroke) { context.lineWidth = width; context.strokeStyle = stroke; context.stroke(); }
    };

    const drawGrid = () => {
      dot(size / 2, size / 2, RADIUS * size, null, colours.line, 1.5);
      context.strokeStyle = colours.line;
      context.lineWidth = 1;
      const circles = [-60, -30, 0, 30, 60].map((degrees) => {
        const [c, s] = [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)];
        return (angle) => [c * Math.cos(angle), s, c * Math.sin(angle)];
      });
      [0, 30, 60, 90, 120, 150].forEach((degrees) => {
        const [c, s] = [Math.cos(degrees * Math.PI / 180), Math.sin(degrees * Math.PI / 180)];
        circles.push((angle) => [c * Math.cos(angle), Math.sin(angle), s * Math.cos(angle)]);
      });
      circles.forEach((circle) => {
        for (let i = 0; i < 72; i += 1) {
          const [a, b] = [place(circle(i * Math.PI / 36)), place(circle((i + 1) * Math.PI / 36))];
          context.globalAlpha = a.z > 0 ? 0.8 : 0.25;
          context.beginPath();
          context.moveTo(a.x, a.y);
          context.lineTo(b.x, b.y);
          context.stroke();
        }
      });
      context.globalAlpha = 1;
    };

    const drawImage = ({ x, y }) => {
      const pixel = Math.max(4, Math.round(size / 90));
      const side = 8 * pixel;
      const left = Math.min(Math.max(4, x + 16), size - side - 4);
      const top = Math.min(Math.max(4, y - side - 12), size - side - 4);
      context.fillStyle = "#fff";
      context.fillRect(left - 3, top - 3, side + 6, side + 6);
      for (let i = 0; i < 64; i += 1) {
        const pair = images[32 * found + (i >> 1)];
        const level = i % 2 ? pair & 15 : pair >> 4;
        context.fillStyle = `rgba(0, 0, 0, ${level / 15})`;
        context.fillRect(left + pixel * (i % 8), top + pixel * (i >> 3), pixel, pixel);
      }
      context.strokeStyle = COLOURS[data.labels[found]];
      context.lineWidth = 2;
      context.strokeRect(left - 3, top - 3, side + 6, side + 6);
    };

    const draw = () => {
      context.clearRect(0, 0, size, size);
      drawGrid();
      const small = Math.max(2.2, size / 170);
      const order = points.map((p, i) => ({ ...place(p), i })).sort((a, b) => a.z - b.z);
      const drawRows = (row) => {
        const colour = COLOURS[data.labels[row.i]];
        const wrong = data.labels[row.i] !== data.predicted[row.i];
        context.globalAlpha = row.z > 0 ? 0.75 : 0.22;
        dot(row.x, row.y, small, colour, wrong ? colours.text : null, 1.2);
      };
      const drawPrototypes = (isNear) => prototypes.forEach((p, label) => {
        const { x, y, z } = place(p);
        if ((z > 0) !== isNear) return;
        context.globalAlpha = z > 0 ? 1 : 0.35;
        dot(x, y, size / 38, colours.back, COLOURS[label], 2.5);
        context.fillStyle = colours.text;
        context.fillText(label, x, y + 1);
      });
      context.font = `${Math.round(size / 29)}px sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      order.filter((row) => row.z <= 0).forEach(drawRows);
      drawPrototypes(false);
      order.filter((row) => row.z > 0).forEach(drawRows);
      drawPrototypes(true);
      context.globalAlpha = 1;
      if (found >= 0) {
        const at = place(points[found]);
        dot(at.x, at.y, small + 3, null, colours.text, 2);
        drawImage(at);
      }
    };

    const resize = () => {
      const ratio = window.devicePixelRatio || 1;
      size = canvas.clientWidth;
      canvas.width = canvas.height = Math.round(size * ratio);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      draw();
    };

    const turn = (yaw, pitch) => { view = product(about(yaw, pitch), view); draw(); };
    const find = (event) => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      let [best, nearest] = [-1, REACH];
      points.forEach((p, i) => {
        const at = place(p);
        const distance = Math.hypot(at.x - x, at.y - y);
        if (at.z > 0 && distance < nearest) { [best, nearest] = [i, distance]; }
      });
      if (best !== found) { found = best; describe(); draw(); }
    };

    canvas.addEventListener("pointerdown", (event) => {
      spinning = false;
      held = [event.clientX, event.clientY];
      canvas.setPointerCapture(event.pointerId);
      find(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) { spinning = false; find(event); return; }
      const radius = RADIUS * size;
      turn((event.clientX - held[0]) / radius, (event.clientY - held[1]) / radius);
      held = [event.clientX, event.clientY];
    });
    ["pointerup", "pointercancel"].forEach((name) =>
      canvas.addEventListener(name, () => { held = null; }));
    canvas.addEventListener("keydown", (event) => {
      const turns = {
        ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP],
      };
      if (turns[event.key]) {
        spinning = false;
        turn(...turns[event.key]);
      } else if (event.key === " ") {
        spinning = !spinning;
        if (spinning) window.requestAnimationFrame(spin);
      } else return;
      event.preventDefault(); // neither the page nor the site's search takes these keys
      event.stopPropagation();
    });

    let before = null;
    const spin = (now) => {
      if (!spinning) { before = null; return; }
      const visible = canvas.getBoundingClientRect().bottom > 0;
      if (before !== null && visible) turn(SPIN * Math.min(0.1, (now - before) / 1000), 0);
      before = now;
      window.requestAnimationFrame(spin);
    };

    figure.replaceChildren(canvas, caption);
    readTheme();
    describe();
    new ResizeObserver(resize).observe(canvas);
    new MutationObserver(() => { readTheme(); draw(); }).observe(
      document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    window.requestAnimationFrame(spin);
  }

  document.addEventListener("DOMContentLoaded", () => {
    const figure = document.querySelector(".sphere-figure");
    if (figure && window.sphereData) start(figure, window.sphereData);
  });
})();
