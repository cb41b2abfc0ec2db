"""
How can I turn the sphere in a browser?
=======================================

Embeddings of three dimensions are points on an ordinary sphere. This example draws handwritten
digits as a picture, and then as a sphere to turn with the mouse: a page of HTML with a canvas,
which needs no network and no plotting package.
"""

import json

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.display import EmbeddingDisplay

plt.style.use("sphereskl.display.gallery")
torch.set_num_threads(1)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, stratify=y, random_state=0)
clf = HypersphericalPrototypeClassifier(embedding_dim=3, random_state=0).fit(X_train, y_train)
print(f"accuracy {clf.score(X_test, y_test):.3f} on digits not trained on, in three dimensions")

# %%
# A picture
# ---------
# Stars are the ten prototypes, dots are digits that were not trained on. Half of the sphere is
# behind the other half.

EmbeddingDisplay.from_estimator(clf, X_test, y_test)
plt.show()

# %%
# A sphere to turn
# ----------------
# An object with a method ``_repr_html_`` is shown as HTML by notebooks, and by this gallery. The
# points travel in the page as numbers; a few lines of JavaScript rotate and draw them.

PAGE = """
<canvas width="1120" height="1120" tabindex="0" role="img" aria-label="A sphere of digits"
 style="width:560px;max-width:100%;aspect-ratio:1;cursor:grab;background:white;border-radius:8px;
 touch-action:none"></canvas>
<script>(() => {
const canvas = document.currentScript.previousElementSibling, pen = canvas.getContext("2d");
const {points, labels, wrong, prototypes, names} = DATA;
const colors = ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#000000",
  "#8C613C", "#5B4FA2", "#777777"];
const R = 500, C = 560;
let yaw = 0.6, pitch = 0.35, held = null, idle = true;
const turn = ([x, y, z]) => {
  const a = Math.cos(yaw) * x - Math.sin(yaw) * y, b = Math.sin(yaw) * x + Math.cos(yaw) * y;
  return [a, Math.cos(pitch) * z - Math.sin(pitch) * b, Math.sin(pitch) * z + Math.cos(pitch) * b];
};
const circle = (x, y, r) => { pen.beginPath(); pen.arc(x, y, r, 0, 7); };
function draw() {
  pen.clearRect(0, 0, 2 * C, 2 * C);
  const ball = pen.createRadialGradient(C - 160, C - 200, 40, C, C, R);
  ball.addColorStop(0, "#ffffff"); ball.addColorStop(1, "#e3e6ea");
  pen.fillStyle = ball; circle(C, C, R); pen.fill();
  const items = points.map((p, i) => [turn(p), i, false]);
  items.push(...prototypes.map((p, i) => [turn(p), i, true]));
  // What is behind is drawn first, and fainter; prototypes on the near side come last.
  const depth = ([p, , star]) => p[2] + (star && p[2] > 0 ? 1 : 0);
  items.sort((a, b) => depth(a) - depth(b));
  for (const [[x, y, z], i, star] of items) {
    pen.globalAlpha = z > 0 ? 0.85 : 0.18;
    pen.fillStyle = pen.strokeStyle = colors[(star ? i : labels[i]) % 10];
    circle(C + R * x, C - R * y, star ? 25 : 7 + 2 * z);
    if (star) {
      pen.fillStyle = "white"; pen.fill(); pen.lineWidth = 5; pen.stroke();
      pen.fillStyle = "black"; pen.font = "bold 30px sans-serif";
      pen.textAlign = "center"; pen.textBaseline = "middle";
      pen.fillText(names[i], C + R * x, C - R * y + 2);
    } else {
      pen.fill();
      if (wrong[i]) { pen.strokeStyle = "black"; pen.lineWidth = 3; pen.stroke(); }
    }
  }
  pen.globalAlpha = 1;
}
const move = (dx, dy) => {
  yaw += dx; pitch = Math.max(-1.57, Math.min(1.57, pitch + dy)); idle = false; draw();
};
canvas.onpointerdown = e => {
  held = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId);
};
canvas.onpointerup = canvas.onpointercancel = () => { held = null; };
canvas.onpointermove = e => {
  if (!held) return;
  move((e.clientX - held[0]) / 200, (e.clientY - held[1]) / 200);
  held = [e.clientX, e.clientY];
};
canvas.onkeydown = e => {
  const steps = {ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1]};
  const step = steps[e.key];
  if (step) { e.preventDefault(); move(...step); }
};
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const spin = () => {
  if (idle && canvas.isConnected) { yaw += 0.003; draw(); requestAnimationFrame(spin); }
};
draw();
if (!still) requestAnimationFrame(spin);
})();</script>
"""


class TurningSphere:
    """Embeddings of three dimensions and their prototypes, to turn in a notebook or a page."""

    def __init__(self, clf, X, y):
        place = {label: k for k, label in enumerate(clf.classes_)}
        self.data = {
            "points": clf.transform(X).round(3).tolist(),
            "labels": [place[label] for label in y],
            "wrong": (clf.predict(X) != y).tolist(),
            "prototypes": clf.prototypes_.round(3).tolist(),
            "names": [str(label) for label in clf.classes_],
        }

    def _repr_html_(self):
        return PAGE.replace("DATA", json.dumps(self.data))


# %%
# Drag it, or use the arrow keys. Rings mark digits that are nearest to a wrong prototype.

TurningSphere(clf, X_test, y_test)

# %%
# With plotly installed, ``display.to_plotly()`` makes such a sphere of any display of embeddings,
# with labels and angles where the mouse points; its pages are larger by some megabytes.
