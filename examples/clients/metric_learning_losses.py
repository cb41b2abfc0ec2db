"""pytorch-metric-learning: the same losses, and how to predict after training with one of its.

Its losses hold the class weights; there is no predict, so that a network that was trained with
ArcFace is followed by a search of neighbours. A class is a direction: what is nearest to a row's
embedding is its class.
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "pytorch-metric-learning>=2.8"]
# ///

import math

import torch
from pytorch_metric_learning import losses
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

from sphereskl import SphereNetClassifier
from sphereskl.geometry import cosines, normalize
from sphereskl.nn import AngularMarginLoss, AngularModel

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, stratify=y, random_state=0)

# The same losses, in float64.
generator = torch.Generator().manual_seed(0)
z = torch.randn(50, 8, dtype=torch.float64, generator=generator)
label = torch.arange(50) % 10
PAIRS = {
    "normalised softmax": (
        losses.NormalizedSoftmaxLoss(10, 8, temperature=1 / 16),
        AngularMarginLoss(scale=16.0),
    ),
    "CosFace": (
        losses.CosFaceLoss(10, 8, margin=0.35, scale=16),
        AngularMarginLoss(cosine_margin=0.35, scale=16.0),
    ),
    "ArcFace": (
        losses.ArcFaceLoss(10, 8, margin=math.degrees(0.2), scale=16),
        AngularMarginLoss(angular_margin=0.2, scale=16.0),
    ),
}
for name, (theirs, ours) in PAIRS.items():
    theirs = theirs.double()
    # Theirs normalises class weights, columns; ours takes cosines.
    own = ours(cosines(normalize(z), normalize(theirs.W.T)), label).item()
    print(f"{name}: {theirs(z, label).item():.6f} theirs, {own:.6f} ours")
    assert math.isclose(own, theirs(z, label).item(), rel_tol=1e-6)

# Trained with ArcFace of theirs in a loop of one's own ...
torch.manual_seed(0)
rows, labels = torch.tensor(X_train, dtype=torch.float32), torch.tensor(y_train)
backbone = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))
arcface = losses.ArcFaceLoss(10, 16, margin=math.degrees(0.2), scale=16)
optimizer = torch.optim.Adam([*backbone.parameters(), *arcface.parameters()], lr=0.01)
for _ in range(60):
    optimizer.zero_grad()
    arcface(backbone(rows), labels).backward()
    optimizer.step()

# ... it predicts once backbone and class weights are one model: margins end with training.
model = AngularModel(backbone, arcface.W.detach().T).eval()
predicted = model.nearest(torch.tensor(X_test, dtype=torch.float32)).numpy()
theirs = (predicted == y_test).mean()

# Or from the beginning, with predict, predict_proba and transform.
classifier = SphereNetClassifier(loss="arcface", margin=0.2, max_epochs=10, random_state=0)
ours = classifier.fit(X_train, y_train).score(X_test, y_test)
print(f"accuracy: {theirs:.3f} with ArcFace in a loop, {ours:.3f} with SphereNetClassifier")
assert theirs > 0.9
assert ours > 0.9
