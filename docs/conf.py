"""Configuration of the documentation: python -m sphinx -W -b html docs docs/_build/html."""

import importlib
import inspect
import os
import pkgutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx_gallery.sorting import ExplicitOrder

import sphereskl

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
capabilities = importlib.import_module("capabilities")
# The gallery looks up what examples import, which scikit-learn refuses before this.
importlib.import_module("sklearn.experimental.enable_halving_search_cv")

project = "sphereskl"
author = "The sphereskl developers"
copyright = "2026, The sphereskl developers"
version = release = sphereskl.__version__

extensions = [
    "mathml",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "programs"]
templates_path = ["_templates"]
# The function that templates call cannot be pickled, and need not be.
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

# What is copied are the commands, without prompts and without what they print.
copybutton_prompt_text = r">>> |\.\.\. ?|\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos"

# Docstrings put names between single backticks: link those that are documented here.
default_role = "py:obj"
autodoc_typehints = "none"
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "sphereskl"
html_favicon = "_static/logo.svg"
html_theme_options = {
    "logo": {
        "text": "sphereskl",
        "image_light": "_static/logo.svg",
        "image_dark": "_static/logo.svg",
    },
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "navigation_with_keys": False,
    "show_prev_next": False,
    "show_toc_level": 2,
}
# Pages without sub-pages leave their room to the text.
html_sidebars = {
    name: []
    for name in (
        "architecture changelog contributing decisions extending glossary index releasing "
        "reliability security theory vision"
    ).split()
}
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["custom.css"]
toc_object_entries_show_parents = "hide"

# Bars of rich are as wide as this where there is no terminal.
os.environ.setdefault("COLUMNS", "118")
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/plot_",
    "ignore_pattern": r"benchmarks|reliability|__init__\.py",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_quickstart.py",
            "plot_baselines.py",
            "plot_table_with_gaps.py",
            "plot_search.py",
            "plot_embeddings.py",
            "plot_interactive_sphere.py",
            "plot_why_this_label.py",
            "plot_novelty.py",
            "plot_new_classes.py",
            "plot_intervals.py",
            "plot_ordered_classes.py",
            "plot_rotated_digits.py",
            "plot_augmentation.py",
            "plot_prototypes.py",
            "plot_semantic_prototypes.py",
            "plot_spherenet.py",
            "plot_spherenet_margins.py",
        ]
    ),
    "image_scrapers": ("matplotlib",),
    "image_srcset": ["2x"],
    "thumbnail_size": (640, 420),
    # What objects say of themselves is shown if it is a picture or a table.
    "capture_repr": ("_repr_html_",),
    "copyfile_regex": "",
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "write_computation_times": False,
}


def packages():
    """Return the public packages that export something, the top level first."""
    names = sorted(
        module.name
        for module in pkgutil.iter_modules(sphereskl.__path__, "sphereskl.")
        if module.ispkg and not module.name.endswith(".estimators")
    )
    found = [importlib.import_module(name) for name in ["sphereskl", *names]]
    return [package for package in found if getattr(package, "__all__", None)]


def write_api_pages(folder):
    """Write a page for every package, with a table of what its ``__all__`` names.

    A thing exported twice is described once, under the first package that has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for page in folder.glob("*.rst"):
        page.unlink()
    home = {}
    for package in packages():
        title, tables = package.__name__, {"Classes": [], "Functions": [], "Constants": []}
        for name in sorted(package.__all__, key=str.lower):
            thing = getattr(package, name)
            kind = "Functions" if callable(thing) else "Constants"
            kind = "Classes" if inspect.isclass(thing) else kind
            described = home.setdefault(id(thing), f"{title}.{name}")
            tables[kind].append((name, described))
        (folder / f"{title}.rst").write_text(_page(package, tables))


def _page(package, tables):
    title = package.__name__
    summary = inspect.getdoc(package).splitlines()[0]
    lines = [title, "=" * len(title), "", summary, ""]
    for heading, rows in tables.items():
        own = [described for _, described in rows if described.startswith(f"{title}.")]
        own = [described for described in own if described.count(".") == title.count(".") + 1]
        elsewhere = [(name, described) for name, described in rows if described not in own]
        if not rows:
            continue
        lines += [heading, "-" * len(heading), ""]
        if heading == "Constants":
            lines += [f"- ``{described}``" for _, described in rows] + [""]
            continue
        if own:
            lines += [".. autosummary::", "   :toctree: objects", ""]
            lines += [f"   ~{described}" for described in own] + [""]
        if elsewhere:
            links = ", ".join(f":obj:`~{described}`" for _, described in elsewhere)
            lines += [f"Also here: {links}.", ""]
    return "\n".join(lines)


def own_members(fullname, members):
    """Keep the members that this package defines; those of torch and scikit-learn have pages."""
    module, _, name = fullname.rpartition(".")
    cls = getattr(sys.modules[module], name)

    def is_own(member):
        defined_in = getattr(getattr(cls, member), "__module__", None) or ""
        own = defined_in.startswith("sphereskl")
        return own and not member.startswith("_") and member != "extra_repr"

    return [member for member in members if is_own(member)]


autosummary_context = {"own_members": own_members}
write_api_pages(HERE / "generated")
capabilities.write(HERE / "generated" / "capabilities.txt")


def trim_code(app, doctree):
    """Drop the empty line that ends doctests in Markdown: without it the fence is output."""
    for block in doctree.findall(nodes.literal_block):
        code = block.astext()
        if code.endswith("\n") and len(block.children) == 1:
            block[:] = [nodes.Text(code.rstrip("\n"))]
            block.rawsource = code.rstrip("\n")


def add_sphere(app, page, template, context, doctree):
    """Load the scripts of the sphere on the landing page alone."""
    if page == "index":
        app.add_js_file("sphere_data.js")
        app.add_js_file("sphere.js")


def setup(app):
    """Register what Sphinx calls while it reads and writes."""
    app.connect("doctree-read", trim_code)
    app.connect("html-page-context", add_sphere)
