// Elements: found by id, and made of text, never of markup.

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element ${id}`);
  return found;
}

/**
 * Make an element.
 * @param {string} name
 * @param {Object<string, string>} [attributes]
 * @param {...(Node|string)} children
 * @returns {HTMLElement}
 */
export function createElement(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/**
 * Show or hide an element.
 * @param {string} id
 * @param {boolean} shown
 */
export function setVisible(id, shown) {
  byId(id).hidden = !shown;
}

/**
 * Make a row of a table whose cells name their columns, for narrow screens.
 * @param {Array<[string, Node|string, string?]>} cells - column, content, class
 * @returns {HTMLElement}
 */
export function tableRow(cells) {
  return createElement("tr", {}, ...cells.map(([column, content, kind]) =>
    createElement("td", { "data-column": column, ...(kind ? { class: kind } : {}) }, content)));
}
