"""integrations.keras - a schedule as a Keras 3 learning-rate schedule.

``KerasSchedule(schedule)`` is made when it is first asked for, so that importing this module needs no Keras.
"""

# Keras has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from functools import cache
from typing import Any

from lrkernel import Schedule

from .._arguments import missing, shown

BACKENDS = ("jax", "torch")


@cache
def _keras_schedule() -> type[Any]:
    try:
        import keras
    except ImportError as error:
        raise ImportError(missing("KerasSchedule", error.name or "keras", "keras")) from None

    @keras.saving.register_keras_serializable(package="lrkernel")
    class KerasSchedule(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
        """A schedule as ``learning_rate=`` of a Keras optimizer.

        With the JAX backend it is ``Schedule.to_jax``, inside the compiled training step. With torch, which runs step by step, the
        core is asked and its float64 value rounded once. It is saved with the optimizer or model, as the canonical form.

        Parameters
        ----------
        schedule : Schedule

        Raises
        ------
        TypeError
            If `schedule` is none.
        ValueError
            With another backend: a graph of TensorFlow can call neither. With JAX, for what ``to_jax`` refuses.

        Examples
        --------
        >>> import lrkernel as lrk
        >>> from lrkernel.integrations.keras import KerasSchedule
        >>> learning_rate = KerasSchedule(lrk.linear(1.0, 0.0, 4))
        >>> float(learning_rate(3))
        0.25
        >>> KerasSchedule.from_config(learning_rate.get_config()).schedule
        linear(1.0, 0.0, 4)
        """

        def __init__(self, schedule: Schedule) -> None:
            if not isinstance(schedule, Schedule):
                raise TypeError(f"schedule must be a schedule, got {shown(schedule)}")
            backend = keras.backend.backend()
            if backend not in BACKENDS:
                raise ValueError(f"the Keras backend must be one of {', '.join(BACKENDS)}, got {backend!r}")
            self.schedule = schedule
            self._traced = schedule.to_jax() if backend == "jax" else None

        def __call__(self, step: Any) -> Any:
            if isinstance(step, keras.Variable):
                step = step.value
            if self._traced is not None:
                return self._traced(step)
            value = self.schedule(step.tolist() if hasattr(step, "tolist") else step)
            return keras.ops.convert_to_tensor(value, dtype=keras.backend.floatx())

        def get_config(self) -> dict[str, Any]:
            return {"schedule": self.schedule.to_dict(labels=True)}

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> "KerasSchedule":
            return cls(Schedule.from_dict(config["schedule"]))

    KerasSchedule.__module__, KerasSchedule.__qualname__ = __name__, "KerasSchedule"  # where pickle looks for it
    return KerasSchedule


def __getattr__(name: str) -> Any:
    if name == "KerasSchedule":
        return _keras_schedule()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
