"""An interactive sphere, drawn with plotly."""

import numpy as np

from ._drawing import VALUES, group_colors, group_markers

_SYMBOLS = (
    "circle", "square", "cross", "diamond", "circle-open", "square-open", "diamond-open",
)  # fmt: skip
_HOVER = "<b>%{customdata[0]}</b><br>%{customdata[1]}<extra></extra>"


def interactive_sphere(places, groups, degrees, *, title):
    """Return a plotly figure of samples and prototypes in three dimensions."""
    try:
        import plotly.graph_objects as go
    except ImportError as error:
        raise ImportError(
            "EmbeddingDisplay.to_plotly draws with plotly, which is not installed; run "
            'pip install "sphereskl[plot]".'
        ) from error
    samples = _samples(go, places.samples, groups, degrees)
    figure = go.Figure([_ball(go), *_circles(go), *samples])
    if len(places.prototypes):
        figure.add_trace(_stars(go, places.prototypes, groups))
    axis = {"visible": False, "range": [-1.25, 1.25], "showspikes": False}
    figure.update_layout(
        # Below the buttons: a narrow page has no room next to them.
        title={"text": title, "x": 0.5, "y": 1, "yanchor": "top", "pad": {"t": 46}},
        scene={
            "xaxis": axis, "yaxis": axis, "zaxis": axis, "aspectmode": "cube",
            "camera": {"eye": {"x": 0.9, "y": -1.45, "z": 0.6}},
        },
        # Below the sphere: next to it, a legend leaves no room on a narrow page.
        legend={
            "orientation": "h", "x": 0.5, "xanchor": "center", "y": 0, "yanchor": "top",
            "itemsizing": "constant",
        },
        margin={"l": 0, "r": 0, "t": 100, "b": 0},
    )  # fmt: skip
    return figure


def _samples(go, points, groups, degrees):
    symbols = group_markers(len(groups.names), _SYMBOLS)
    colors = group_colors(len(groups.names))
    for name, _, rows in groups.members():
        code = groups.codes[rows[0]]
        marker = {"size": 4, "symbol": symbols[code], "color": colors[code], "opacity": 0.8}
        if groups.values is not None:
            bar = {"orientation": "h", "y": 0, "yanchor": "top", "len": 0.8, "thickness": 12}
            marker |= {"symbol": "circle", "color": groups.values, "colorscale": VALUES}
            marker |= {"showscale": True, "colorbar": bar}
        yield go.Scatter3d(
            **_coordinates(points[rows]), mode="markers", name=name, marker=marker,
            showlegend=groups.values is None and len(groups.names) > 1,
            customdata=[_said(groups.label(row), degrees[row]) for row in rows],
            hovertemplate=_HOVER,
        )  # fmt: skip


def _said(label, degrees):
    label = f"{label:g}" if isinstance(label, float) else str(label)
    return label, "" if np.isnan(degrees) else f"{degrees:.1f}° from its prototype"


def _stars(go, prototypes, groups):
    n_prototypes = len(prototypes)
    names = [_said(name, np.nan)[0] for name in groups.names[:n_prototypes]]
    colors = group_colors(n_prototypes) if groups.values is None else "white"
    return go.Scatter3d(
        **_coordinates(prototypes), mode="markers+text", name="prototypes", text=names,
        showlegend=groups.values is None,
        textfont={"size": 14, "color": "black"}, textposition="top center",
        marker={
            "size": 8, "symbol": "diamond", "color": colors,
            "line": {"color": "black", "width": 2},
        },
        customdata=[(name, "prototype") for name in names], hovertemplate=_HOVER,
    )  # fmt: skip


def _ball(go):
    azimuth, polar = np.meshgrid(np.linspace(0, 2 * np.pi, 61), np.linspace(0, np.pi, 31))
    # Slightly smaller, so that points lie on it, not half inside.
    x, y, z = 0.985 * np.array(
        [np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)]
    )
    return go.Surface(
        x=x, y=y, z=z, opacity=0.35, showscale=False, hoverinfo="skip",
        colorscale=[[0, "#DDDDDD"], [1, "#DDDDDD"]],
    )  # fmt: skip


def _circles(go):
    turn = np.linspace(0, 2 * np.pi, 121)
    circle = np.stack([np.cos(turn), np.sin(turn), 0 * turn])
    for axes in ((0, 1, 2), (0, 2, 1), (2, 0, 1)):
        yield go.Scatter3d(
            **_coordinates(circle[list(axes)].T), mode="lines", showlegend=False,
            hoverinfo="skip", line={"color": "#AAAAAA", "width": 1},
        )  # fmt: skip


def _coordinates(points):
    return dict(zip("xyz", np.asarray(points).T, strict=True))
