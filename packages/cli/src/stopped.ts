/** A command ended early on request; its message was shown already. */
export class Stopped extends Error {}
