import type { H5Bytes } from "./h5-bytes.js";

/** A message of an object header: where its body is. */
export interface H5Message {
  readonly type: number;
  readonly at: number;
  readonly size: number;
  readonly flags: number;
}

/** The messages of the object header at `address`, continuation blocks included. */
export function h5Messages(h5: H5Bytes, address: number): H5Message[] {
  h5.visit();
  h5.check(address, 16, "an object header");
  return h5.text(address, 4) === "OHDR" ? version2(h5, address) : version1(h5, address);
}

function version1(h5: H5Bytes, address: number): H5Message[] {
  if (h5.u8(address) !== 1) throw h5.damaged(`object header version ${h5.u8(address)} at byte ${address}`);
  const out: H5Message[] = [];
  const blocks: [number, number][] = [[address + 16, h5.u32(address + 8)]];
  for (let b = 0; b < blocks.length; b++) {
    h5.visit();
    const [start, length] = blocks[b]!;
    h5.check(start, length, "an object header");
    for (let at = start; at + 8 <= start + length; ) {
      const message = { type: h5.u16(at), size: h5.u16(at + 2), flags: h5.u8(at + 4), at: at + 8 };
      if (message.at + message.size > start + length) throw h5.damaged("a header message is longer than its header");
      if (message.type === 0x10) blocks.push([h5.address(message.at), h5.length(message.at + h5.offsetSize)]);
      else if (message.type !== 0) out.push(message);
      at = message.at + message.size;
    }
  }
  return out;
}

function version2(h5: H5Bytes, address: number): H5Message[] {
  const flags = h5.u8(address + 5);
  let at = address + 6 + (flags & 0x20 ? 16 : 0) + (flags & 0x10 ? 4 : 0);
  const width = 1 << (flags & 3);
  const size = h5.uint(at, width);
  at += width;
  const out: H5Message[] = [];
  const blocks: [number, number][] = [[at, size]];
  for (let b = 0; b < blocks.length; b++) {
    h5.visit();
    const [start, length] = blocks[b]!;
    h5.check(start, length, "an object header");
    const head = 4 + (flags & 4 ? 2 : 0);
    for (let m = start; m + head <= start + length; ) {
      const message = { type: h5.u8(m), size: h5.u16(m + 1), flags: h5.u8(m + 3), at: m + head };
      if (message.at + message.size > start + length) throw h5.damaged("a header message is longer than its header");
      if (message.type === 0x10) {
        const block = h5.address(message.at);
        h5.signature(block, "OCHK");
        blocks.push([block + 4, h5.length(message.at + h5.offsetSize) - 8]);
      } else if (message.type !== 0) out.push(message);
      m = message.at + message.size;
    }
  }
  return out;
}

/** Names and object header addresses in a group. */
export function h5Links(h5: H5Bytes, messages: readonly H5Message[]): Map<string, number> {
  const out = new Map<string, number>();
  for (const m of messages) {
    if (m.type === 0x11) symbolTable(h5, h5.address(m.at), h5.address(m.at + h5.offsetSize), out);
    else if (m.type === 0x06) link(h5, m, out);
    else if (m.type === 0x02) {
      const heap = h5.address(m.at + 2 + (h5.u8(m.at + 1) & 1 ? 8 : 0));
      if (heap >= 0) throw h5.unsupported("many links in one group (dense storage)");
    }
  }
  return out;
}

function link(h5: H5Bytes, message: H5Message, out: Map<string, number>): void {
  const flags = h5.u8(message.at + 1);
  let at = message.at + 2;
  const kind = flags & 8 ? h5.u8(at++) : 0;
  at += (flags & 4 ? 8 : 0) + (flags & 16 ? 1 : 0);
  const width = 1 << (flags & 3);
  const length = h5.uint(at, width);
  at += width;
  const name = h5.text(at, length);
  if (kind === 0) out.set(name, h5.address(at + length));
}

function symbolTable(h5: H5Bytes, tree: number, heap: number, out: Map<string, number>): void {
  h5.signature(heap, "HEAP");
  const names = h5.address(heap + 8 + 2 * h5.lengthSize);
  const namesSize = h5.length(heap + 8);
  const nodes = [tree];
  for (let n = 0; n < nodes.length; n++) {
    h5.visit();
    const at = nodes[n]!;
    if (h5.text(at, 4) === "SNOD") {
      const count = h5.u16(at + 6);
      for (let s = 0; s < count; s++) {
        const entry = at + 8 + s * (2 * h5.offsetSize + 24);
        const offset = h5.uint(entry, h5.offsetSize);
        if (offset < 0 || offset >= namesSize) throw h5.damaged("a link's name is outside the group's names");
        const rest = h5.slice(names + offset, namesSize - offset, "the names of a group");
        const end = rest.indexOf(0);
        out.set(
          new TextDecoder().decode(rest.subarray(0, end < 0 ? rest.length : end)),
          h5.address(entry + h5.offsetSize),
        );
      }
      continue;
    }
    h5.signature(at, "TREE");
    if (h5.u8(at + 4) !== 0) throw h5.damaged("a group's tree is of another kind");
    const used = h5.u16(at + 6);
    for (let e = 0; e < used; e++) {
      const child = at + 8 + 2 * h5.offsetSize + h5.lengthSize + e * (h5.lengthSize + h5.offsetSize);
      nodes.push(h5.address(child));
    }
  }
}
