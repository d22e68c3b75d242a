"""What a batch returns as an xarray.DataArray: names of axes, coordinates, steps."""

import sys

import numpy as np
import pytest

import lrkernel as lrk

DOWN, UP = lrk.linear(1.0, 0.0, 4), lrk.linear(0.0, 1.0, 4)
NAMED = lrk.sweep(lrk.wsd, peak=[0.1, 0.2], warmup=10, stable=[[20], [30], [40]], decay=[[1], [2], [3]])


def test_xarray_names_axes_and_steps() -> None:
    batch = lrk.sweep(lrk.linear, start=[[1.0], [2.0]], stop=0.0, steps=[10, 20, 30])
    found = batch.to_xarray(batch([0, 5]), [0, 5])
    assert found.dims == ("start", "steps", "step")
    assert found.sel(start=2.0, steps=20, step=5).item() == 1.5
    assert found["steps"].dtype == np.int64
    sums = batch.to_xarray(batch.sum(0, 10))
    assert sums.dims == ("start", "steps")
    assert sums.idxmax("steps").values.tolist() == [30, 30]
    both = NAMED.to_xarray(NAMED(5))
    assert both.dims == ("axis_0", "peak")
    assert both["stable"].dims == both["decay"].dims == ("axis_0",)
    assert both["stable"].values.tolist() == [20, 30, 40]
    mixed = lrk.sweep(lrk.wsd, peak=0.1, warmup=10, stable=[None, 20], decay=5, decay_shape=["linear", "1-sqrt"])
    assert mixed.to_xarray(mixed(0))["stable"].values.tolist() == [None, 20]
    assert mixed.to_xarray(mixed(0))["decay_shape"].dtype.kind == "U"
    assert lrk.ScheduleBatch([DOWN, UP]).to_xarray([1.0, 2.0]).dims == ("axis_0",)


def test_values_that_xarray_does_not_get() -> None:
    with pytest.raises(ValueError, match=r"values must have shape \(3, 2\), got \(2,\)"):
        NAMED.to_xarray([1.0, 2.0])
    with pytest.raises(ValueError, match=r"values must have shape \(3, 2, 1\), got \(3, 2\)"):
        NAMED.to_xarray(NAMED(0), [0])
    with pytest.raises(ValueError, match=r"steps must have shape \(n,\), got \(\)"):
        NAMED.to_xarray(NAMED(0), 0)


def test_a_missing_xarray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(ImportError, match=r'to_xarray needs xarray: pip install "lrkernel\[xarray\]"'):
        NAMED.to_xarray(NAMED(0))
