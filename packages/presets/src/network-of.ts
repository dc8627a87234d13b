import { type UNetConfig, unet, type VNetConfig, vnet } from "@semiseg/backbones";
import type { Network } from "@semiseg/nn";

/** A network that is ready, or the options of a V-Net (default) or U-Net. */
export type NetworkChoice =
  | Network
  | ({ readonly kind?: "vnet" } & VNetConfig)
  | ({ readonly kind: "unet" } & UNetConfig);

/** Builds the network a preset was asked for; a V-Net with two classes by default. */
export function networkOf(choice: NetworkChoice = {}): Network {
  if ("apply" in choice) return choice;
  if (choice.kind === "unet") {
    const { kind: _, ...config } = choice;
    return unet(config);
  }
  const { kind: _, ...config } = choice;
  return vnet(config);
}
