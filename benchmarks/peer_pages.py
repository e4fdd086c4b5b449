"""The same attention as pages of other tools: BertViz, and rows of weights in plain Altair."""

import subprocess
import tarfile
import tempfile
from importlib import import_module
from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from attnreport.recording import Recording

# What BertViz's pages ask a content network for, by the end of the address, and where the same
# script lies on npm. npm has no jQuery 2.0; 2.1.4 is the nearest.
_LIBRARIES = {
    "require.min.js": ("requirejs@2.3.6", "package/require.js"),
    "d3.min.js": ("d3@5.7.0", "package/dist/d3.min.js"),
    "jquery.min.js": ("jquery@2.1.4", "package/dist/jquery.min.js"),
}


def write_bertviz(view: str, recording: Recording, target: Path) -> None:
    """BertViz's `head_view` or `model_view` of the first example."""
    bertviz, torch = import_module("bertviz"), import_module("torch")
    maps = recording.examples[0].maps
    attention = [torch.from_numpy(attention.array()[np.newaxis]) for attention in maps]
    tokens = list(maps[0].key.labels)
    page = getattr(bertviz, view)(attention, tokens, html_action="return")
    target.write_text(page.data, encoding="utf-8")


def write_altair_rows(recording: Recording, target: Path) -> None:
    """One Altair chart with a row of data per weight, and menus for layer and head.

    The rows enter the finished specification, because Altair's own checks of them take minutes
    and gigabytes at a million rows.
    """
    weights = np.stack([attention.array() for attention in recording.examples[0].maps])
    layer, head = (_menu(name, size) for name, size in zip(("L", "H"), weights.shape, strict=False))
    chart = (
        alt.Chart(alt.InlineData(values=[]))
        .mark_rect()
        .encode(x="k:O", y="q:O", color="w:Q", tooltip="w:Q")
        .transform_filter((alt.datum.l == layer) & (alt.datum.h == head))
        .add_params(layer, head)
        .properties(width=600, height=600)
    )
    columns = ("l", "h", "q", "k", "w")
    indices = np.indices(weights.shape, dtype=np.int32).reshape(4, -1).tolist()
    rows = zip(*indices, weights.ravel().tolist(), strict=True)
    specification = chart.to_dict()
    specification["data"] = {"values": [dict(zip(columns, row, strict=True)) for row in rows]}
    page = vl_convert.vegalite_to_html(specification, bundle=True, renderer="canvas")
    target.write_text(page, encoding="utf-8")


def _menu(name: str, size: int) -> alt.Parameter:
    return alt.param(name=name, value=0, bind=alt.binding_select(options=list(range(size))))


def bertviz_libraries() -> dict[str, str]:
    """The scripts that BertViz's pages load, by the end of their address."""
    with tempfile.TemporaryDirectory() as folder:
        packages = [package for package, _ in _LIBRARIES.values()]
        command = ["npm", "pack", "--silent", "--pack-destination", folder, *packages]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        scripts = {}
        for ending, (package, member) in _LIBRARIES.items():
            archive = Path(folder) / f"{package.replace('@', '-')}.tgz"
            with tarfile.open(archive) as files:
                script = files.extractfile(member)
                assert script
                scripts[ending] = script.read().decode()
        return scripts
