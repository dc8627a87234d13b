import { type UNetConfig, unet, type VNetConfig, vnet } from "@semiseg/backbones";
import type { Network } from "@semiseg/nn";

/** A backbone by name and options, or a network that is ready. */
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
