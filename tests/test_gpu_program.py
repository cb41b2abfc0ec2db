"""The program of the GPU page measures what a time allows, continues its file, and prints it."""

import contextlib
import importlib
import io
import json
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

FOLDER = Path(__file__).parents[1] / "examples" / "benchmarks"
SECTIONS = ("steps", "convolutions", "cifar", "bottleneck", "depth", "batches", "gain", "storage")


@pytest.fixture(scope="module")
def gpu():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(FOLDER), *sys.path])
        yield importlib.import_module("gpu")


@pytest.fixture(scope="module")
def parts(gpu):
    names = ("gain", "page", "rows", "running", "sizes")
    found = {name: importlib.import_module(f"gpu_sections.{name}") for name in names}
    return SimpleNamespace(sections=gpu.SECTIONS, **found)


def printed(gpu, path, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as told, warnings.catch_warnings():
        # torch.compile instantiates autograd functions, against which torch warns.
        warnings.simplefilter("ignore", DeprecationWarning)
        gpu.main(["--tiny", "--device", "cpu", "--out", str(path), *arguments])
    return told.getvalue()


@pytest.fixture(scope="module")
def complete(gpu, tmp_path_factory):
    path = tmp_path_factory.mktemp("gpu") / "complete.json"
    printed(gpu, path, "--budget", "3600")
    return path


@pytest.fixture
def copied(complete, tmp_path):
    path = tmp_path / "copied.json"
    path.write_text(complete.read_text())
    return path


@pytest.mark.parametrize("section", SECTIONS)
def test_every_row_of_a_section_has_a_result(complete, section):
    rows = [row for row in json.loads(complete.read_text())["rows"] if row["section"] == section]
    assert rows
    assert [row for row in rows if "result" not in row] == []


def test_contenders_that_need_something_else_say_so(complete):
    steps = next(row for row in json.loads(complete.read_text())["rows"])
    assert set(steps["result"]["errors"].values()) == {
        "needs CUDA",
        "compiles with the backend inductor only",
    }


def test_a_complete_file_stays_as_it_is(gpu, copied):
    before = json.loads(copied.read_text())
    text = printed(gpu, copied, "--budget", "3600")
    assert json.loads(copied.read_text()) == before
    assert printed(gpu, copied, "--print") == text


def test_an_interrupted_file_is_continued(gpu, copied):
    content = json.loads(copied.read_text())
    lost = content["rows"].pop()
    copied.write_text(json.dumps(content))
    printed(gpu, copied, "--budget", "3600")
    *kept, again = json.loads(copied.read_text())["rows"]
    assert kept == content["rows"]
    assert (again["name"], "result" in again) == (lost["name"], True)


def test_a_failing_row_is_recorded_and_the_others_follow(gpu, parts, monkeypatch, tmp_path):
    def fail_at_gain_1(settings, seed, place):
        if settings["gain"] == 1:
            raise MemoryError("too much\nfor this test")
        return {"changed": 0.0, "training_loss": 1.0}

    monkeypatch.setattr(parts.gain, "measure", fail_at_gain_1)
    text = printed(gpu, tmp_path / "failed.json", "--sections", "gain")
    rows = json.loads((tmp_path / "failed.json").read_text())["rows"]
    assert {row.get("error") for row in rows} == {None, "MemoryError: too much"}
    assert rows[-1]["settings"]["gain"] == 10
    assert "- convolution + ReLU (He); 1 (1 row): MemoryError: too much" in text


@pytest.mark.parametrize("section", SECTIONS)
def test_without_time_the_page_names_what_is_missing(gpu, parts, tmp_path, section):
    text = printed(gpu, tmp_path / "empty.json", "--budget", "0", "--sections", section)
    plan = parts.sections[section].plan(parts.sizes.TINY[section])
    missing = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(missing) == len(plan)
    assert all("budget: 0 s expected, 0 s of 0 s left" in line for line in missing)


def test_a_row_is_not_begun_if_such_rows_took_longer_than_what_is_left(parts, tmp_path):
    row = {"section": "s", "name": "n", "settings": {}, "least_seconds": 0}
    plan = [{**row, "seed": seed} for seed in (0, 1)]
    measured = {**plan[0], "result": {}, "seconds": 1000.0, "date": "2026-01-01"}
    results = parts.rows.Results(tmp_path / "r.json", {}, plan, [measured])
    parts.running.run(results, plan, {}, None, budget=500)
    assert results.rows == [measured]
    assert "budget: 1000 s expected" in results.left_out[parts.rows.identity(plan[1])]


@pytest.mark.parametrize("size", ["full", "small"])
def test_first_seeds_of_all_sections_come_before_second_ones(parts, size):
    plan = parts.rows.planned_rows(parts.sections, parts.sizes.SIZES[size], 3)
    last_of_first = max(
        i for i, row in enumerate(plan) if (row["seed"], row["section"]) == (0, "gain")
    )
    first_of_second = next(i for i, row in enumerate(plan) if row["seed"] == 1)
    assert first_of_second > last_of_first
    assert len({parts.rows.identity(row) for row in plan}) == len(plan)


def test_the_page_depends_on_rows_but_not_on_their_order(gpu, parts, complete):
    content = json.loads(complete.read_text())
    text = parts.page.page(content, parts.sections)
    content["rows"].reverse()
    assert parts.page.page(content, parts.sections) == text
    removed = content["rows"].pop(0)
    changed = parts.page.page(content, parts.sections)
    assert f"- {removed['name']} (1 row): not reached" in changed


def test_a_file_of_another_size_is_refused(gpu, copied):
    with pytest.raises(SystemExit, match=r"holds rows of size 'tiny', not 'small'; name another"):
        gpu.main(["--size", "small", "--device", "cpu", "--out", str(copied), "--budget", "0"])


def test_nothing_to_print_is_said(gpu, tmp_path):
    with pytest.raises(SystemExit, match=r"is not there yet; measure something without --print"):
        gpu.main(["--print", "--out", str(tmp_path / "none.json")])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_every_row_has_a_result_on_a_gpu(gpu, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gpu.main(["--tiny", "--device", "cuda", "--out", str(tmp_path / "cuda.json")])
    rows = json.loads((tmp_path / "cuda.json").read_text())["rows"]
    assert [row for row in rows if "result" not in row] == []
    failed = next(row["result"]["errors"] for row in rows if row["section"] == "steps")
    assert list(failed.values()) == ["compiles with the backend inductor only"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_replayed_steps_learn(gpu):
    graphs = importlib.import_module("gpu_sections.graphs")
    torch.manual_seed(0)
    X = torch.randn(64, 5, device="cuda")
    y, model = X.sum(dim=1, keepdim=True), torch.nn.Linear(5, 1).cuda()
    steps = graphs.GraphedSteps(
        model, lambda X, y: (model(X) - y).square().mean(), X, y, batch_size=16, lr=0.05
    )
    first, *_, last = [steps.epoch() for _ in range(50)]
    assert last < first / 100
