/** The few things the page does with elements. */

/**
 * The one element that matches; its absence is a mistake in the template.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {HTMLElement}
 */
export function find(selector, root = document) {
  const found = root.querySelector(selector);
  if (!(found instanceof HTMLElement)) throw new Error(`The page has no ${selector}.`);
  return found;
}

/**
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {HTMLElement[]}
 */
export function findAll(selector, root = document) {
  return /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);
}

/**
 * A new element with text or children. Text is never parsed, so any token is safe in it.
 * @param {string} tag
 * @param {Record<string, string | number | boolean>} attributes
 * @param {...(Node | string)} children
 */
export function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children);
  return made;
}

/**
 * Writes a text into every element that shows it.
 * @param {string} name
 * @param {string} text
 */
export function show(name, text) {
  for (const place of findAll(`[data-show="${name}"]`)) place.textContent = text;
}

/**
 * Says that something went wrong, until an empty message takes it back.
 * @param {string} message
 */
export function note(message) {
  const place = find("#note");
  place.hidden = message === "";
  place.textContent = message;
}
