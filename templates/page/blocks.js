/** Data blocks: text in the page to bytes, when something first asks for them. */

const POLL_MS = 5;

/** @type {(text: string) => Uint8Array<ArrayBuffer>} */
export const bytesOf =
  "fromBase64" in Uint8Array
    ? (text) => /** @type {any} */ (Uint8Array).fromBase64(text)
    : (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));

/**
 * The text of a block. The page may still be arriving: a block is whole only once something
 * follows it or the document is complete.
 * @param {string} id
 */
export async function blockText(id) {
  for (;;) {
    const complete = document.readyState !== "loading";
    const block = document.getElementById(id);
    if (block && (block.nextSibling || complete)) return block.textContent ?? "";
    if (!block && complete) throw new Error(`block ${id} is missing`);
    await new Promise((resume) => setTimeout(resume, POLL_MS));
  }
}

/**
 * The decompressed bytes. Damage is noticed: the format carries a checksum, and the size is known.
 * @param {Uint8Array<ArrayBuffer>} packed
 * @param {number} size
 */
export async function inflate(packed, size) {
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter();
  // Errors of the writing side surface on the reading side.
  writer.write(packed).catch(() => {});
  writer.close().catch(() => {});
  const bytes = new Uint8Array(size);
  const reader = stream.readable.getReader();
  let filled = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (filled + value.length > size) throw new Error("a data block is longer than it should be");
    bytes.set(value, filled);
    filled += value.length;
  }
  if (filled !== size) throw new Error("a data block is shorter than it should be");
  return bytes;
}

/**
 * @param {string} id
 * @param {number} size
 */
export async function readBlock(id, size) {
  const text = await blockText(id);
  try {
    return await inflate(bytesOf(text), size);
  } catch (error) {
    throw new Error(`block ${id} of this file is damaged`, { cause: error });
  }
}
