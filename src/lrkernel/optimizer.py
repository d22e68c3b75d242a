"""optimizer - how values reach an optimizer: groups, `set_lr`, a callable."""

from collections.abc import Mapping
from typing import Any, cast

from ._arguments import Number, real, scalar, shown
from ._core import scaled
from .plan import Parts

Writes = list[tuple[dict[str, Any], str, Any]]
Owners = dict[int, dict[str, Any]]  # id of a tensor -> the group that keeps it


def apply(optimizer: Any, values: Any, relative: bool) -> None:
    """Write a learning rate, or values by hyperparameter, to an optimizer; all is checked before the first is written."""
    if hasattr(optimizer, "param_groups"):
        owners: Owners = {}
        for group, name, value in group_writes(optimizer.param_groups, by_name(values), relative):
            group[name] = _stored(group.get(name), value, group, owners)
    elif relative:
        raise ValueError(f"optimizer must have param_groups, whose own base lr the schedule is relative to, got {shown(optimizer)}")
    elif hasattr(optimizer, "set_lr"):
        if isinstance(values, dict):
            raise TypeError(f"optimizer must have param_groups to take hyperparameters by name, got {shown(optimizer)}")
        optimizer.set_lr(values)
    elif callable(optimizer):
        optimizer(values)
    else:
        raise TypeError(f"optimizer must have param_groups or set_lr, or be callable, got {shown(optimizer)}")


def by_name(values: Any) -> Parts:
    """What is given alone is the lr."""
    return cast("Parts", values) if isinstance(values, dict) else {"lr": values}


def group_writes(groups: Any, values: Parts, relative: bool) -> Writes:
    """What every group gets, checked."""
    if not isinstance(groups, list | tuple):
        raise TypeError(f"optimizer.param_groups must be a list, got {shown(groups)}")
    if not groups:
        raise ValueError("optimizer.param_groups must not be empty, got no group")
    writes: Writes = []
    for index, group in enumerate(groups):
        path = f"optimizer.param_groups[{index}]"
        if not isinstance(group, dict):
            raise TypeError(f"{path} must be a dict, got {shown(group)}")
        for name, part in values.items():
            if name not in group:
                raise ValueError(f"{path} must have the key {name!r}, got {', '.join(map(repr, group)) or 'an empty dict'}")
            value = _of_group(name, part, index, group.get("name"))
            if (count := _count(value)) != _count(group[name]):
                said = "one value" if count is None else f"{count} values"
                raise ValueError(f"{path}[{name!r}] must hold {said}, got {shown(group[name])}")
            if name == "lr":
                base, scale = 1.0, group.get("lr_scale")
                if relative:
                    base = scalar(f"{path}['initial_lr']", group.get("initial_lr", group["lr"]))
                    if "initial_lr" not in group:
                        writes.append((group, "initial_lr", base))
                value = scaled(value, base, 1.0 if scale is None else scalar(f"{path}['lr_scale']", scale))
            _writable(f"{path}[{name!r}]", group[name])
            writes.append((group, name, value))
    return writes


def _count(value: object) -> int | None:
    """How many values a tuple holds; None for a number."""
    return len(value) if isinstance(value, list | tuple) else None


def _writable(name: str, old: Any) -> None:
    """Refuse a tensor that cannot take the value; whether it can is not to be found out half-way."""
    if isinstance(old, list | tuple):
        for index, one in enumerate(cast("list[Any]", old)):
            _writable(f"{name}[{index}]", one)
    elif hasattr(old, "fill_"):
        if not getattr(old, "is_floating_point", lambda: True)():
            raise TypeError(f"{name} must be a tensor of a real floating type to be written in place, got {shown(old)}")
        if getattr(old, "requires_grad", False):
            raise ValueError(f"{name} must not require a gradient to be written in place, got {shown(old)}")


def _of_group(name: str, part: Any, index: int, label: object) -> Any:
    """What a group gets of a hyperparameter that each group has its own schedule for."""
    if not isinstance(part, dict):
        return part
    found = [key for key in (index, label) if key is not None and key in part] or [None]
    if len(found) > 1:
        raise ValueError(f"schedule[{name!r}] must have one schedule for a group, got one for {index} and one for {label!r}")
    if found[0] not in part:
        called = f" ({label!r})" if label is not None else ""
        raise ValueError(f"schedule[{name!r}] must have a schedule for group {index}{called} or for None, all other groups")
    return part[found[0]]


def _stored(old: Any, value: Any, group: dict[str, Any], owners: Owners) -> Any:
    """What a group keeps: tensors are written in place, as compiled and captured steps read them there.

    torch gives all groups the one tensor of the optimizer's default: each but the first gets its own, at once and not when the
    values first differ, which is after such a step was captured.
    """
    if hasattr(old, "fill_"):
        own = old if owners.setdefault(id(old), group) is group else old.clone()
        own.fill_(value)
        return own
    if isinstance(value, tuple):
        return tuple(_stored(one, part, group, owners) for one, part in zip(old, value, strict=True))
    return value


def update_optimizer(optimizer: Any, lr: Number | Mapping[str, Any]) -> None:
    """Write a learning rate, or several hyperparameters by name, to an optimizer: what a scheduler does at every step.

    Parameters
    ----------
    optimizer : object
        Anything with ``param_groups`` (a list of dicts with ``"lr"``; each gets `lr` times its ``"lr_scale"`` if it has one),
        anything with ``set_lr(lr)``, or a callable, tried in this order. A tensor is written in place.
    lr : float or mapping
        A finite number, or hyperparameter -> number or tuple of numbers.

    Raises
    ------
    ValueError, TypeError
        For another optimizer, groups without the key, or values that are no finite numbers; nothing is written then.

    Examples
    --------
    >>> import lrkernel as lrk, types
    >>> optimizer = types.SimpleNamespace(param_groups=[{"lr": 0.1}, {"lr": 0.1, "lr_scale": 0.5}])
    >>> lrk.update_optimizer(optimizer, 0.02)
    >>> optimizer.param_groups
    [{'lr': 0.02}, {'lr': 0.01, 'lr_scale': 0.5}]
    """
    if isinstance(lr, Mapping):
        if not lr:
            raise ValueError("lr must name a hyperparameter, got an empty mapping")
        values: Parts = {}
        for name, value in lr.items():
            several = isinstance(value, tuple)
            values[name] = tuple(real(name, one) for one in value) if several else real(name, value)
        apply(optimizer, values, relative=False)
    else:
        apply(optimizer, real("lr", lr), relative=False)
