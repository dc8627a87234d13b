export type NetworkName = "vnet" | "unet3d" | "unet2d";
export interface NetworkComparison {
  readonly parameters: number;
  readonly eval: number;
  readonly train: number;
  readonly running: number;
  readonly loss: number;
  readonly weights: number;
  readonly update: number;
}
export function compareNetwork(name: NetworkName, bytes: Uint8Array): NetworkComparison;
export const LIMITS: Readonly<Record<"eval" | "train" | "running" | "loss" | "weights", number>>;
