"""optuna_cooldown - how long and how steep a cooldown should be for a loss law: Optuna asks, no model is trained.

pip install lrkernel optuna; python examples/optuna_cooldown.py
"""

from pathlib import Path

import optuna

import lrkernel as lrk
from lrkernel.simulation import load_law

LAW = load_law(Path(__file__).parent / "laws" / "luo2025_100m.toml")
STEPS, WARMUP, PEAK = 24_000, 2160, 3e-4


def after_warmup(decay: int, power: float) -> lrk.Schedule:
    """Constant, then a cooldown that falls as (1 - u)^power."""
    return lrk.constant(PEAK, STEPS - WARMUP - decay).then(lrk.polynomial(PEAK, 0.0, decay, power))


def final_loss(schedule: lrk.Schedule) -> float:
    """The authors fit and search what follows the warm-up, which counts by its area alone."""
    return float(LAW.predict(schedule, STEPS - WARMUP - 1, area_before=PEAK * WARMUP / 2))


def loss(trial: optuna.Trial) -> float:
    decay = trial.suggest_int("decay", 100, STEPS - WARMUP - 1, log=True)
    power = trial.suggest_float("power", 0.5, 4.0)
    return final_loss(after_warmup(decay, power))


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
study.optimize(loss, n_trials=100)
cosine = final_loss(lrk.cosine(PEAK, PEAK / 10, STEPS - WARMUP))
print(f"cosine {cosine:.4f}, best {study.best_value:.4f}: cooldown of {study.best_params['decay']:,} steps")
print(f"that falls as (1 - u)^{study.best_params['power']:.2f}")
