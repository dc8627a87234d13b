import { checkNumber } from "@semiseg/errors";
import { type ApplyOptions, conv, type Module, moduleOf, RandomStream, rectify } from "@semiseg/nn";
import { add, mul, sigmoid, type Tensor, tidy } from "@tensorflow/tfjs-core";
import { convUnit } from "./conv-unit.js";

/** Options of {@link attentionGate}. */
export interface AttentionGateOptions {
  /** Default 3. */
  readonly spatialDims?: 2 | 3;
  /** Channels of the gated tensor. */
  readonly channels: number;
  /** Channels of the gating tensor. Default: those of the gated one. */
  readonly gateChannels?: number;
  /** Channels in which the two are compared. */
  readonly intermediate: number;
  /** Initial weights. Default: a stream of seed 0. */
  readonly random?: RandomStream;
}

/** An additive attention gate; see {@link attentionGate}. */
export interface AttentionGate extends Module {
  /**
   * `skip` times a factor in (0, 1) per voxel, decided by `gate` and `skip`: `[N,...S,gateChannels]` and
   * `[N,...S,channels]`.
   */
  apply(gate: Tensor, skip: Tensor, options?: ApplyOptions): Tensor;
}

/**
 * Attention gate (Oktay et al., MIDL 2018) with batch norm after every convolution:
 * psi = sigmoid(BN(w * ReLU(BN(Wg gate) + BN(Wx skip)))), result skip * psi, psi shared by the channels.
 */
export function attentionGate(options: AttentionGateOptions): AttentionGate {
  const { spatialDims = 3, channels, gateChannels = channels, intermediate, random = new RandomStream(0) } = options;
  checkNumber("attentionGate", "channels", channels, { integer: true, min: 1 });
  checkNumber("attentionGate", "gateChannels", gateChannels, { integer: true, min: 1 });
  checkNumber("attentionGate", "intermediate", intermediate, { integer: true, min: 1 });
  const unit = (name: string, inChannels: number, outChannels: number) =>
    convUnit(
      conv({ spatialDims, inChannels, outChannels, kernelSize: 1, random: random.fork(name) }),
      outChannels,
      "batch",
      "none",
    );
  const fromGate = unit("W_g", gateChannels, intermediate);
  const fromSkip = unit("W_x", channels, intermediate);
  const psi = unit("psi", intermediate, 1);
  return {
    ...moduleOf({
      "W_g.0": fromGate.conv,
      "W_g.1": fromGate.norm,
      "W_x.0": fromSkip.conv,
      "W_x.1": fromSkip.norm,
      "psi.0": psi.conv,
      "psi.1": psi.norm,
    }),
    apply: (gate, skip, options) =>
      tidy(() => {
        const compared = rectify(add(fromGate.apply(gate, options), fromSkip.apply(skip, options)));
        return mul(skip, sigmoid(psi.apply(compared, options)));
      }),
  };
}
