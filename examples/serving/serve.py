"""A service that needs numpy and onnxruntime alone.

    python examples/serving/serve.py model.onnx --port 8000

answers POST requests of rows, such as {"rows": [{"age": 59, "sex": "b", "bmi": null}]}, with what
the model predicts for each. A column that a row leaves out, or that is null, is missing.
"""

import argparse
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import onnxruntime


class Model:
    """A file of ``to_onnx`` that was fitted on a frame."""

    def __init__(self, path):
        self.session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map
        # What stands for a missing string, by the names of columns that hold strings.
        self.missing = {one["name"]: one.get("missing") for one in json.loads(about["inputs"])}
        self.outputs = [output.name for output in self.session.get_outputs()]

    def predict(self, rows):
        unknown = {name for row in rows for name in row} - self.missing.keys()
        if unknown:
            raise ValueError(f"no column is called {sorted(unknown)[0]!r}")
        columns = {
            name: self._column([row.get(name) for row in rows], name) for name in self.missing
        }
        values = self.session.run(None, columns)
        return [
            {name: value[i].tolist() for name, value in zip(self.outputs, values, strict=True)}
            for i in range(len(rows))
        ]

    def _column(self, values, name):
        missing = self.missing[name]
        if missing is None:
            numbers = [np.nan if value is None else float(value) for value in values]
            return np.array(numbers, dtype=np.float64)[:, None]
        strings = [missing if value is None else str(value) for value in values]
        return np.array(strings, dtype=object)[:, None]


class Handler(BaseHTTPRequestHandler):
    """POST rows, get predictions, or 400 with what was wrong."""

    model: Model

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            status, answer = 200, {"predictions": self.model.predict(json.loads(body)["rows"])}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            status, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format, *args):
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--port", type=int, default=8000, help="0 takes one that is free")
    options = parser.parse_args()
    Handler.model = Model(options.path)
    server = ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
