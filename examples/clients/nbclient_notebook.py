"""nbclient: a notebook with a progress bar, a diagram and a plot, executed and made a page.

python examples/clients/nbclient_notebook.py [page.html]
"""
# /// script
# requires-python = ">=3.11"
# dependencies = ["sphereskl", "ipykernel", "matplotlib", "nbclient>=0.10", "nbconvert>=7"]
# ///

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter

CELLS = [
    """
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sphereskl import HypersphericalPrototypeClassifier
from sphereskl.display import EmbeddingDisplay, TrainingHistoryDisplay

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
""",
    """
classifier = HypersphericalPrototypeClassifier(
    max_epochs=10, early_stopping=True, verbose=True, random_state=0, device="cpu"
)
classifier.fit(X_train, y_train)
""",
    "classifier.score(X_test, y_test)",
    "TrainingHistoryDisplay.from_estimator(classifier);",
    "EmbeddingDisplay.from_estimator(classifier, X_test, y_test);",
]
notebook = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS],
    metadata={"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}},
)
NotebookClient(notebook, timeout=300).execute()

outputs = [cell.outputs for cell in notebook.cells]
bar, diagram = outputs[1]
score = float(outputs[2][0]["data"]["text/plain"])
print(f"bar: {bar.get('text') or bar['data']['text/plain']}")
print(f"accuracy {score:.3f}")
kinds = [sorted(output.get("data", {"text": 0})) for cell in outputs for output in cell]
print(f"outputs: {kinds}")
page, _ = HTMLExporter().from_notebook_node(notebook)
if len(sys.argv) > 1:
    Path(sys.argv[1]).write_text(page)

# The bar is one output of its cell, and stays; the diagram is the other.
assert "sk-top-container" in diagram["data"]["text/html"]
assert score > 0.95
assert all("image/png" in outputs[i][-1]["data"] for i in (3, 4))
assert "sk-top-container" in page
