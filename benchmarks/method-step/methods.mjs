/**
 * What is timed for each method: its `step`, its parts, and `bound`: what the step may cost, from the medians of the
 * others. `at` has what `worker.mjs` offers; functions are built once and called once a round.
 */
export const methods = {
  "ug-mcl": ({ presets, network, step, supervisedWhole, forwardWhole }) => ({
    step: step(presets.ugMcl({ network })),
    "step with distance regression": step(presets.ugMcl({ network, distance: { regression: 0.3 } })),
    "student step": supervisedWhole({ heads: ["distance"] }),
    "9 teacher passes": forwardWhole({ heads: ["distance"] }, 9),
    "supervised step": supervisedWhole(),
  }),
  caml: ({ presets, network, step, supervisedWhole }) => ({
    step: step(presets.caml({ network })),
    "step without attention": step(presets.caml({ network, attention: false })),
    "step without correlation": step(presets.caml({ network, correlation: false })),
    "supervised step": supervisedWhole(),
    "supervised step, trilinear decoder": supervisedWhole({ decoders: ["trilinear"] }),
  }),
  ducisc: ({ presets, network, step, supervisedWhole, supervisedHalf, forwardHalf }) => ({
    step: step(presets.duCiSc({ network })),
    "step without prototypes": step(presets.duCiSc({ network, prototypes: false })),
    "student step of half the batch": supervisedHalf({ deepSupervision: true }),
    "teacher pass of half the batch": forwardHalf({ deepSupervision: true }, 1),
    "supervised step": supervisedWhole(),
  }),
};

/** FLOPs of CAML's attention in a step (forward and twice that backward): N samples of T tokens of d channels. */
function attentionGflop({ half, size, filters }) {
  const [n, d] = [2 * half, 8 * filters];
  const t = size.reduce((a, b) => a * (b / 8), 1);
  const dense = 2 * n * t * d * (4 * d + 2 * 4 * d);
  const within = 4 * n * t * t * d;
  const between = 4 * t * n * n * d;
  return (3 * (2 * dense + within + between)) / 1e9;
}

/** Bounds: what a step may cost in seconds, from the medians of its parts. */
export const bounds = {
  "ug-mcl": {
    factor: 1.15,
    of: "one student step + nine teacher passes",
    seconds: (t) => t["student step"] + t["9 teacher passes"],
  },
  caml: {
    factor: 1.25,
    of: "two supervised steps + the attention's FLOPs at the matmul rate",
    seconds: (t, shape, gflops) => 2 * t["supervised step"] + attentionGflop(shape) / gflops,
  },
  ducisc: {
    factor: 1.15,
    of: "three student steps + one teacher pass, of half the batch",
    seconds: (t) => 3 * t["student step of half the batch"] + t["teacher pass of half the batch"],
  },
};

/** Further shares of the step that are worth a line. */
export const shares = {
  "ug-mcl": (t) => ({ "distance regression": t["step with distance regression"] - t.step }),
  caml: (t) => ({
    attention: t.step - t["step without attention"],
    correlation: t.step - t["step without correlation"],
    "trilinear decoder": t["supervised step, trilinear decoder"] - t["supervised step"],
  }),
  ducisc: (t) => ({ prototypes: t.step - t["step without prototypes"] }),
};
