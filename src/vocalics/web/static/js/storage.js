/** What a browser remembers, or where it may not (blocked, or in a frame of another site) this page for as long as it is open. */

/** @type {Map<string, string>} */
const held = new Map();

/** @param {() => Storage} storage @param {string} key @returns {string | null} */
export function remembered(storage, key) {
  try {
    return storage().getItem(key);
  } catch {
    return held.get(key) ?? null;
  }
}

/** @param {() => Storage} storage @param {string} key @param {string} value */
export function remember(storage, key, value) {
  try {
    storage().setItem(key, value);
  } catch {
    held.set(key, value);
  }
}
