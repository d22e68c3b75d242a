"""optax_loop - fit a linear model with optax.adamw and a warm-up and cosine schedule.

pip install "lrkernel[jax]" optax; python examples/optax_loop.py
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import lrkernel as lrk

STEPS = 500
schedule = lrk.warmup_cosine(peak=0.1, warmup=50, total=STEPS, floor=1e-4)
optimizer = optax.adamw(learning_rate=schedule.to_jax(), weight_decay=1e-4)

rng = np.random.default_rng(0)
truth = np.array([1.0, -2.0, 0.5, 3.0], np.float32)
x = rng.normal(size=(256, 4)).astype(np.float32)
y = x @ truth + rng.normal(scale=0.01, size=256).astype(np.float32)


def loss(weights: jax.Array) -> jax.Array:
    return jnp.mean((x @ weights - y) ** 2)


@jax.jit
def update(weights: jax.Array, state: optax.OptState) -> tuple[jax.Array, optax.OptState]:
    updates, state = optimizer.update(jax.grad(loss)(weights), state, weights)
    return optax.apply_updates(weights, updates), state


weights = jnp.zeros(4)
state = optimizer.init(weights)
first = float(loss(weights))
for _ in range(STEPS):
    weights, state = update(weights, state)
print(f"loss {first:.3g} -> {float(loss(weights)):.2g}, weights {np.round(weights, 2).tolist()}, next lr {schedule(STEPS):g}")
