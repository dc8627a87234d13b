const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Text made safe for SVG content and attributes. */
export const escapeText = (text) => text.replace(/[&<>"]/g, (character) => entities[character]);
